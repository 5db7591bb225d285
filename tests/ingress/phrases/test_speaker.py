"""How a sentence becomes audio: from the cache, shared, or made; and what is kept of it, and where."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest
from recorded_pool import RecordedPool, extension

from actors.errors import EngineError, WorkerLostError
from actors.messages import Priority
from actors.settings import SpeechSettings
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import CacheSettings
from ingress.phrases.disk import PhraseStore
from ingress.phrases.speaker import BACKGROUND_CALL_ID, PIECE_BYTES, Speaker, SpokenPiece

SPEECH = SpeechSettings(stt="scripted", tts="scripted")
GREETING = "Good morning."


@asynccontextmanager
async def speaking(
    pool: RecordedPool, directory: Path, memory_bytes: int = 1_000_000, disk_bytes: int = 1_000_000
) -> AsyncIterator[Speaker]:
    """Yield a speaker and close it; by then everything is on disk that goes there."""
    cache = CacheSettings(directory=str(directory), memory_bytes=memory_bytes, disk_bytes=disk_bytes)
    speaker = Speaker(pool.as_pool, SPEECH, cache)
    yield speaker
    await speaker.close()


async def say(
    speaker: Speaker,
    text: str = GREETING,
    to: Extension | None = None,
    call_id: str = "c1",
    is_fixed: bool = False,
) -> list[SpokenPiece]:
    """Return the pieces of one sentence."""
    return [piece async for piece in speaker.speak(text, to or extension(), call_id, is_fixed, 5.0)]


def audio_of(pieces: list[SpokenPiece]) -> bytes:
    """Return the pieces as one."""
    return b"".join(piece.audio for piece in pieces)


def contents(directory: Path) -> list[bytes]:
    """Return what is in all files of the folder."""
    return [path.read_bytes() for path in directory.rglob("*") if path.is_file()]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks do."""
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.001)


async def test_what_was_said_once_is_not_made_again(tmp_path: Path) -> None:
    """The second time it comes from memory, whole, without the pool, in pieces that fit on the link."""
    pool = RecordedPool(bytes(range(256)) * 250, b"ab" * 9_000)
    async with speaking(pool, tmp_path) as speaker:
        assert not speaker.is_ready(GREETING, extension())
        first = await say(speaker)
        assert speaker.is_ready(GREETING, extension())
        second = await say(speaker, call_id="c2")
        assert len(pool.requests) == 1
        assert audio_of(first) == audio_of(second) == b"".join(pool.pieces)
        assert [piece.is_cached for piece in first] == [False, False]
        assert {piece.is_cached for piece in second} == {True}
        assert max(len(piece.audio) for piece in second) <= PIECE_BYTES


async def test_a_hit_does_not_wait(tmp_path: Path) -> None:
    """Its first piece is there before the event loop has taken another step."""
    pool = RecordedPool()
    async with speaking(pool, tmp_path) as speaker:
        await say(speaker, is_fixed=True)
        speech = speaker.speak(GREETING, extension(), "c2", is_fixed=True, deadline_s=5.0)
        step = anext(speech)
        with pytest.raises(StopIteration) as stopped:
            step.__await__().send(None)  # a first step that suspended would not stop here
        assert stopped.value.value == SpokenPiece(pool.pieces[0], is_cached=True)
        await speech.aclose()
        assert len(pool.requests) == 1


async def test_a_text_with_nothing_to_say_is_asked_for_once(tmp_path: Path) -> None:
    """No audio is an answer as well."""
    pool = RecordedPool(b"")
    pool.pieces = ()
    async with speaking(pool, tmp_path) as speaker:
        assert await say(speaker, "...", is_fixed=True) == []
        assert await say(speaker, "...", is_fixed=True) == []
        assert len(pool.requests) == 1


