"""The plain workers: an engine, counted and guarded."""

from __future__ import annotations

import time

import pytest

from actors.engines.abandonment import AbandonedError, Abandonment
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe
from actors.settings import ScriptedSettings, SpeechSettings
from actors.workers.stt_worker import SttWorker
from actors.workers.tts_worker import TtsWorker
from actors.workers.work_meter import WorkMeter

UTTERANCE = Transcribe("call", b"\0" * 1_600, "en")
SENTENCE = Synthesize("call", "a sentence that lasts more than four seconds, " * 2, "en")


def scripted(**delays: float) -> SpeechSettings:
    return SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings(**delays))


def test_a_worker_transcribes_and_keeps_count() -> None:
    """The words come from the engine; the worker knows how often and how long it worked."""
    worker = SttWorker(scripted(stt_delay_s=0.02))
    worker.load()
    assert worker.transcribe(UTTERANCE).text == "hello"
    assert (worker.meter.count, worker.meter.failed) == (1, 0)
    assert worker.meter.processing_ms >= 20.0


def test_a_voice_counts_only_the_time_in_the_engine() -> None:
    """A listener who takes a break between two pieces is not the engine's slowness."""
    worker = TtsWorker(scripted(tts_delay_s=0.0))
    worker.load()
    pieces = worker.synthesize(SENTENCE)
    assert next(pieces)
    time.sleep(0.2)
    assert b"".join(pieces)
    assert worker.meter.processing_ms < 150.0


def test_an_unknown_engine_is_refused_before_loading() -> None:
    """A worker with a wrong engine name says so at once."""
    with pytest.raises(ConfigurationError, match=r"speech\.stt"):
        SttWorker(SpeechSettings(stt="nothing"))


def test_a_surprise_in_an_engine_never_quotes_the_caller() -> None:
    """What an engine raises by accident may contain the caller's words: they do not go on."""
    meter = WorkMeter("Engine")
    with pytest.raises(EngineError) as caught, meter.working("12 characters"):
        raise ValueError("my secret words")
    error: BaseException | None = caught.value
    assert "ValueError" in str(error)
    assert "12 characters" in str(error)
    assert "test_workers.py" in str(error)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert "secret" not in str(error)
    assert meter.failed == 1


def test_what_was_abandoned_is_no_failure() -> None:
    """It was begun, and the engine is not to blame that it was not finished."""
    worker = SttWorker(scripted(stt_delay_s=30.0))
    worker.load()
    abandonment = Abandonment()
    abandonment.set()
    with pytest.raises(AbandonedError):
        worker.transcribe(UTTERANCE, abandonment)
    (outcome,) = worker.transcribe_batch([UTTERANCE], [abandonment])
    assert isinstance(outcome, AbandonedError)
    assert (worker.meter.count, worker.meter.failed) == (2, 0)
