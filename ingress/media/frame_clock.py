"""Drives the wheel on the event loop: one timer for all calls of a worker.

When a slot is due all its calls send their frames, then all read what has come. So no call's frame waits for
another call's hearing, and the same code runs many times in a row, which is cheaper. Nothing here waits,
allocates per call or logs. A call that fails is taken off the clock and its `fault` is called; the others go
on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Literal

from actors.telephone import BYTES_PER_MS
from ingress.media.lateness import LatenessHistogram
from ingress.media.pacing import Slot, Wheel

if TYPE_CHECKING:
    from ingress.media.leg import Leg


class FrameClock:
    """All legs of one worker on one wheel."""

    def __init__(self, frame_ms: Literal[20, 30], between_ticks: Callable[[], None] = lambda: None) -> None:
        """`between_ticks` is called after each round, when most time is left."""
        self.frame_ms = frame_ms
        """Of the next frames, and their interval."""
        self.lateness = LatenessHistogram()
        """Of all frames since it was last replaced by its reader."""
        self.timeline_shifts = 0
        self._between_ticks = between_ticks
        self._wheel: Wheel[Leg] = Wheel(start_s=time.monotonic())
        self._timer: asyncio.TimerHandle | None = None

    def add(self, leg: Leg) -> None:
        """Put a call on the clock; its first frame is due within 20 ms."""
        self._wheel.add(leg, time.monotonic())
        self._arm()

    def remove(self, leg: Leg) -> None:
        """Take a call off the clock; unknown ones are ignored."""
        self._wheel.remove(leg)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self.stop()
        due_s = self._wheel.next_due_s
        if due_s < inf:
            delay_s = max(0.0, due_s - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        try:
            for slot in self._wheel.due(time.monotonic()):
                self._serve(slot)
            self._between_ticks()
        finally:
            self._arm()

    def _serve(self, slot: Slot[Leg]) -> None:
        now = time.monotonic()  # the slots before this one took their time
        legs = slot.calls
        tick = slot.tick(now, self.frame_ms / 1000.0)
        frames, frame_bytes, due_s = tick.frames, self.frame_ms * BYTES_PER_MS, tick.due_s
        self.lateness.add(now - due_s, frames * len(legs))
        self.timeline_shifts += tick.shift_s > 0.0
        for leg in legs:
            try:
                leg.send(frames, frame_bytes, due_s)
            except Exception as error:
                self._fail(leg, error)
        for leg in slot.calls:  # without those that have ended meanwhile
            try:
                leg.listen()
            except Exception as error:
                self._fail(leg, error)

    def _fail(self, leg: Leg, error: Exception) -> None:
        self.remove(leg)
        leg.fault(error)
