from __future__ import annotations

import time

import numpy as np
import pytest

from actors.engines.registry import stt_engine, tts_engine
from actors.engines.scripted import ScriptedStt, ScriptedTts, sentence_tone_hz
from actors.messages import Synthesize, Transcribe, audio_duration_ms
from actors.settings import ScriptedSettings, SpeechSettings


def speech(**scripted: float | str) -> SpeechSettings:
    return SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings.model_validate(scripted))


def say(text: str) -> Synthesize:
    return Synthesize(call_id="call", text=text, language="en")


def test_the_registry_finds_both_engines() -> None:
    """`stt = "scripted"` and `tts = "scripted"` are enough to choose them."""
    assert isinstance(stt_engine(speech()), ScriptedStt)
    assert isinstance(tts_engine(speech()), ScriptedTts)


def test_stt_hears_the_configured_words_after_its_delay() -> None:
    """Whatever was said, in whatever language, takes as long as it is told."""
    engine = ScriptedStt(speech(transcript="two tickets", stt_delay_s=0.05))
    started = time.monotonic()
    transcript = engine.transcribe(Transcribe(call_id="call", audio=bytes(320), language="pt"))
    assert time.monotonic() - started >= 0.05
    assert (transcript.text, transcript.language, transcript.attempts) == ("two tickets", "pt", 1)


def test_tts_begins_after_its_delay() -> None:
    """The first piece, and only the first, is late."""
    engine = ScriptedTts(speech(tts_delay_s=0.05, speech_rate_characters_per_s=1.0))
    pieces = engine.synthesize(say("four"))
    started = time.monotonic()
    next(pieces)
    first = time.monotonic() - started
    next(pieces)
    assert first >= 0.05
    assert time.monotonic() - started - first < 0.05


def test_both_engines_load_for_as_long_as_they_are_told() -> None:
    """A slow start can be rehearsed."""
    for engine in (ScriptedStt(speech(load_delay_s=0.05)), ScriptedTts(speech(load_delay_s=0.05))):
        started = time.monotonic()
        engine.load()
        assert time.monotonic() - started >= 0.05


def test_a_sentence_lasts_as_long_as_its_text_in_pieces_of_two_seconds() -> None:
    """75 characters at 15 a second are five seconds: two full pieces and half of one."""
    engine = ScriptedTts(speech(tts_delay_s=0.0))
    assert [audio_duration_ms(piece) for piece in engine.synthesize(say("x" * 75))] == [
        2000.0,
        2000.0,
        1000.0,
    ]


@pytest.mark.parametrize("text", ["hello", "You said: hello.", "sim, obrigado"])
def test_each_sentence_is_recognised_by_its_tone(text: str) -> None:
    """The pitch of the whole recording is the sentence's, without a break between pieces."""
    engine = ScriptedTts(speech(tts_delay_s=0.0, speech_rate_characters_per_s=len(text) / 5.0))
    audio = np.frombuffer(b"".join(engine.synthesize(say(text))), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
    assert np.argmax(spectrum) / 5.0 == pytest.approx(sentence_tone_hz(text), abs=0.3)
    assert np.sqrt(np.mean(audio**2)) == pytest.approx(0.25 * 32767 / np.sqrt(2), rel=0.01)
    jump = np.abs(np.diff(audio)).max()
    assert jump <= 2 * np.pi * sentence_tone_hz(text) / 8000 * 0.25 * 32767 + 1


def test_different_sentences_have_different_tones() -> None:
    """Two answers of a dialog can be told apart in a recording."""
    assert sentence_tone_hz("You said: one.") != sentence_tone_hz("You said: two.")


def test_blank_text_yields_nothing() -> None:
    """Nothing to say is said without delay and without audio."""
    assert list(ScriptedTts(speech()).synthesize(say(" \n"))) == []
