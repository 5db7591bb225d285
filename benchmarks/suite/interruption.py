"""Ctrl-C, noted and not raised: an exception just while a process is being started would lose it."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """For the time of its body the signals that end a program are only noted, however many come.

    They have handlers then, so that a process started meanwhile gets the system's own treatment of them, even
    if this one was started with some of them ignored.
    """

    def __init__(self) -> None:
        self.has_come = False
        self.wakes = -1
        """A descriptor to wait on: readable once it has come."""
        self._writes = -1
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Interruption:
        self.wakes, self._writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.wakes)
        os.close(self._writes)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.has_come = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._writes, b".")
