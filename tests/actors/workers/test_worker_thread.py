"""The thread of a worker: loading, order, idleness, work that is given up, the end."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable
from functools import partial

import pytest
from gated_engine import GATED, GatedStt

from actors.engines.registry import STT_ENGINES
from actors.errors import ConfigurationError, EngineError, WorkerLostError
from actors.messages import Synthesize, Transcribe
from actors.settings import ScriptedSettings, SpeechSettings, WhisperSettings
from actors.workers.speech_workers import SttWorker, TtsWorker
from actors.workers.worker_thread import SYNTHESIS_NICENESS, TRANSCRIPTION_NICENESS, WorkerThread

UTTERANCE = Transcribe("call", b"\0" * 1_600, "en")
SENTENCE = Synthesize("call", "a sentence that lasts more than four seconds, " * 2, "en")


def scripted(**delays: float) -> SpeechSettings:
    return SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings(**delays))


def say(call_id: str) -> Transcribe:
    return Transcribe(call_id, b"\0\0", "en")


async def begun(engine: GatedStt) -> None:
    """Return once the engine has begun one more batch."""
    assert await asyncio.to_thread(engine.began.acquire, timeout=10.0)


async def soon(work: Awaitable[object]) -> None:
    """Await, but not for long: far less than a scripted delay."""
    await asyncio.wait_for(work, 2.0)


@pytest.fixture
async def gated(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerThread]:
    """A thread of two slots with a loaded engine that waits for the test at each utterance."""
    monkeypatch.setitem(STT_ENGINES, "gated", GATED)
    thread = WorkerThread(partial(SttWorker, SpeechSettings(stt="gated")), "gated", slots=2)
    await thread.idle()
    yield thread
    thread.stop()
    GatedStt.newest.gate.release(100)


async def test_a_thread_is_idle_once_it_has_loaded() -> None:
    """`idle` waits for the loading."""
    thread = WorkerThread(partial(SttWorker, scripted(load_delay_s=0.1)), "w")
    before = time.monotonic()
    await thread.idle()
    assert time.monotonic() - before >= 0.09
    thread.stop()


async def test_a_thread_that_cannot_load_says_why() -> None:
    """What loading raises, `idle` and each request raise: nothing gets better by itself."""
    speech = SpeechSettings(whisper=WhisperSettings(model="/no/such/folder"))
    thread = WorkerThread(partial(SttWorker, speech), "w")
    for _ in range(2):
        with pytest.raises((EngineError, ConfigurationError), match="/no/such/folder"):
            await thread.idle()
        with pytest.raises((EngineError, ConfigurationError), match="/no/such/folder"):
            await thread.transcribe(UTTERANCE)
    thread.stop()


async def test_cancelled_work_stops() -> None:
    """The engine sees that it is abandoned, and the thread is free long before the work would be done."""
    thread = WorkerThread(partial(SttWorker, scripted(stt_delay_s=30.0)), "w")
    await thread.idle()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(thread.transcribe(UTTERANCE), 0.05)
    await soon(thread.idle())
    thread.stop()


async def test_an_engine_that_cannot_be_interrupted_keeps_its_thread(gated: WorkerThread) -> None:
    """`idle` answers only when the abandoned utterance is really over."""
    asker = asyncio.create_task(gated.transcribe(UTTERANCE))
    await begun(GatedStt.newest)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    idle = asyncio.create_task(gated.idle())
    assert not (await asyncio.wait([idle], timeout=0.1))[0]
    GatedStt.newest.gate.release()
    await soon(idle)


async def test_idle_waits_for_what_was_asked_before_and_no_more(gated: WorkerThread) -> None:
    """Under steady load on its other slots a worker can still prove that it has come back."""
    first = asyncio.create_task(gated.transcribe(say("before")))
    await begun(GatedStt.newest)
    idle = asyncio.create_task(gated.idle())
    await asyncio.sleep(0)
    second = asyncio.create_task(gated.transcribe(say("after")))
    await asyncio.sleep(0)
    assert not idle.done()
    GatedStt.newest.gate.release()
    await soon(idle)
    assert first.done()
    assert not second.done()
    GatedStt.newest.gate.release()
    assert (await second).text == "after"


async def test_the_queue_is_bounded(gated: WorkerThread) -> None:
    """More requests than leases can explain are refused at once."""
    askers = [asyncio.create_task(gated.transcribe(say("working")))]
    await begun(GatedStt.newest)
    askers += [asyncio.create_task(gated.transcribe(say("waiting"))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(WorkerLostError, match="2 slots"):
        await gated.transcribe(say("too much"))
    GatedStt.newest.gate.release(3)
    assert [(await asker).text for asker in askers] == ["working", "waiting", "waiting"]


async def test_a_closed_sentence_stops_the_engine() -> None:
    """Closing the stream closes the engine's iterator, on the worker's thread."""
    thread = WorkerThread(partial(TtsWorker, scripted(tts_delay_s=0.0)), "w")
    pieces = thread.synthesize(SENTENCE)
    first = await anext(pieces)
    assert first
    await pieces.aclose()
    await soon(thread.idle())
    thread.stop()


async def test_stopping_loses_what_is_under_way() -> None:
    """Work, waiting work and `idle` get an error, not a cancellation; so does work that comes later."""
    thread = WorkerThread(partial(SttWorker, scripted(stt_delay_s=30.0)), "w", slots=2)
    await thread.idle()
    askers: list[asyncio.Task[object]] = [
        asyncio.create_task(thread.transcribe(UTTERANCE)),
        asyncio.create_task(thread.transcribe(UTTERANCE)),
        asyncio.create_task(thread.idle()),
    ]
    await asyncio.sleep(0.05)
    thread.stop()
    done, _ = await asyncio.wait(askers, timeout=2.0)
    assert len(done) == 3
    for asker in askers:
        assert not asker.cancelled()
        assert isinstance(asker.exception(), WorkerLostError)
    with pytest.raises(WorkerLostError):
        await thread.transcribe(UTTERANCE)


@pytest.mark.parametrize("niceness", [SYNTHESIS_NICENESS, TRANSCRIPTION_NICENESS])
async def test_an_engine_runs_at_a_lower_priority(niceness: int) -> None:
    """The worker's thread has a higher niceness than the process; what it starts inherits that."""
    thread = WorkerThread(partial(SttWorker, scripted()), "nice-worker", niceness=niceness)
    await thread.idle()
    (native_id,) = [it.native_id for it in threading.enumerate() if it.name.startswith("nice-worker")]
    assert native_id is not None
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, native_id) == min(19, ours + niceness)
    thread.stop()
