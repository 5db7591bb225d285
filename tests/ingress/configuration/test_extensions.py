"""What an extension is when not everything is said about it."""

from __future__ import annotations

from actors.messages import Priority
from ingress.configuration.extensions import DEFAULT_EXTENSION, Phrase, extensions
from ingress.configuration.settings import Settings

CHOSEN = {
    "dialog": {"name": "tone", "greeting": "Hello.", "tone_hz": 500},
    "barge_in": {"in_greeting": False},
    "speech": {"language": "pt"},
    "extensions": {
        "plain": {"port": 9100},
        "own": {
            "port": 9101,
            "priority": "high",
            "language": "es",
            "dialog": {"greeting": "Hola."},
            "barge_in": {"speech_ms": 300},
            "busy": "Ocupado.",
        },
    },
}


def test_the_servers_own_port_comes_first() -> None:
    """It is an extension like the others, of normal priority."""
    first = next(iter(extensions(Settings.model_validate(CHOSEN)).values()))
    assert (first.name, first.priority, first.dialog.name) == (DEFAULT_EXTENSION, Priority.NORMAL, "tone")


def test_what_an_extension_does_not_set_is_the_servers() -> None:
    """Key by key, also inside a section of which it sets something."""
    found = extensions(Settings.model_validate(CHOSEN))
    plain, own = found["plain"], found["own"]
    assert (plain.dialog.greeting, plain.language, plain.barge_in.in_greeting) == ("Hello.", "pt", False)
    assert (own.dialog.name, own.dialog.greeting, own.dialog.tone_hz) == ("tone", "Hola.", 500)
    assert (own.barge_in.in_greeting, own.barge_in.speech_ms) == (False, 300)
    assert (own.language, own.priority, own.phrases) == ("es", Priority.HIGH, {Phrase.BUSY: "Ocupado."})


def test_the_way_to_another_process_changes_nothing() -> None:
    """Processes of a server get its settings as JSON, in which what is unset stays unset."""
    settings = Settings.model_validate(CHOSEN)
    again = Settings.model_validate_json(settings.model_dump_json(exclude_unset=True))
    assert again == settings
    assert extensions(again) == extensions(settings)
