"""One synthesis, many followers: each gets all pieces, and the last one to leave stops the work."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_pool import RecordedPool

from actors.errors import CapacityError, EngineError, WorkerLostError
from actors.messages import Priority, Synthesize
from ingress.phrases.shared_synthesis import GRACE_S, SharedSynthesis

REQUEST = Synthesize("c1", "Hello.", "en")
PIECES = (b"1", b"22", b"333")


def share(pool: RecordedPool, priority: Priority = Priority.NORMAL) -> tuple[SharedSynthesis, list[Any]]:
    """Start a synthesis; return it and the list in which its end is noted."""
    ends: list[Any] = []
    return SharedSynthesis(pool.synthesize(REQUEST, 5.0), priority, ends.append), ends


async def follow(synthesis: SharedSynthesis, deadline_s: float = 5.0) -> list[bytes]:
    """Return all pieces."""
    return [piece async for piece in synthesis.follow(deadline_s)]


async def pause() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_late_follower_gets_what_is_there_and_then_the_rest() -> None:
    """One synthesis, one end."""
    pool = RecordedPool(*PIECES)
    pool.gates = [asyncio.Event() for _ in PIECES]
    synthesis, ends = share(pool)
    early = asyncio.create_task(follow(synthesis))
    pool.gates[0].set()
    pool.gates[1].set()
    await pause()
    late = synthesis.follow(5.0)
    assert [await anext(late), await anext(late)] == [b"1", b"22"]
    pool.gates[2].set()
    assert [piece async for piece in late] == [b"333"]
    assert await early == list(PIECES)
    assert (len(pool.requests), pool.stopped, ends, synthesis.is_complete) == (1, 0, [synthesis], True)


async def test_an_error_reaches_all_after_the_pieces_that_came() -> None:
    """No follower is left waiting, and it is no whole sentence."""
    pool = RecordedPool(*PIECES)
    pool.error, pool.fails_after = EngineError("out of paper"), 2
    synthesis, ends = share(pool)
    for _ in range(2):
        pieces = synthesis.follow(5.0)
        assert [await anext(pieces), await anext(pieces)] == [b"1", b"22"]
        with pytest.raises(EngineError, match="out of paper"):
            await anext(pieces)
    assert (ends, synthesis.is_complete) == ([synthesis], False)


@settings(max_examples=60)
@given(leave_after=st.lists(st.integers(0, 3), min_size=1, max_size=5), order=st.randoms())
def test_the_work_goes_on_exactly_as_long_as_there_is_a_follower(leave_after: list[int], order: Any) -> None:
    """Followers leave after so many pieces, cancelled or closed; 3 stays to the end."""

    async def scene() -> None:
        pool = RecordedPool(*PIECES)
        pool.gates = [asyncio.Event() for _ in PIECES]
        synthesis, ends = share(pool)
        followers = [asyncio.create_task(follow(synthesis)) for _ in leave_after]
        await pause()
        for number, gate in enumerate((*pool.gates, None)):
            leaving = [task for task, after in zip(followers, leave_after, strict=True) if after == number]
            if number < len(PIECES):
                order.shuffle(leaving)
                for task in leaving:
                    task.cancel()
                await pause()
            is_wanted = any(after > number or after == len(PIECES) for after in leave_after)
            if not is_wanted:
                assert (pool.running, pool.stopped, ends) == (0, 1, [synthesis])
                return
            if gate is not None:
                assert pool.running == 1
                gate.set()
                await pause()
        stayed = [task for task, after in zip(followers, leave_after, strict=True) if after == len(PIECES)]
        assert [task.result() for task in stayed] == [list(PIECES)] * len(stayed)
        assert (pool.running, pool.stopped, ends) == (0, 0, [synthesis])

    asyncio.run(scene())


async def test_a_follower_waits_no_longer_than_its_own_deadline() -> None:
    """Also when the work has a longer one; those who have more time get everything."""
    pool = RecordedPool(*PIECES)
    pool.gates = [asyncio.Event(), asyncio.Event()]
    synthesis, _ = share(pool)
    longest = asyncio.create_task(follow(synthesis))
    with pytest.raises(CapacityError):
        await follow(synthesis, 0.05 - GRACE_S)
    pool.gates[0].set()
    await pause()
    with pytest.raises(WorkerLostError):
        await follow(synthesis, 0.05 - GRACE_S)
    pool.gates[1].set()
    assert await longest == list(PIECES)


async def test_a_stopped_synthesis_is_an_error_in_its_followers() -> None:
    """The gateway closes; also when it is the loop that cancels everything."""
    for stop in (SharedSynthesis.cancel, lambda synthesis: synthesis.task.cancel()):
        pool = RecordedPool(*PIECES)
        pool.gates = [asyncio.Event()]
        synthesis, ends = share(pool)
        waiting = asyncio.create_task(follow(synthesis))
        await pause()
        stop(synthesis)
        with pytest.raises(WorkerLostError):
            await waiting
        assert (pool.running, len(ends)) == (0, 1)


async def test_work_that_waits_serves_its_own_class_and_lower_ones() -> None:
    """Once it has begun it serves all."""
    pool = RecordedPool(*PIECES)
    pool.gates = [asyncio.Event()]
    synthesis, _ = share(pool, Priority.NORMAL)
    async with aclosing(synthesis.follow(5.0)) as pieces:
        served = [priority for priority in Priority if synthesis.serves(priority)]
        assert served == [Priority.NORMAL, Priority.BACKGROUND]
        pool.gates[0].set()
        await anext(pieces)
        assert all(synthesis.serves(priority) for priority in Priority)
