"""How long the gateway's own event loop keeps things waiting.

A task that sleeps for a known time and looks how much longer it took: everything else on the loop was kept
waiting for as long. A loop that blocks for less than a period may be missed, one that blocks callers is not.
"""

from __future__ import annotations

import asyncio
import time

PERIOD_S = 0.05


class LoopLag:
    """The longest delay of the running loop since somebody last asked."""

    def __init__(self) -> None:
        self._worst_s = 0.0
        self._due_s: float | None = None
        """When the sleeping task should be awake again; None: it is not running."""

    async def run(self) -> None:
        """Measure until cancelled."""
        try:
            while True:
                self._due_s = time.monotonic() + PERIOD_S
                await asyncio.sleep(PERIOD_S)
                self._look()
        finally:
            self._due_s = None

    def take_ms(self) -> float:
        """Return the longest delay in milliseconds, the one that may last included, and begin anew."""
        self._look()
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s * 1000.0

    def _look(self) -> None:
        now = time.monotonic()
        if self._due_s is not None and now > self._due_s:
            self._worst_s = max(self._worst_s, now - self._due_s)
            self._due_s = now  # what was told is not told again when the task awakes
