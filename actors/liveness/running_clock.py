"""A clock by which the silence of others is judged: it stands still while its own process does.

A process that was stopped (a paused virtual machine, SIGSTOP, a blocked event loop) hears nothing meanwhile,
and what they said waits in its sockets. So a gap between two readings that is longer than it can be while the
process runs counts as `longest_gap_s` only. Someone has to read the clock regularly: a loop that runs anyway,
or `run`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Result = TypeVar("Result")

LONGEST_GAP_S = 1.0
"""Twice the time between two readings, for those who read twice a second."""


class RunningClock:
    """Seconds in which this process ran, counted from any instant."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, longest_gap_s: float = LONGEST_GAP_S
    ) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._longest_gap_s = longest_gap_s
        self._read_s = clock()
        self._lost_s = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        now = self._clock()
        self._lost_s += max(0.0, now - self._read_s - self._longest_gap_s)
        self._read_s = now
        return now - self._lost_s

    async def run(self) -> None:
        """Read the clock regularly until cancelled."""
        while True:
            self()
            await asyncio.sleep(self._longest_gap_s / 2)


async def within(deadline_s: float, work: Awaitable[Result]) -> Result:
    """Await `work` for `deadline_s` in which this process runs; then cancel it and raise TimeoutError."""
    task = asyncio.ensure_future(work)
    left_s = deadline_s
    try:
        while left_s > 0.0:
            step_s = min(left_s, LONGEST_GAP_S)  # however long it really takes
            await asyncio.wait({task}, timeout=step_s)
            if task.done():
                return task.result()
            left_s -= step_s
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
