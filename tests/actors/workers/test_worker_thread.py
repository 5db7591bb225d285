"""The thread of a worker: loading, order, idleness, work that is given up, the end."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from gated_engine import GATED, UNREADABLE, GatedStt
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engines.registry import STT_ENGINES
from actors.errors import ConfigurationError, EngineError, WorkerLostError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.settings import ScriptedSettings, SpeechSettings, WhisperSettings
from actors.workers.speech_workers import SttWorker, TtsWorker
from actors.workers.worker_thread import SYNTHESIS_NICENESS, TRANSCRIPTION_NICENESS, WorkerThread

SILENCE = b"\0\0"
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


@pytest.fixture(autouse=True, scope="module")
def gated_engine() -> Iterator[None]:
    STT_ENGINES["gated"] = GATED
    yield
    del STT_ENGINES["gated"]


@asynccontextmanager
async def running(batch_size: int, slots: int = 16) -> AsyncIterator[tuple[WorkerThread, GatedStt]]:
    """Yield a thread and its engine, loaded and idle."""
    speech = SpeechSettings(stt="gated", scripted=ScriptedSettings(batch_size=batch_size))
    thread = WorkerThread(partial(SttWorker, speech), "gated", slots)
    await thread.idle()
    engine = GatedStt.newest
    try:
        yield thread, engine
    finally:
        thread.stop()
        engine.gate.release(100)


@pytest.fixture
async def gated() -> AsyncIterator[WorkerThread]:
    """A thread of two slots with a loaded engine that waits for the test at each utterance."""
    async with running(batch_size=1, slots=2) as (thread, _):
        yield thread


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


# Utterances that are transcribed together


async def ask(thread: WorkerThread, *calls: str, audio: bytes = SILENCE) -> list[asyncio.Task[Transcript]]:
    """Return a task for each call; all are queued, in this order."""
    askers = [asyncio.create_task(thread.transcribe(Transcribe(call, audio, "en"))) for call in calls]
    await asyncio.sleep(0)
    return askers


async def test_what_came_while_the_engine_worked_goes_together() -> None:
    """As many as suit the engine, in the order in which they came; the first does not wait."""
    async with running(batch_size=4) as (thread, engine):
        askers = await ask(thread, "a")
        await begun(engine)
        askers += await ask(thread, *"bcdefg")
        engine.gate.release(3)
        assert [(await asker).text for asker in askers] == list("abcdefg")
        assert engine.batches == [["a"], ["b", "c", "d", "e"], ["f", "g"]]


async def test_what_was_given_up_does_not_go_along() -> None:
    """Given up while waiting, an utterance takes no place in the batch; while it works, the others go on."""
    async with running(batch_size=4) as (thread, engine):
        askers = await ask(thread, "a")
        await begun(engine)
        askers += await ask(thread, *"bcd")
        askers[2].cancel()
        await asyncio.wait([askers[2]])
        engine.gate.release()
        await begun(engine)
        askers[3].cancel()
        engine.gate.release()
        assert (await askers[1]).text == "b"
        assert engine.batches == [["a"], ["b", "d"]]
        await asyncio.wait(askers)
        assert [asker.cancelled() for asker in askers] == [False, False, True, True]


async def test_one_bad_utterance_fails_alone() -> None:
    """Those transcribed with it get their words."""
    async with running(batch_size=4) as (thread, engine):
        askers = await ask(thread, "a")
        await begun(engine)
        askers += await ask(thread, "bad", audio=UNREADABLE)
        askers += await ask(thread, "good")
        engine.gate.release(2)
        await asyncio.wait(askers)
        assert isinstance(askers[1].exception(), EngineError)
        assert askers[2].result().text == "good"
        assert engine.batches == [["a"], ["bad", "good"]]


@settings(max_examples=40, deadline=None)
@given(
    batch_size=st.integers(1, 4),
    steps=st.lists(st.one_of(st.just("ask"), st.just("let"), st.integers(0, 15)), max_size=24),
)
async def test_each_is_answered_once_and_in_order(batch_size: int, steps: list[str | int]) -> None:
    """Asked, let through and given up in any order: none is lost, doubled or overtaken."""
    async with running(batch_size, slots=len(steps) + 1) as (thread, engine):
        askers: list[asyncio.Task[Transcript]] = []
        for step in steps:
            if step == "ask":
                askers += await ask(thread, str(len(askers)))
            elif step == "let":
                engine.gate.release()
                await asyncio.sleep(0.001)
            elif isinstance(step, int) and step < len(askers):
                askers[step].cancel()
        engine.gate.release(len(askers) + 1)
        await asyncio.wait_for(thread.idle(), 10.0)
        if askers:
            await asyncio.wait(askers, timeout=10.0)
        for name, asker in enumerate(askers):
            assert asker.cancelled() or asker.result().text == str(name)
        assert all(0 < len(batch) <= batch_size for batch in engine.batches)
        order = [int(name) for batch in engine.batches for name in batch]
        assert order == sorted(set(order))
        answered = {name for name, asker in enumerate(askers) if not asker.cancelled()}
        assert answered <= set(order)
