"""Accepts connections: a bounded number of them wait for their UUID, the others are refused.

A connection that cannot be taken is answered with a hangup at once, so that the dialplan goes on; a closed
port would make Asterisk log errors and, on some versions, close another call's socket
(`res_audiosocket.c:151-184`). When too many connections wait for their UUID the oldest is closed for the
newest, so that idle ones cannot lock out a PBX, which sends its UUID at once.

| `[access]` | a connection beyond it |
|---|---|
| `networks` | is closed before a byte is read or sent |
| `connections_per_second`, of one address | gets a hangup |
| `connections_per_address`, without a UUID | takes the place of the oldest of its address |
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingress.access.connection_rate import ConnectionRate
from ingress.access.log_limit import LogLimit
from ingress.access.networks import Networks, origin
from ingress.audiosocket import AudioSocket, Role
from ingress.link.messages import LegName
from ingress.media.connection import Connection
from ingress.media.endings import Ending
from ingress.media.leg import Leg
from ingress.media.return_leg import ReturnLeg

if TYPE_CHECKING:
    from ingress.media.calls import Calls

BACKLOG = 256
"""Connections that the kernel holds for us."""
MAXIMUM_HANDSHAKES = 512
"""Connections without a UUID yet, beside the calls."""
ACCEPTS_PER_ROUND = 4
"""Half a millisecond's work: a flood of connections never keeps the loop from the clock for long."""
BURST_S = 5.0
"""An address may connect as often at once as in so many seconds: a PBX that restarts sends all its calls."""
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

Listeners = dict[str, socket.socket]
"""One listening socket for callers, by extension."""
ExtensionListeners = Sequence[tuple[LegName, socket.socket]]
"""Of one extension, each with the leg that its connections are."""

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
        access = calls.settings.access
        self._networks = Networks(access.networks)
        self._rate = ConnectionRate(access.connections_per_second, BURST_S * access.connections_per_second)
        self._refused = LogLimit()
        """Who has been named in the log of late."""
        self._listeners: dict[str, tuple[socket.socket, ...]] = {}
        self._spare: int | None = None
        """A descriptor held back to refuse a connection with when none is left."""
        self._has_run_out = False

    def listen(self, name: str, listeners: ExtensionListeners) -> None:
        """Accept an extension's connections on bound sockets, ours now, in place of earlier ones."""
        if self._spare is None:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        for leg, listener in listeners:
            listener.listen(BACKLOG)
            asyncio.get_running_loop().add_reader(listener, self._accept, listener, name, leg)
        self.leave(name)
        self._listeners[name] = tuple(listener for _, listener in listeners)

    def leave(self, name: str) -> None:
        """Close an extension's sockets, if it has some."""
        for listener in self._listeners.pop(name, ()):
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        for name in tuple(self._listeners):
            self.leave(name)
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _accept(self, listener: socket.socket, name: str, leg: LegName) -> None:
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
                self._take(accepted, address[0], address[1], name, leg)

    def _take(self, accepted: socket.socket, host: str, port: int, name: str, leg_name: LegName) -> None:
        """Let the connection send its UUID, or hang up."""
        peer, source, now = f"{host}:{port}", origin(host), asyncio.get_running_loop().time()
        if not self._networks.holds(host):
            self._note(peer, source, Ending.NOT_ALLOWED, now)
            accepted.close()
            self._calls.close(None, Ending.NOT_ALLOWED)
            return
        try:
            connection = Connection(accepted, peer, self._calls.settings.server.send_backlog_ms)
        except OSError as error:  # reset while it waited
            log.debug("connection from %s is gone: %s", peer, error)
            accepted.close()
            return
        if not self._rate.allows(source, now):
            self._note(peer, source, Ending.TOO_OFTEN, now)
            self._calls.close(connection, Ending.TOO_OFTEN)
            return
        is_caller = leg_name == "caller"
        refusal = self._calls.refusal() if is_caller else None  # the other belongs to a call that was taken
        if refusal is not None and not refusal.plays_phrase:
            log.info("connection from %s closed: %s", peer, refusal.detail)
            self._calls.close(connection, refusal.ending)
            return
        leg = (Leg if is_caller else ReturnLeg)(self._calls, connection, self._calls.extensions[name])
        self._make_room(source)
        self.handshakes[leg] = None

    def _make_room(self, source: str) -> None:
        """End the oldest connection without a UUID, of this address or of all, if there are too many."""
        same = [leg for leg in self.handshakes if leg.origin == source]
        if len(same) >= self._calls.settings.access.connections_per_address:
            same[0].end(Ending.CROWDED_ADDRESS)
        elif len(self.handshakes) >= MAXIMUM_HANDSHAKES:
            next(iter(self.handshakes)).end(Ending.CROWDED)

    def _note(self, peer: str, source: str, ending: Ending, now: float) -> None:
        """Log a refusal, but no more than a line for each address and minute."""
        if self._refused.is_due(source, now):
            log.warning(
                "connection from %s closed: %s; no more lines of that address for a minute",
                peer,
                ending.value,
            )

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
