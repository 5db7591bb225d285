"""Garbage collection, kept out of the audio clock's way and measured.

Python's collector stops everything while it looks for cycles, in the middle of a tick as likely as not. In a
media worker it is switched off; what the process holds at its start is set aside for good (`gc.freeze`), and
the rest is collected between two rounds of the clock: young objects often, all of them seldom.
"""

from __future__ import annotations

import gc
import time
from math import inf
from typing import Literal

YOUNG_INTERVAL_S = 5.0
FULL_INTERVAL_S = 60.0


class CollectionPauses:
    """Decides when to collect, and counts what it cost."""

    def __init__(self) -> None:
        self._pauses = 0
        self._longest_s = 0.0
        self._began_s = 0.0
        self._young_due_s = self._full_due_s = inf

    def start(self) -> None:
        """Collect at times of its own from now on. Everything that lives now is never looked at again."""
        gc.collect()
        gc.freeze()
        gc.disable()
        gc.callbacks.append(self._measure)
        now = time.monotonic()
        self._young_due_s, self._full_due_s = now + YOUNG_INTERVAL_S, now + FULL_INTERVAL_S

    def collect_if_due(self) -> None:
        """Collect if it is time; call it when nothing is due for the next milliseconds."""
        now = time.monotonic()
        if now < self._young_due_s:
            return
        self._young_due_s = now + YOUNG_INTERVAL_S
        if now < self._full_due_s:
            gc.collect(1)
        else:
            self._full_due_s = now + FULL_INTERVAL_S
            gc.collect()

    def take(self) -> tuple[int, float]:
        """Return how many pauses there were since the last call, and the longest in seconds."""
        taken = self._pauses, self._longest_s
        self._pauses, self._longest_s = 0, 0.0
        return taken

    def _measure(self, phase: Literal["start", "stop"], _details: dict[str, int]) -> None:
        if phase == "start":
            self._began_s = time.monotonic()
            return
        self._pauses += 1
        self._longest_s = max(self._longest_s, time.monotonic() - self._began_s)
