"""Connections that do not behave: many of them in one thread, each with a script of bytes and times.

Nothing is read until the server has closed (EPOLLRDHUP reports that without reading), so a crowd costs little
beside the calls that it has to disturb.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import isnan, nan

_CLOSED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_RETRY_S = 0.01
_LONGEST_WAIT_S = 0.05


@dataclass(slots=True)
class Guest:
    """One connection."""

    kind: str
    script: Sequence[tuple[float, bytes]]
    """What is sent when: seconds after it began to connect, ascending."""
    opened_s: float = nan
    closed_s: float = nan
    """When the server closed it; NaN if it did not."""
    connection: socket.socket | None = None
    """None before and after."""


class Crowd:
    """All guests, one after the other, `per_second`; a context manager that waits for the last to be over."""

    def __init__(self, port: int, guests: Sequence[Guest], per_second: float, stays_s: float) -> None:
        """`stays_s` after it began a guest that was not closed leaves."""
        self.guests = guests
        self._address = "127.0.0.1", port
        self._interval_s = 1.0 / per_second
        self._stays_s = stays_s
        self._must_end = threading.Event()
        self._poller = select.epoll()
        self._connected: dict[int, Guest] = {}
        self._order = count()
        self._coming: list[tuple[float, int, Guest, bytes | None]] = []
        """A heap of when, tie-breaker, who, and what is sent: nothing connects, None leaves."""
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)

    @property
    def is_over(self) -> bool:
        """Whether every guest has been closed or has left."""
        return not self._thread.is_alive()

    def __enter__(self) -> Crowd:
        began_s = time.monotonic()
        for number, guest in enumerate(self.guests):
            self._push(began_s + number * self._interval_s, guest, b"")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self._must_end.set()
        self._thread.join()

    def unclosed(self, kind: str) -> int:
        """Return how many of a kind the server did not close."""
        return sum(guest.kind == kind and isnan(guest.closed_s) for guest in self.guests)

    def longest_s(self, kind: str) -> float:
        """Return the longest time from connecting to the server's closing, of a kind; NaN for none."""
        lasted_s = (guest.closed_s - guest.opened_s for guest in self.guests if guest.kind == kind)
        return max((each_s for each_s in lasted_s if not isnan(each_s)), default=nan)

    def _push(self, at_s: float, guest: Guest, data: bytes | None) -> None:
        heapq.heappush(self._coming, (at_s, next(self._order), guest, data))

    def _run(self) -> None:
        try:
            while (self._coming or self._connected) and not self._must_end.is_set():
                self._step(time.monotonic())
        finally:
            for guest in tuple(self._connected.values()):
                self._leave(guest)
            self._poller.close()

    def _step(self, now: float) -> None:
        while self._coming and self._coming[0][0] <= now:
            _, _, guest, data = heapq.heappop(self._coming)
            if data == b"":
                self._connect(guest, now)
            elif guest.connection is not None:
                self._act(guest, guest.connection, data, now)
        wait_s = self._coming[0][0] - now if self._coming else _LONGEST_WAIT_S
        for descriptor, event in self._poller.poll(min(_LONGEST_WAIT_S, max(0.0, wait_s))):
            if event & _CLOSED and descriptor in self._connected:
                self._leave(self._connected[descriptor], time.monotonic())

    def _connect(self, guest: Guest, now: float) -> None:
        guest.connection = socket.socket()
        guest.connection.setblocking(False)
        guest.opened_s = now
        self._connected[guest.connection.fileno()] = guest
        self._poller.register(guest.connection, select.EPOLLRDHUP)
        if guest.connection.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            self._leave(guest)
            return
        for at_s, data in guest.script:
            self._push(now + at_s, guest, data)
        self._push(now + self._stays_s, guest, None)

    def _act(self, guest: Guest, connection: socket.socket, data: bytes | None, now: float) -> None:
        if data is None:
            self._leave(guest)
            return
        try:
            connection.send(data)
        except BlockingIOError:  # still connecting
            self._push(now + _RETRY_S, guest, data)
        except OSError:
            self._leave(guest, now)

    def _leave(self, guest: Guest, closed_s: float = nan) -> None:
        connection = guest.connection
        assert connection is not None
        guest.closed_s, guest.connection = closed_s, None
        del self._connected[connection.fileno()]
        with contextlib.closing(connection), contextlib.suppress(OSError):
            self._poller.unregister(connection)
            while connection.recv(65_536):  # a close with unread bytes would be a reset
                pass
