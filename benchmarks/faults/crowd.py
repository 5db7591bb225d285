"""Connections that do not behave: many of them in one thread, each with a script of bytes and times.

Nothing is read until the server has closed (EPOLLRDHUP tells without reading), so a crowd costs little
beside the calls it is meant to disturb.
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


@dataclass(slots=True)
class Guest:
    """One connection."""

    kind: str
    script: Sequence[tuple[float, bytes]]
    """What is sent when: seconds after it began to connect, ascending."""
    opened_s: float = nan
    closed_s: float = nan
    """When the server closed it; NaN if it did not."""

    @property
    def lasted_s(self) -> float:
        """From connecting to the server's closing; NaN if it did not close."""
        return self.closed_s - self.opened_s


class Crowd:
    """All guests, one after the other, `per_second`; a context manager that waits for the last to be over."""

    def __init__(
        self,
        port: int,
        guests: Sequence[Guest],
        per_second: float,
        patience_s: float,
        host: str = "127.0.0.1",
    ) -> None:
        """`patience_s` after it began a guest that was not closed leaves."""
        self.guests = guests
        self._address = host, port
        self._interval_s = 1.0 / per_second
        self._patience_s = patience_s
        self._is_told_to_end = threading.Event()
        self._poller = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, Guest]] = {}
        self._order = count()
        self._coming: list[tuple[float, int, Guest, int]] = []
        """A heap of when, tie-breaker, who, and the line of the script: -1 connects."""
        self._descriptors: dict[int, int] = {}
        """id of a guest → its socket, while it is connected."""
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)

    @property
    def is_over(self) -> bool:
        """Whether every guest has been closed or has left."""
        return not self._thread.is_alive()

    def start(self) -> Crowd:
        """Begin."""
        began_s = time.monotonic()
        for number, guest in enumerate(self.guests):
            self._push(began_s + number * self._interval_s, guest, -1)
        self._thread.start()
        return self

    def wait(self) -> None:
        """Return when it is over."""
        self._thread.join()

    def __enter__(self) -> Crowd:
        return self.start()

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self._is_told_to_end.set()
        self._thread.join()

    def unclosed(self, kind: str) -> int:
        """Return how many of a kind the server did not close."""
        return sum(guest.kind == kind and isnan(guest.closed_s) for guest in self.guests)

    def longest_s(self, kind: str) -> float:
        """Return how long the one of a kind lasted that was closed last of all."""
        return max(
            (guest.lasted_s for guest in self.guests if guest.kind == kind and guest.lasted_s >= 0),
            default=nan,
        )

    def _push(self, at_s: float, guest: Guest, line: int) -> None:
        heapq.heappush(self._coming, (at_s, next(self._order), guest, line))

    def _run(self) -> None:
        try:
            while (self._coming or self._sockets) and not self._is_told_to_end.is_set():
                self._step()
        finally:
            for connection, _ in self._sockets.values():
                connection.close()
            self._poller.close()

    def _step(self) -> None:
        now = time.monotonic()
        while self._coming and self._coming[0][0] <= now:
            _, _, guest, line = heapq.heappop(self._coming)
            if line < 0:
                self._connect(guest, now)
            else:
                self._speak(guest, line, now)
        wait_s = min(0.05, max(0.0, self._coming[0][0] - now)) if self._coming else 0.05
        for descriptor, event in self._poller.poll(wait_s):
            if event & _CLOSED:
                self._leave(descriptor, is_closed=True)

    def _connect(self, guest: Guest, now: float) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        guest.opened_s = now
        if connection.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            connection.close()
            return
        descriptor = connection.fileno()
        self._sockets[descriptor] = connection, guest
        self._descriptors[id(guest)] = descriptor
        self._poller.register(descriptor, select.EPOLLRDHUP)
        for line, (at_s, _) in enumerate(guest.script):
            self._push(now + at_s, guest, line)
        self._push(now + self._patience_s, guest, len(guest.script))

    def _speak(self, guest: Guest, line: int, now: float) -> None:
        descriptor = self._descriptors.get(id(guest))
        if descriptor is None:
            return
        if line == len(guest.script):
            self._leave(descriptor, is_closed=False)
            return
        try:
            self._sockets[descriptor][0].send(guest.script[line][1])
        except BlockingIOError:  # still connecting
            self._push(now + _RETRY_S, guest, line)
        except OSError:
            self._leave(descriptor, is_closed=True)

    def _leave(self, descriptor: int, is_closed: bool) -> None:
        if descriptor not in self._sockets:
            return
        connection, guest = self._sockets.pop(descriptor)
        del self._descriptors[id(guest)]
        if is_closed:
            guest.closed_s = time.monotonic()
        self._poller.unregister(descriptor)
        with contextlib.suppress(OSError):
            while connection.recv(65_536):
                pass
        connection.close()
