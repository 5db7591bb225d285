"""SVOX Pico: a voice for each language, mechanical and very fast."""

from __future__ import annotations

import numpy as np
import pytest

from actors.engines.pico import PicoTts
from actors.errors import EngineError
from actors.messages import Synthesize
from actors.settings import PicoSettings, SpeechSettings

pytest.importorskip("ttspico", reason="run `pip install 'raymal[pico]'`")


@pytest.fixture(scope="module")
def engine() -> PicoTts:
    loaded = PicoTts(SpeechSettings(tts="pico", language="es"))
    loaded.load()
    return loaded


def spoken(engine: PicoTts, text: str, language: str = "es", voice: str | None = None) -> np.ndarray:
    audio = b"".join(engine.synthesize(Synthesize("call", text, language, voice)))
    return np.frombuffer(audio, "<i2") / 32768.0


@pytest.mark.parametrize("language", ["es", "de-AT", "fr", "it", "en-GB", "en"])
def test_each_language_is_spoken_at_the_level_of_other_engines(engine: PicoTts, language: str) -> None:
    """Without clipping, and without a late start."""
    audio = spoken(engine, "Taxi, hotel, restaurant.", language)
    loud = np.abs(audio) > 0.01
    assert 0.8 < audio.size / 8000 < 5.0
    assert -25.0 < 20 * np.log10(np.sqrt(np.mean(audio[loud] ** 2))) < -18.0
    assert np.abs(audio).max() < 0.8
    assert np.argmax(loud) / 8000 < 0.1


def test_sentences_come_one_by_one(engine: PicoTts) -> None:
    """A text that is closed after its first sentence costs no more than that one."""
    pieces = engine.synthesize(Synthesize("call", "Buenos días. " * 20, "es"))
    first = next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert 0.3 < len(first) / 16_000 < 2.0


@pytest.mark.parametrize("text", ["", "…", "🙂", "<>", "\0"])
def test_a_text_with_nothing_to_say_yields_nothing(engine: PicoTts, text: str) -> None:
    """Symbols are not spoken."""
    assert spoken(engine, text).size == 0


def test_markup_of_the_library_is_text(engine: PicoTts) -> None:
    """It would change the voice."""
    plain = spoken(engine, "a pitch level b")
    assert spoken(engine, "a <pitch level='20'> b").size >= plain.size
    assert spoken(engine, "x" * 500).size > 8_000


def test_a_language_and_a_voice_that_it_has_not_are_refused(engine: PicoTts) -> None:
    """With what it has."""
    with pytest.raises(EngineError, match=r"no voice 'pt'.*de-DE, en-GB"):
        spoken(engine, "Olá", "pt")
    with pytest.raises(EngineError, match=r"no voice 'bob'"):
        spoken(engine, "Hola", voice="bob")
    assert spoken(engine, "Hello", voice="en-GB").size


def test_speed_is_obeyed(engine: PicoTts) -> None:
    """As far as the library does: at twice the speed a sentence takes three quarters of its time."""
    fast = PicoTts(SpeechSettings(tts="pico", pico=PicoSettings(speed=2.0)))
    text = "Un momento, por favor, voy a comprobar su pedido."
    assert spoken(fast, text).size < 0.85 * spoken(engine, text).size
