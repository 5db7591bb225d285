"""Accepts connections: a bounded number of them wait for their UUID, the others are refused.

A connection that cannot be taken is answered with a hangup at once, so that the dialplan goes on; a closed
port would make Asterisk log errors and, on some versions, close another call's socket
(`res_audiosocket.c:151-184`). When too many connections wait for their UUID the oldest is closed for the
newest, so that idle ones cannot lock out a PBX, which sends its UUID at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from typing import TYPE_CHECKING

from ingress.audiosocket import AudioSocket, Role
from ingress.media.connection import Connection
from ingress.media.endings import Ending
from ingress.media.leg import Leg

if TYPE_CHECKING:
    from ingress.media.calls import Calls

BACKLOG = 256
"""Connections that the kernel holds for us."""
MAXIMUM_HANDSHAKES = 512
"""Connections without a UUID yet, beside the calls."""
ACCEPTS_PER_ROUND = 4
"""Half a millisecond's work: a flood of connections never keeps the loop from the clock for long."""
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

Listeners = dict[str, socket.socket]
"""A media worker's listening sockets, by extension."""

log = logging.getLogger(__name__)


def describe(listener: socket.socket) -> str:
    """Return where it listens, for the log."""
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


class Acceptor:
    """The listening sockets of one worker, and its connections without a UUID."""

    def __init__(self, calls: Calls) -> None:
        self.handshakes: dict[Leg, None] = {}
        """The oldest first; `Calls` takes out those that are over or have become calls."""
        self._calls = calls
        self._listeners: dict[str, socket.socket] = {}
        self._spare: int | None = None
        """A descriptor held back to refuse a connection with when none is left."""
        self._has_run_out = False

    def listen(self, listener: socket.socket, name: str) -> None:
        """Accept an extension's connections on a bound socket, ours now, in place of an earlier one."""
        if self._spare is None:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        listener.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener, name)
        self.leave(name)
        self._listeners[name] = listener

    def leave(self, name: str) -> None:
        """Close an extension's socket, if it has one."""
        listener = self._listeners.pop(name, None)
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        for name in tuple(self._listeners):
            self.leave(name)
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _accept(self, listener: socket.socket, name: str) -> None:
        for _ in range(ACCEPTS_PER_ROUND):
            try:
                accepted, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in OUT_OF_DESCRIPTORS:
                    return  # that connection is gone already (accept(2)); the next round takes the others
                if not self._refuse_without_descriptors(listener):
                    return
            else:
                self._take(accepted, f"{address[0]}:{address[1]}", name)

    def _take(self, accepted: socket.socket, peer: str, name: str) -> None:
        """Let the connection send its UUID, or hang up."""
        try:
            connection = Connection(accepted, peer, self._calls.settings.server.send_backlog_ms)
        except OSError as error:  # reset while it waited
            log.debug("connection from %s is gone: %s", peer, error)
            accepted.close()
            return
        refusal = self._calls.refusal()
        if refusal is not None and not refusal.plays_phrase:
            log.info("connection from %s closed: %s", peer, refusal.detail)
            self._calls.close(connection, refusal.ending)
            return
        if len(self.handshakes) >= MAXIMUM_HANDSHAKES:
            next(iter(self.handshakes)).end(Ending.CROWDED)
        self.handshakes[Leg(self._calls, connection, self._calls.extensions[name])] = None

    def _refuse_without_descriptors(self, listener: socket.socket) -> bool:
        """Use the spare descriptor to hang up on the next connection; False if there was none."""
        assert self._spare is not None
        os.close(self._spare)
        try:
            accepted, _ = listener.accept()
        except OSError:
            return False
        else:
            with contextlib.suppress(OSError), accepted:
                accepted.setblocking(False)
                accepted.send(AudioSocket(Role.SERVER).encode_hangup())
            if not self._has_run_out:
                self._has_run_out = True
                log.error("%s: raise LimitNOFILE", Ending.NO_DESCRIPTORS.value)
            self._calls.close(None, Ending.NO_DESCRIPTORS)
            return True
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY)
