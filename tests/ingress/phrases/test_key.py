"""Keys of phrases: equal for what sounds alike, different for everything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.settings import SpeechSettings
from ingress.phrases.key import INAUDIBLE, PACKAGES, engine_version, phrase_key

HIBARI = SpeechSettings(tts="hibari")
SECTIONS = {engine: type(getattr(HIBARI, engine)).model_fields for engine in INAUDIBLE}


def key(speech: SpeechSettings = HIBARI, **changed: Any) -> str:
    """Return the key of a greeting, with something changed."""
    return phrase_key(speech, **{"language": "en", "voice": None, "text": "Hello."} | changed)


@pytest.mark.parametrize(
    ("engine", "setting"), [(engine, setting) for engine in SECTIONS for setting in SECTIONS[engine]]
)
def test_every_setting_of_an_engine_counts_unless_it_is_inaudible(engine: str, setting: str) -> None:
    """A setting that is added tomorrow makes other keys, too."""
    speech = SpeechSettings(tts=engine)
    section = getattr(speech, engine)
    value = getattr(section, setting)
    other = value + 1 if isinstance(value, int | float) else f"not {value}"
    changed = speech.model_copy(update={engine: section.model_copy(update={setting: other})})
    assert (key(speech) == key(changed)) == (setting in INAUDIBLE[engine])


def test_the_tables_name_settings_and_engines_that_exist() -> None:
    """A name that is no setting of its engine is a mistake."""
    assert all(set(SECTIONS[engine]) > INAUDIBLE[engine] for engine in INAUDIBLE)
    assert set(PACKAGES) <= set(INAUDIBLE)


def test_settings_of_other_engines_and_of_the_transcriber_do_not_count() -> None:
    """They are not heard."""
    others = SpeechSettings(tts="hibari", stt="scripted", synthesis_deadline_s=3.0)
    changed = others.model_copy(update={"coqui": others.coqui.model_copy(update={"speaker": "anna"})})
    assert key(others) == key(changed) == key(HIBARI)


def test_of_an_unknown_engine_every_setting_counts() -> None:
    """Also when its settings are a plain table."""
    own = [HIBARI.model_copy(update={"tts": "own", "own": {"threads": threads}}) for threads in (1, 2)]
    assert len({key(own[0]), key(own[1]), key(HIBARI.model_copy(update={"tts": "own"}))}) == 3


words = st.text(max_size=8)
identities = st.tuples(words, st.none() | words, words)


@given(identities, identities)
def test_keys_are_equal_exactly_for_equal_identities(
    one: tuple[str, str | None, str], other: tuple[str, str | None, str]
) -> None:
    """No field runs into the next, and only the space around the text is left out."""
    is_alike = (*one[:2], one[2].strip()) == (*other[:2], other[2].strip())
    assert (phrase_key(HIBARI, *one) == phrase_key(HIBARI, *other)) == is_alike


def test_no_voice_is_not_a_voice_of_that_name() -> None:
    """A voice called `None` is not the engine's own."""
    assert key(voice=None) != key(voice="None") != key(voice="")


@pytest.mark.parametrize("text", ["hello.", "Hello!", "Hello .", "Hel lo.", "Ĥello."])
def test_only_the_space_around_a_text_is_left_out(text: str) -> None:
    """Case, marks and space inside may be spoken differently."""
    assert key(text=text) != key() == key(text="  Hello.\n")


def test_versions_name_the_programs_that_make_the_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    """raymal's always, the engine's where it is installed; a missing one is no error."""
    assert engine_version("scripted").startswith("raymal ")
    assert engine_version("hibari").startswith(engine_version("scripted") + ", hibari-tts ")
    assert all(engine_version(engine) for engine in PACKAGES)
    before = key()
    monkeypatch.setattr("ingress.phrases.key.engine_version", lambda engine: "raymal 99")
    assert key() != before
