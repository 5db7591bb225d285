"""What each media worker is to have, extensions and listening sockets, and the channel that brings it there.

Nothing is queued: what a worker lacks follows from what it should have and what it was sent. So a worker that
reads slowly costs no memory, one that is started again gets all, and the supervisor never waits for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingress.configuration.extensions import Extension
from ingress.link.descriptor_passing import receive, send
from ingress.link.framing import encode
from ingress.link.messages import DrainWithin, ExtensionRemoved, ExtensionSet, LegName, Message

RETRY_S = 0.05
"""When the channel, or the number of sockets under way (RLIMIT_NOFILE, unix(7)), is at its limit."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An extension and the sockets on which this worker serves it, each with its leg; it may have none."""

    extension: Extension
    listeners: tuple[tuple[LegName, socket.socket], ...] = ()


class MediaFeed:
    """The supervisor's end of one media worker's channel."""

    def __init__(self) -> None:
        self._ours, self.inherited = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        """`inherited`: the worker's end. It stays open here for the next worker."""
        for end in (self._ours, self.inherited):
            end.setblocking(False)
        self._wanted: Mapping[str, Offer] = {}
        self._sent: dict[str, Offer] = {}
        self._retry: asyncio.TimerHandle | None = None

    def offer(self, offers: Mapping[str, Offer]) -> None:
        """Have the worker serve these extensions and no others."""
        self._wanted = dict(offers)
        self._send_what_lacks()

    def drain_within(self, deadline_s: float) -> None:
        """Have the worker let calls finish for that long once it is stopped. Lost on one that hangs."""
        with contextlib.suppress(OSError):
            send(self._ours, encode(DrainWithin(deadline_s=deadline_s)))

    def worker_starts(self) -> None:
        """A new worker knows nothing yet: drop what the one before it did not read, and send all."""
        with contextlib.suppress(BlockingIOError):
            while True:
                _, descriptors = receive(self.inherited)
                for descriptor in descriptors:
                    os.close(descriptor)
        self._sent.clear()
        self._send_what_lacks()

    def close(self) -> None:
        """Close the channel."""
        if self._retry is not None:
            self._retry.cancel()
        self._ours.close()
        self.inherited.close()

    def _send_what_lacks(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        try:
            for name, offer in self._wanted.items():
                before = self._sent.get(name)
                if offer != before:
                    self._send_offer(offer, before)
                    self._sent[name] = offer
            for name in self._sent.keys() - self._wanted.keys():
                self._send(ExtensionRemoved(name=name))
                del self._sent[name]
        except OSError:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._send_what_lacks)

    def _send_offer(self, offer: Offer, before: Offer | None) -> None:
        if before is not None and before.listeners == offer.listeners:
            self._send(ExtensionSet(extension=offer.extension))
            return
        legs = tuple(leg for leg, _ in offer.listeners)
        passed = [listener.fileno() for _, listener in offer.listeners]
        self._send(ExtensionSet(extension=offer.extension, legs=legs), passed)

    def _send(self, message: Message, passed: Sequence[int] = ()) -> None:
        send(self._ours, encode(message), passed)
