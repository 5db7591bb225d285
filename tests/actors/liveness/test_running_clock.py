"""Time passes in it while its process runs, and only then."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.liveness.running_clock import LONGEST_GAP_S, RunningClock


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
