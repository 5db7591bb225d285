"""Time passes in it while its process runs, and only then."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.liveness.running_clock import LONGEST_GAP_S, RunningClock, within


@given(st.lists(st.floats(0.0, 100.0)), st.floats(0.1, 10.0))
def test_a_long_gap_counts_as_the_longest_that_is_usual(gaps_s: list[float], longest_s: float) -> None:
    """Shorter ones count whole; it never goes back."""
    now = 1_000.0
    running = RunningClock(lambda: now, longest_s)
    passed_s, before_s = 0.0, running()
    first_s = before_s
    for gap_s in gaps_s:
        now += gap_s
        passed_s += min(gap_s, longest_s)
        assert running() >= before_s
        before_s = running()
        assert before_s - first_s == pytest.approx(passed_s, abs=1e-6)


async def test_it_reads_itself_while_the_loop_runs() -> None:
    """A loop that was blocked for long has lost that time; one that only had nothing to do has not."""
    now = 0.0
    running = RunningClock(lambda: now, longest_gap_s=0.02)
    reading = asyncio.create_task(running.run())
    for _ in range(20):
        now += 0.01
        await asyncio.sleep(0.011)
    assert running() == pytest.approx(0.2)
    now += 50 * LONGEST_GAP_S
    assert running() == pytest.approx(0.22)
    reading.cancel()


async def test_a_deadline_does_not_pass_while_the_process_is_stopped() -> None:
    """The answer that came meanwhile is taken; without one it passes as ever, and the work is cancelled."""
    answer = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(within(1.2, answer))
    await asyncio.sleep(0.1)
    time.sleep(2.0)  # noqa: ASYNC251 - the loop is to be blocked
    asyncio.get_running_loop().call_later(0.1, answer.set_result, "here")
    assert await waiting == "here"
    hanging = asyncio.create_task(asyncio.sleep(60.0))
    with pytest.raises(TimeoutError):
        await within(0.1, hanging)
    assert hanging.cancelled()


async def test_what_the_work_raises_comes_out() -> None:
    """Its own errors, and a cancellation of the asker reaches it."""

    async def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        await within(1.0, fails())
    hanging = asyncio.create_task(asyncio.sleep(60.0))
    asker = asyncio.create_task(within(30.0, hanging))
    await asyncio.sleep(0.01)
    asker.cancel()
    await asyncio.wait({asker})
    assert hanging.cancelled()
