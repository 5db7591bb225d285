"""Connections that we have said goodbye on, until the peer has closed as well.

A close with unread data in the socket sends a reset, which Asterisk takes for an error
(`res_audiosocket.c:321-322`), so after hangup and half-close we read on, and throw away, until the peer
closes; at a deadline we close anyway. One timer looks after all of them: whatever a thousand bad peers go
on sending is read at most `READ_BYTES` at a time, a few times a second. Bounded: beyond
`MAXIMUM_DEPARTURES` the one that has waited longest is closed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from ingress.media.connection import Line

CLOSE_DEADLINE_S = 3.0
"""How long a peer may take to close its side after our hangup: what waits for a slow one drains meanwhile."""
SWEEP_INTERVAL_S = 0.05
MAXIMUM_DEPARTURES = 512


class Departures:
    """All connections of a worker that are being closed."""

    def __init__(self) -> None:
        self._lines: dict[Line, float] = {}
        """Each with its deadline; oldest first."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: Line) -> None:
        """Hang up and close, in the order that Asterisk likes."""
        try:
            line.hang_up()
        except OSError:  # the peer is gone already
            line.close()
            return
        if len(self._lines) >= MAXIMUM_DEPARTURES:
            self._close(next(iter(self._lines)))
        self._lines[line] = time.monotonic() + CLOSE_DEADLINE_S
        self._is_empty.clear()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_INTERVAL_S, self._sweep)

    async def wait(self) -> None:
        """Return once all are closed, within the deadline of the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_DEADLINE_S + 1.0):
                await self._is_empty.wait()

    def _sweep(self) -> None:
        self._timer = None
        now = time.monotonic()
        for line, deadline_s in tuple(self._lines.items()):
            try:
                has_closed = line.receive() is None
            except OSError:
                has_closed = True
            if has_closed or now >= deadline_s:
                self._close(line)
        if self._lines:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_INTERVAL_S, self._sweep)

    def _close(self, line: Line) -> None:
        del self._lines[line]
        line.close()
        if not self._lines:
            self._is_empty.set()
