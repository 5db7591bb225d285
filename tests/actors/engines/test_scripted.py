from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from actors.engines.abandonment import AbandonedError, Abandonment
from actors.engines.registry import stt_engine, tts_engine
from actors.engines.scripted import ScriptedStt, ScriptedTts, sentence_tone_hz
from actors.errors import EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.settings import ScriptedSettings, SpeechSettings
from actors.telephone import audio_duration_ms


def speech(**scripted: float | str) -> SpeechSettings:
    return SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings.model_validate(scripted))


def say(text: str) -> Synthesize:
    return Synthesize(call_id="call", text=text, language="en")


def test_the_registry_finds_both_engines_and_they_load_after_their_delay() -> None:
    """`stt = "scripted"` and `tts = "scripted"` choose them."""
    settings = speech(load_delay_s=0.05)
    engines = stt_engine(settings), tts_engine(settings)
    assert (type(engines[0]), type(engines[1])) == (ScriptedStt, ScriptedTts)
    for engine in engines:
        started = time.monotonic()
        engine.load()
        assert time.monotonic() - started >= 0.05


def test_stt_stops_within_milliseconds_when_it_is_abandoned() -> None:
    """The delay is waited for, not slept."""
    engine = ScriptedStt(speech(stt_delay_s=30.0))
    abandonment = Abandonment()
    threading.Timer(0.05, abandonment.set).start()
    started = time.monotonic()
    with pytest.raises(AbandonedError):
        engine.transcribe(Transcribe(call_id="call", audio=bytes(320), language="pt"), abandonment)
    assert 0.04 <= time.monotonic() - started < 1.0


def test_a_batch_takes_one_delay() -> None:
    """As on a GPU; half a sample, as in the real engine, is refused alone."""
    engine = ScriptedStt(speech(stt_delay_s=0.2, batch_size=3))
    assert engine.batch_size == 3
    requests = [Transcribe("call", audio, "en") for audio in (bytes(320), b"abc", bytes(160))]
    started = time.monotonic()
    outcomes = engine.transcribe_batch(requests, [Abandonment() for _ in requests])
    assert 0.2 <= time.monotonic() - started < 0.5
    assert [type(outcome) for outcome in outcomes] == [Transcript, EngineError, Transcript]


def test_a_batch_ends_early_only_when_all_of_it_is_abandoned() -> None:
    """One utterance that is still needed keeps it going."""
    abandonments = [Abandonment() for _ in range(3)]
    requests = [Transcribe("call", bytes(320), "en")] * 3
    abandonments[0].set()
    abandonments[2].set()
    started = time.monotonic()
    outcomes = ScriptedStt(speech(stt_delay_s=0.2)).transcribe_batch(requests, abandonments)
    assert time.monotonic() - started >= 0.2
    assert [type(outcome) for outcome in outcomes] == [AbandonedError, Transcript, AbandonedError]
    abandonments[1].set()
    outcomes = ScriptedStt(speech(stt_delay_s=30.0)).transcribe_batch(requests, abandonments)
    assert time.monotonic() - started < 5.0
    assert all(isinstance(outcome, AbandonedError) for outcome in outcomes)


def test_a_sentence_lasts_as_long_as_its_text_in_pieces_of_two_seconds() -> None:
    """75 characters at 15 a second are five seconds: two full pieces and half of one, after one delay."""
    started = time.monotonic()
    pieces = list(ScriptedTts(speech(tts_delay_s=0.2)).synthesize(say("x" * 75)))
    assert 0.2 <= time.monotonic() - started < 0.5
    assert [audio_duration_ms(piece) for piece in pieces] == [2000.0, 2000.0, 1000.0]


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
