"""The plain workers and the thread that each of them runs on."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from functools import partial

import pytest

from actors.errors import ConfigurationError, EngineError, WorkerLostError
from actors.messages import Synthesize, Transcribe
from actors.settings import ScriptedSettings, SpeechSettings, WhisperSettings
from actors.stt_worker import SttWorker
from actors.tts_worker import TtsWorker
from actors.work_meter import WorkMeter
from actors.worker_thread import NICENESS, WorkerThread

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


async def test_a_thread_is_idle_once_it_has_loaded() -> None:
    """`idle` waits for the loading."""
    thread = WorkerThread(partial(SttWorker, scripted(load_delay_s=0.1)), "w")
    before = time.monotonic()
    await thread.idle()
    assert time.monotonic() - before >= 0.09
    thread.stop()


async def test_a_thread_that_cannot_load_says_why() -> None:
    """What loading raises, `idle` raises: again and again, since nothing gets better by itself."""
    speech = SpeechSettings(whisper=WhisperSettings(model="/no/such/folder"))
    thread = WorkerThread(partial(SttWorker, speech), "w")
    for _ in range(2):
        with pytest.raises((EngineError, ConfigurationError), match="/no/such/folder"):
            await thread.idle()
    thread.stop()


async def test_cancelled_work_keeps_the_thread_until_the_engine_returns() -> None:
    """`idle` answers only when the abandoned utterance is really over."""
    thread = WorkerThread(partial(SttWorker, scripted(stt_delay_s=0.2)), "w")
    await thread.idle()
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(thread.transcribe(UTTERANCE), 0.05)
    await thread.idle()
    assert time.monotonic() - before >= 0.19
    thread.stop()


async def test_a_closed_sentence_stops_the_engine() -> None:
    """Closing the stream closes the engine's iterator, on the worker's thread."""
    thread = WorkerThread(partial(TtsWorker, scripted(tts_delay_s=0.0)), "w")
    pieces = thread.synthesize(SENTENCE)
    first = await anext(pieces)
    assert first
    await pieces.aclose()
    await asyncio.wait_for(thread.idle(), 1.0)
    thread.stop()


async def test_a_stopped_thread_takes_no_work() -> None:
    """Work for a stopped worker is lost, not forgotten."""
    thread = WorkerThread(partial(SttWorker, scripted()), "w")
    await thread.idle()
    thread.stop()
    with pytest.raises(WorkerLostError):
        await thread.transcribe(UTTERANCE)


async def test_an_engine_steps_back_behind_the_audio_clock() -> None:
    """The worker's thread is nicer than the process; what it starts inherits that."""
    thread = WorkerThread(partial(SttWorker, scripted()), "nice-worker")
    await thread.idle()
    (native_id,) = [it.native_id for it in threading.enumerate() if it.name.startswith("nice-worker")]
    assert native_id is not None
    assert os.getpriority(os.PRIO_PROCESS, native_id) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS
    thread.stop()