async def test_callers_who_come_together_share_one_synthesis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty get the same greeting, written once; one that hangs up changes nothing for the others."""
    pool = RecordedPool(b"ab" * 800, b"cd" * 800)
    pool.gates = [asyncio.Event(), asyncio.Event()]
    write = mock.Mock()
    monkeypatch.setattr(PhraseStore, "write", write)
    async with speaking(pool, tmp_path) as speaker:
        callers = [
            asyncio.create_task(say(speaker, call_id=f"c{number}", is_fixed=number % 2 == 0))
            for number in range(20)
        ]
        await until(lambda: bool(pool.requests))
        pool.gates[0].set()
        callers[0].cancel()
        pool.gates[1].set()
        said = await asyncio.gather(*callers[1:])
        assert {audio_of(pieces) for pieces in said} == {b"".join(pool.pieces)}
        assert (len(pool.requests), pool.stopped) == (1, 0)
    assert write.call_count == 1


async def test_the_last_caller_to_leave_frees_the_slot(tmp_path: Path) -> None:
    """And the next one begins anew: what is being cancelled is not joined."""
    pool = RecordedPool()
    pool.gates = [asyncio.Event()]
    async with speaking(pool, tmp_path) as speaker:
        callers = [asyncio.create_task(say(speaker)) for _ in range(2)]
        await until(lambda: pool.running == 1)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        again = asyncio.create_task(say(speaker))
        await until(lambda: pool.stopped == 1)
        pool.gates[0].set()
        assert audio_of(await again) == pool.pieces[0]
        assert len(pool.requests) == 2


async def test_what_failed_is_tried_again_by_the_next(tmp_path: Path) -> None:
    """Half a sentence is not kept."""
    pool = RecordedPool(b"ab" * 800, b"cd" * 800)
    async with speaking(pool, tmp_path) as speaker:
        pool.error, pool.fails_after = EngineError("out of paper"), 1
        with pytest.raises(EngineError):
            await say(speaker, is_fixed=True)
        pool.error = None
        pieces = await say(speaker, is_fixed=True)
        assert audio_of(pieces) == b"".join(pool.pieces)
        assert not pieces[0].is_cached


async def test_an_urgent_caller_does_not_wait_in_a_lower_class(tmp_path: Path) -> None:
    """What has no slot yet is asked for again in the higher class; lower ones join that."""
    pool = RecordedPool()
    pool.gates = [asyncio.Event()]
    async with speaking(pool, tmp_path) as speaker:
        in_background = asyncio.create_task(speaker.render(GREETING, extension()))
        await until(lambda: len(pool.requests) == 1)
        urgent = asyncio.create_task(say(speaker, to=extension(priority=Priority.EMERGENCY)))
        await until(lambda: len(pool.requests) == 2)
        normal = asyncio.create_task(say(speaker))
        await asyncio.sleep(0.01)
        assert [request.call_id for request in pool.requests] == [BACKGROUND_CALL_ID, "c1"]
        pool.gates[0].set()
        assert audio_of(await urgent) == audio_of(await normal) == pool.pieces[0]
        assert await in_background


# What is kept, and where


async def test_only_fixed_text_is_written(tmp_path: Path) -> None:
    """What repeats a caller's words stays in memory, under a digest; nothing on disk names it."""
    pool = RecordedPool(b"caller's secret audio!")
    async with speaking(pool, tmp_path) as speaker:
        await say(speaker, "You said: my number is 4711.")
        await say(speaker, "You said: my number is 4711.")
        await say(speaker, GREETING, is_fixed=True)
    (phrase,) = PhraseStore(tmp_path, 1_000_000).phrases()
    assert phrase.label.text == GREETING
    everything = b"".join(contents(tmp_path))
    assert b"4711" not in everything
    assert everything.count(pool.pieces[0]) == 1


