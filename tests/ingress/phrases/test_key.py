"""Keys of phrases: equal for what sounds alike, different for everything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.settings import SpeechSettings
from ingress.phrases.engine_version import PACKAGES, engine_version
from ingress.phrases.key import INAUDIBLE, phrase_key

HIBARI = SpeechSettings(tts="hibari")
ENGINES = ("hibari", "coqui", "scripted")


def other_than(value: Any) -> Any:
    """Return another value of a setting."""
    return value + 1 if isinstance(value, int | float) else f"not {value}"


def key(speech: SpeechSettings = HIBARI, **changed: Any) -> str:
    """Return the key of a greeting, with something changed."""
    asked = {"engine_version": "1", "language": "en", "voice": None, "text": "Hello."} | changed
    return phrase_key(speech, **asked)


SECTIONS = {engine: type(getattr(SpeechSettings(), engine)).model_fields for engine in ENGINES}


@pytest.mark.parametrize(
    ("engine", "setting"), [(engine, setting) for engine in ENGINES for setting in SECTIONS[engine]]
)
def test_every_setting_of_an_engine_counts_unless_it_is_known_to_be_inaudible(
    engine: str, setting: str
) -> None:
    """A setting that somebody adds tomorrow makes other keys, too."""
    speech = SpeechSettings(tts=engine)
    section = getattr(speech, engine)
    section = section.model_copy(update={setting: other_than(getattr(section, setting))})
    changed = speech.model_copy(update={engine: section})
    assert (key(speech) == key(changed)) == (setting in INAUDIBLE[engine])


def test_inaudible_settings_exist() -> None:
    """A name that is no setting of its engine is a mistake."""
    for engine in ENGINES:
        assert set(SECTIONS[engine]) > INAUDIBLE[engine]


def test_settings_of_other_engines_and_of_the_transcriber_do_not_count() -> None:
    """They are not heard."""
    others = SpeechSettings(tts="hibari", stt="scripted", synthesis_deadline_s=3.0)
    changed = others.model_copy(update={"coqui": others.coqui.model_copy(update={"speaker": "anna"})})
    assert key(others) == key(changed) == key(HIBARI)


words = st.text(max_size=8)
identities = st.tuples(words, words, st.none() | words, words)


@given(identities, identities)
def test_keys_are_equal_exactly_for_equal_identities(
    one: tuple[str, str, str | None, str], other: tuple[str, str, str | None, str]
) -> None:
    """Nothing runs into its neighbour, and only the space around the text is left out."""
    is_alike = (*one[:3], one[3].strip()) == (*other[:3], other[3].strip())
    assert (phrase_key(HIBARI, *one) == phrase_key(HIBARI, *other)) == is_alike


def test_fields_do_not_run_into_each_other() -> None:
    """A voice called `None` is not no voice, and a language does not borrow from the version."""
    assert key(voice=None) != key(voice="None") != key(voice="")
    assert key(engine_version="1", language="1en") != key(engine_version="11", language="en")


@pytest.mark.parametrize("text", ["hello.", "Hello!", "Hello .", "Hel lo.", "Ĥello."])
def test_what_may_be_spoken_differently_is_different(text: str) -> None:
    """Case, marks and space inside a text are the engine's business."""
    assert key(text=text) != key()


def test_space_around_a_text_is_left_out() -> None:
    """It cannot be heard."""
    assert key(text="  Hello.\n") == key()


def test_versions_name_the_programs_that_make_the_audio() -> None:
    """raymal's always, the engine's where it is installed; a missing one is no error."""
    assert engine_version("scripted").startswith("raymal ")
    assert engine_version("hibari").startswith(engine_version("scripted") + ", hibari-tts ")
    assert all(engine_version(engine) for engine in PACKAGES)
    assert set(PACKAGES) <= set(INAUDIBLE)
