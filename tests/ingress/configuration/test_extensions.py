"""What an extension is when not everything is said about it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from actors.messages import Priority
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import DEFAULT_EXTENSION, Phrase, default_extension, named_extension
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
            "dialog": {"name": "echo", "greeting": "Hola."},
            "barge_in": {"speech_ms": 300},
            "busy": "Ocupado.",
        },
    },
}
BOOK = ExtensionBook.of(Settings.model_validate(CHOSEN), lambda dialog, where: dialog.name == "echo")


def test_what_an_extension_does_not_set_is_the_servers() -> None:
    """Key by key, also inside a section of which it sets something."""
    first, plain, own = BOOK.extensions.values()
    assert (first.name, first.priority, first.dialog.name) == (DEFAULT_EXTENSION, Priority.NORMAL, "tone")
    assert (plain.dialog.greeting, plain.language, plain.barge_in.in_greeting) == ("Hello.", "pt", False)
    assert (own.dialog.name, own.dialog.greeting, own.dialog.tone_hz) == ("echo", "Hola.", 500)
    assert (own.barge_in.in_greeting, own.barge_in.speech_ms) == (False, 300)
    assert (own.language, own.priority, own.phrases) == ("es", Priority.HIGH, {Phrase.BUSY: "Ocupado."})
    assert [extension.needs_speech for extension in (first, plain, own)] == [False, False, True]


def test_the_way_to_another_process_changes_nothing() -> None:
    """Processes of a server get the book as JSON."""
    assert ExtensionBook.model_validate_json(BOOK.model_dump_json()) == BOOK


@pytest.mark.parametrize("port", [True, "any"])
def test_a_port_is_a_number_or_one_of_two_words(port: object) -> None:
    """A flag is no number."""
    with pytest.raises(ValidationError, match="write a port's number"):
        Settings.model_validate({"extensions": {"a": {"port": port}}})


@pytest.mark.parametrize("port", [True, "any", "shared"])
def test_a_return_port_is_never_shared(port: object) -> None:
    """It belongs to calls of one extension."""
    with pytest.raises(ValidationError, match="write a port's number"):
        Settings.model_validate({"extensions": {"a": {"port": 0, "return_port": port}}})


def test_an_extension_may_have_several_languages() -> None:
    """The first is spoken until another is found out, or asked for; one in a list is one."""
    settings = Settings.model_validate(
        {
            "speech": {"language": ["pt_br", "EN"]},
            "extensions": {
                "a": {"port": 0},
                "b": {"port": 0, "language": ["es"]},
                "c": {"port": 0, "language": "fr, de"},
            },
        }
    )
    own = default_extension(settings)
    a, b, c = (named_extension(name, chosen, settings) for name, chosen in settings.extensions.items())
    assert (own.language, own.languages, own.spoken) == ("pt-BR", ("pt-BR", "en"), "pt-BR, en")
    assert (a.language, a.languages) == (own.language, own.languages)
    assert (b.language, b.languages) == ("es", ())
    assert (c.language, c.languages) == ("fr", ("fr", "de"))
    assert [each.language for each in own.in_each_language] == ["pt-BR", "en"]
    assert (own.chosen(None, "en").languages, own.chosen(Priority.HIGH, None).languages) == (
        (),
        own.languages,
    )
    assert settings.speech.first_language == "pt-BR"
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_each_language_may_have_a_voice() -> None:
    """Its own, or that of another region; one that is not named has the engine's. One for all is one."""
    voice = {"pt_br": "dora", "en": "emma"}
    settings = Settings.model_validate(
        {
            "extensions": {
                "a": {"port": 0, "language": ["pt", "en", "fr"], "voice": voice},
                "b": {"port": 0, "language": ["pt", "en"], "voice": "dora"},
            }
        }
    )
    a, b = (named_extension(name, chosen, settings) for name, chosen in settings.extensions.items())
    assert (a.spoken_voice, [each.spoken_voice for each in a.in_each_language]) == (
        "dora",
        ["dora", "emma", None],
    )
    assert a.voice_settings == {"voice.pt-BR": "dora", "voice.en": "emma"}
    assert (a.chosen(None, "en-GB").spoken_voice, b.chosen(None, "en").spoken_voice) == ("emma", "dora")
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(ValidationError, match="write a voice's name") as caught:
        Settings.model_validate({"extensions": {"a": {"port": 0, "voice": {"en": 1}}}})
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    ("languages", "problem"),
    [
        ([], "1 to 8 languages"),
        (["pt", "pt-BR"], "each language once"),
        (["pt", "?"], "write the code"),
        ([1], "list"),
    ],
)
def test_a_list_of_languages_is_checked(languages: list[object], problem: str) -> None:
    """Whole: one error says what is wrong."""
    with pytest.raises(ValidationError, match=problem) as caught:
        Settings.model_validate({"speech": {"language": languages}})
    assert caught.value.error_count() == 1
