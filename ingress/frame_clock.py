"""Drives the wheel on the event loop: one timer for all calls of a worker.

Reads the monotonic clock, asks the slots what is due and has each call of a due slot send its frames.
Nothing here waits, allocates per call or logs.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from ingress.pacing import Wheel


class FrameSender(Protocol):
    """A call on the clock."""

    def send_frames(self, frames: int, now: float, lateness_s: float) -> None:
        """Send the next `frames` frames; the first was due `lateness_s` before `now`."""


class FrameClock:
    """All calls of one worker on one wheel."""

    def __init__(self) -> None:
        self._wheel = Wheel(start_s=time.monotonic())
        self._slots: list[tuple[FrameSender, ...]] = [()] * len(self._wheel.clocks)
        self._timer: asyncio.TimerHandle | None = None

    def add(self, sender: FrameSender) -> None:
        """Put a call on the emptiest slot; its first frame is due within 20 ms."""
        slot = min(range(len(self._slots)), key=lambda index: len(self._slots[index]))
        if not self._slots[slot]:
            self._wheel.restart(slot, time.monotonic())
        # Tuples are replaced, never changed, so that a call may leave while its slot is being served.
        self._slots[slot] = (*self._slots[slot], sender)
        self._arm()

    def remove(self, sender: FrameSender) -> None:
        """Take a call off the clock; unknown ones are ignored."""
        for slot, senders in enumerate(self._slots):
            if sender in senders:
                self._slots[slot] = tuple(other for other in senders if other is not sender)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        due_s = [
            clock.next_due_s
            for clock, senders in zip(self._wheel.clocks, self._slots, strict=True)
            if senders
        ]
        self.stop()
        if due_s:
            delay_s = max(0.0, min(due_s) - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        for clock, senders in zip(self._wheel.clocks, self._slots, strict=True):
            if not senders:
                continue
            now = time.monotonic()
            tick = clock.tick(now)
            if tick.frames:
                for sender in senders:
                    sender.send_frames(tick.frames, now, tick.lateness_s)
        self._arm()
