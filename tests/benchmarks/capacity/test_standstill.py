"""A core that did nothing is seen, and held against a step only if that was long enough and in its time."""

from __future__ import annotations

import os
import signal
import time

import pytest

from benchmarks.capacity.standstill import PRIORITY, Standstill, seen_by, watching
from benchmarks.capacity.validity import MAXIMUM_STANDSTILL_MS, standstills


def may_go_ahead() -> bool:
    """Whether this process has the right to real-time priority."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    os.sched_setscheduler(0, *before)
    return True


def test_a_standstill_is_seen_on_every_core_that_it_was_on() -> None:
    """Stopped for 150 ms, all its threads are that late; without the right to watch nothing is said."""
    with watching() as watch:
        time.sleep(0.7)
        stopped_s = time.monotonic()
        os.kill(watch.process.pid, signal.SIGSTOP)
        time.sleep(0.15)
        os.kill(watch.process.pid, signal.SIGCONT)
        time.sleep(0.3)
        seen = seen_by(watch)
    late = [each for each in seen if each.until_s > stopped_s and each.lasted_ms >= 100.0]
    assert {each.core for each in late} == (os.sched_getaffinity(0) if may_go_ahead() else set())
    for each in late:
        assert each.lasted_ms / 1_000.0 <= each.until_s - stopped_s + 0.02


@pytest.mark.parametrize(
    ("until_s", "lasted_ms", "is_said"),
    [
        (15.0, 81.0, True),
        (15.0, MAXIMUM_STANDSTILL_MS, False),
        (9.99, 81.0, False),
        (20.05, 81.0, True),
        (20.09, 81.0, False),
    ],
)
def test_what_was_short_or_outside_the_counted_time_does_not_matter(
    until_s: float, lasted_ms: float, is_said: bool
) -> None:
    """One that ends after the counted time counts if it began within."""
    seen = [Standstill(0, 15.0, 12.0), Standstill(1, until_s, lasted_ms)]
    expected = [f"a core stood still for {lasted_ms:.0f} ms"] if is_said else []
    assert standstills(seen, 10.0, 20.0) == expected
