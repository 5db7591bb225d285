"""Utterances that are transcribed together: which with which, and that each fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from gated_engine import GATED, SURPRISING, UNREADABLE, GatedStt
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engines.abandonment import Abandonment
from actors.engines.registry import STT_ENGINES
from actors.errors import EngineError
from actors.messages import Transcribe, Transcript
from actors.settings import ScriptedSettings, SpeechSettings
from actors.workers.speech_workers import SttWorker
from actors.workers.worker_thread import WorkerThread

SILENCE = b"\0\0"


@pytest.fixture(autouse=True, scope="module")
def gated_engine() -> None:
    STT_ENGINES["gated"] = GATED


def gated(batch_size: int) -> SpeechSettings:
    return SpeechSettings(stt="gated", scripted=ScriptedSettings(batch_size=batch_size))


@asynccontextmanager
async def running(batch_size: int, slots: int = 16) -> AsyncIterator[tuple[WorkerThread, GatedStt]]:
    """Yield a thread and its engine, loaded and idle."""
    thread = WorkerThread(partial(SttWorker, gated(batch_size)), "gated", slots)
    await thread.idle()
    engine = GatedStt.newest
    try:
        yield thread, engine
    finally:
        thread.stop()
        engine.gate.release(100)


async def begun(engine: GatedStt) -> None:
    """Return once the engine has begun one more batch."""
    assert await asyncio.to_thread(engine.began.acquire, timeout=10.0)


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


def test_a_batch_that_fails_is_done_again_one_by_one() -> None:
    """Each is tried alone; the one that fails gets an error, without its words."""
    worker = SttWorker(gated(3))
    worker.load()
    engine = GatedStt.newest
    engine.gate.release(4)
    calls = {"a": SILENCE, "culprit": SURPRISING, "b": SILENCE}
    requests = [Transcribe(call, audio, "en") for call, audio in calls.items()]
    first, culprit, last = worker.transcribe_batch(requests, [Abandonment() for _ in calls])
    assert isinstance(first, Transcript)
    assert isinstance(last, Transcript)
    assert (first.text, last.text) == ("a", "b")
    assert isinstance(culprit, EngineError)
    assert "LookupError" in str(culprit)
    assert "surprising" not in str(culprit)
    assert engine.batches == [["a", "culprit", "b"], ["a"], ["culprit"], ["b"]]


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
