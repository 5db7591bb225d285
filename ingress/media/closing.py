"""Connections that we have hung up on, until the peer has closed as well.

A close with unread data in the socket sends a reset, which Asterisk takes for an error
(`res_audiosocket.c:321-322`), so after hangup and half-close we read on until the peer closes, or a
deadline: 2 KB of each at a time, so that peers which send without end do not keep the loop from the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from ingress.media.connection import Connection

CLOSE_DEADLINE_S = 3.0
"""How long a peer may take to close its side after our hangup."""
SWEEP_INTERVAL_S = 0.05
MAXIMUM_CLOSING = 512
"""Beyond it the one that has waited longest is closed at once."""


class ClosingConnections:
    """All connections of a worker that are being closed."""

    def __init__(self) -> None:
        self._deadlines_s: dict[Connection, float] = {}
        """Oldest first."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def __len__(self) -> int:
        return len(self._deadlines_s)

    def add(self, connection: Connection) -> None:
        """Hang up and close, in the order that Asterisk accepts."""
        try:
            connection.hang_up()
        except OSError:  # the peer is gone already
            connection.close()
            return
        if len(self) >= MAXIMUM_CLOSING:
            self._close(next(iter(self._deadlines_s)))
        self._deadlines_s[connection] = time.monotonic() + CLOSE_DEADLINE_S
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
        for connection, deadline_s in tuple(self._deadlines_s.items()):
            try:
                has_closed = connection.discard()
            except OSError:
                has_closed = True
            if has_closed or now >= deadline_s:
                self._close(connection)
        if self._deadlines_s:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_INTERVAL_S, self._sweep)

    def _close(self, connection: Connection) -> None:
        del self._deadlines_s[connection]
        connection.close()
        if not self._deadlines_s:
            self._is_empty.set()
