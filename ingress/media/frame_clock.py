"""Drives the wheel on the event loop: one timer for all calls of a worker.

Reads the monotonic clock, asks the slots what is due, has each call of a due slot send its frame, and then
each of them listen to what has come: first all of the one, then all of the other. So nobody's frame waits for
somebody else's hearing, and the same code runs many times in a row, which is cheaper. Nothing here waits,
allocates per call or logs. A call that fails is taken off the clock and told so; the others do not notice.
How late each slot was is the loop's lag as callers hear it, and is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal, Protocol

from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from ingress.media.lateness import LatenessHistogram
from ingress.media.pacing import Wheel


class OnClock(Protocol):
    """A call on the clock."""

    def send(self, frames: int, frame_bytes: int, due_s: float) -> None:
        """Send `frames` frames, the first of which was due at `due_s`."""

    def listen(self) -> None:
        """Take what has come; not called for a call that has left the clock."""

    def fault(self, error: Exception) -> None:
        """One of them raised `error`; the call is off the clock."""


class FrameClock:
    """All calls of one worker on one wheel."""

    def __init__(self, frame_ms: Literal[20, 30], between_ticks: Callable[[], None] = lambda: None) -> None:
        """`between_ticks` is called after each round, when as much time is left as there ever is."""
        self.lateness = LatenessHistogram()
        """Of all frames since it was last replaced by its reader."""
        self.timeline_shifts = 0
        self._between_ticks = between_ticks
        self._wheel = Wheel(start_s=time.monotonic())
        self._slots: list[tuple[OnClock, ...]] = [()] * len(self._wheel.clocks)
        self._timer: asyncio.TimerHandle | None = None
        self.set_frame(frame_ms)

    def set_frame(self, frame_ms: Literal[20, 30]) -> None:
        """Send frames of this length from now on, at that interval; what was sent keeps its length."""
        self.frame_ms = frame_ms
        self._frame_s = frame_ms / 1000.0
        self._frame_bytes = frame_ms * TELEPHONE_RATE_HZ // 1000 * BYTES_PER_SAMPLE

    def add(self, call: OnClock) -> None:
        """Put a call on the emptiest slot; its first frame is due within 20 ms."""
        slot = min(range(len(self._slots)), key=lambda index: len(self._slots[index]))
        if not self._slots[slot]:
            self._wheel.restart(slot, time.monotonic())
        # Tuples are replaced, never changed, so that a call may leave while its slot is being served.
        self._slots[slot] = (*self._slots[slot], call)
        self._arm()

    def remove(self, call: OnClock) -> None:
        """Take a call off the clock; unknown ones are ignored."""
        for slot, calls in enumerate(self._slots):
            if call in calls:
                self._slots[slot] = tuple(other for other in calls if other is not call)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Set the timer to the next deadline of any slot with calls."""
        self.stop()
        due_s = [
            clock.next_due_s for clock, calls in zip(self._wheel.clocks, self._slots, strict=True) if calls
        ]
        if due_s:
            delay_s = max(0.0, min(due_s) - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        try:
            self._serve_due_slots()
            self._between_ticks()
        finally:
            self._arm()

    def _serve_due_slots(self) -> None:
        frame_s, frame_bytes = self._frame_s, self._frame_bytes
        for slot, clock in enumerate(self._wheel.clocks):
            calls = self._slots[slot]
            if not calls:
                continue
            now = time.monotonic()
            tick = clock.tick(now, frame_s)
            if not tick.frames:
                continue
            self.lateness.add(now - tick.due_s, tick.frames * len(calls))
            self.timeline_shifts += tick.shift_s > 0.0
            for call in calls:
                try:
                    call.send(tick.frames, frame_bytes, tick.due_s)
                except Exception as error:
                    self._give_up(call, error)
            for call in self._slots[slot]:
                try:
                    call.listen()
                except Exception as error:
                    self._give_up(call, error)

    def _give_up(self, call: OnClock, error: Exception) -> None:
        self.remove(call)
        call.fault(error)