async def test_fixed_text_survives_a_restart(tmp_path: Path) -> None:
    """The next gateway finds it, and asks the disk once."""
    pool = RecordedPool()
    async with speaking(pool, tmp_path) as speaker:
        await say(speaker, is_fixed=True)
    async with speaking(pool, tmp_path) as speaker:
        assert (await say(speaker, is_fixed=True))[0].is_cached
        PhraseStore(tmp_path, 1_000_000).clear()
        assert (await say(speaker))[0].is_cached
        assert len(pool.requests) == 1


async def test_recall_copies_phrases_to_where_they_are_missing(tmp_path: Path) -> None:
    """From disk to memory after a restart; from memory to disk after `raymal cache clear`."""
    pool = RecordedPool()
    store = PhraseStore(tmp_path, 1_000_000)
    async with speaking(pool, tmp_path) as speaker:
        assert not await speaker.recall(GREETING, extension())
        assert await speaker.render(GREETING, extension())
        assert len(store.phrases()) == 1
    async with speaking(pool, tmp_path) as speaker:
        assert await speaker.recall(GREETING, extension())
        assert speaker.is_ready(GREETING, extension())
        store.clear()
        assert await speaker.recall(GREETING, extension())
        assert len(store.phrases()) == 1
    assert len(pool.requests) == 1


async def test_without_any_room_everything_is_made(tmp_path: Path) -> None:
    """Callers who come together still share."""
    pool = RecordedPool()
    async with speaking(pool, tmp_path, memory_bytes=0, disk_bytes=0) as speaker:
        assert not speaker.keeps_anything
        for _ in range(2):
            assert not (await say(speaker, is_fixed=True))[0].is_cached
        await asyncio.gather(say(speaker), say(speaker))
        assert len(pool.requests) == 3
        assert not await speaker.render(GREETING, extension())
    assert contents(tmp_path) == []


async def test_a_disk_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence is made; what waits for the disk stays bounded."""
    hangs = threading.Event()
    monkeypatch.setattr(PhraseStore, "read", lambda self, key: hangs.wait(20.0) and None)
    monkeypatch.setattr("ingress.phrases.speaker.DISK_DEADLINE_S", 0.002)
    monkeypatch.setattr("ingress.phrases.speaker.MAXIMUM_DISK_JOBS", 4)
    pool = RecordedPool()
    async with speaking(pool, tmp_path) as speaker:
        began_s = time.monotonic()
        for number in range(30):
            assert not (await say(speaker, f"Phrase {number}.", is_fixed=True))[0].is_cached
        assert time.monotonic() - began_s < 5.0
        assert len(speaker._disk_jobs) == 4
        hangs.set()


async def test_a_closed_speaker_stops_what_it_makes(tmp_path: Path) -> None:
    """Calls that wait get an error, also those of a replaced synthesis; closing again is harmless."""
    pool = RecordedPool()
    pool.gates = [asyncio.Event()]
    async with speaking(pool, tmp_path) as speaker:
        callers = [asyncio.create_task(say(speaker, is_fixed=True))]
        await until(lambda: pool.running == 1)
        callers.append(asyncio.create_task(say(speaker, to=extension(priority=Priority.EMERGENCY))))
        await until(lambda: pool.running == 2)
        await speaker.close()
        assert pool.running == 0
        for caller in callers:
            with pytest.raises(WorkerLostError, match="stopped"):
                await caller


async def test_a_sentence_is_asked_of_the_extension_s_engine(tmp_path: Path) -> None:
    """What one engine said is not what another says; the file on disk names its engine."""
    pool = RecordedPool()
    plain, own = extension(), extension().model_copy(update={"tts": "hibari"})
    async with speaking(pool, tmp_path) as speaker:
        for chosen in (plain, own, plain, own):
            await say(speaker, "Hello.", chosen, is_fixed=True)
    assert [request.engine for request in pool.requests] == [None, "hibari"]
    labels = {phrase.label.engine for phrase in PhraseStore(tmp_path, 1_000_000).phrases()}
    assert labels == {"scripted", "hibari"}
