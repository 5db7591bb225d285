"""A media worker's calls: takes them in, limits them, tracks them, stops in order.

A connection that cannot be taken is accepted and answered with a hangup at once, so that the dialplan
goes on; a closed port would make Asterisk log errors and, on some versions, close another call's socket
(`res_audiosocket.c:151-184`). Stopping: refuse new calls, let running ones finish until a deadline, end
the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from ingress.call import Call
from ingress.frame_clock import FrameClock
from ingress.link_messages import CallEnded, Message, Readiness
from ingress.metrics import CallRecord
from ingress.session import CLOSE_DEADLINE_S, Session
from ingress.settings import Settings

BACKLOG = 256
"""Connections the kernel holds for us: a burst of calls while we are busy for a moment."""
SPARE_CONNECTIONS = 64
"""Connections without a UUID yet, beyond the calls: a flood of them is refused at accept."""

SendToGateway = Callable[[Message], bool]

log = logging.getLogger(__name__)


class MediaServer:
    """All sessions of one media worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._send: SendToGateway = _no_gateway
        self._clock = FrameClock()
        self._connections: set[Session] = set()
        self._calls: dict[str, Session] = {}
        self._gateway_is_ready = False
        self._is_draining = False
        self._server: asyncio.Server | None = None
        self._all_ended = asyncio.Event()
        self._all_closed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<MediaServer {len(self._calls)} calls, {len(self._connections)} connections>"

    # Life

    async def start(self, listener: socket.socket, send: SendToGateway) -> None:
        """Accept connections on a bound socket; `send` takes messages for the gateway."""
        self._send = send
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=listener, backlog=BACKLOG)

    async def stop(self, drain_deadline_s: float) -> None:
        """Refuse new calls, wait for running ones, end the rest."""
        self._is_draining = True
        if self._calls:
            log.info("draining: %d calls may finish within %g s", len(self._calls), drain_deadline_s)
            self._all_ended.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_deadline_s):
                    await self._all_ended.wait()
        if self._calls:
            log.warning("ending %d calls that did not finish in time", len(self._calls))
        for session in tuple(self._connections):
            session.end("the server is stopping")
        if self._connections:
            self._all_closed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_DEADLINE_S + 1.0):
                    await self._all_closed.wait()
        if self._server is not None:
            self._server.close()
        self._clock.stop()

    # The gateway

    def receive(self, message: Message) -> None:
        """Take a message of the gateway."""
        if isinstance(message, Readiness):
            self._set_readiness(message.is_ready)
            return
        session = self._calls.get(getattr(message, "call_id", ""))
        if session is not None:
            session.receive(message)

    def gateway_gone(self) -> None:
        """The link to the gateway broke."""
        self._set_readiness(False)

    def _set_readiness(self, is_ready: bool) -> None:
        self._gateway_is_ready = is_ready
        for session in tuple(self._calls.values()):
            if is_ready:
                session.gateway_ready()
            else:
                session.gateway_gone()

    # What sessions ask

    def refusal(self) -> str | None:
        """Return why a new connection cannot be taken now, or None."""
        limit = self.settings.server.max_calls
        if self._is_draining:
            return "refused: the server is stopping"
        if len(self._calls) >= limit:
            return f"refused: all {limit} calls are taken (server.max_calls)"
        if len(self._connections) > limit + SPARE_CONNECTIONS:
            return "refused: too many connections without a UUID"
        return None

    def identified(self, session: Session, call: Call) -> str | None:
        """Take the call in and put it on the clock; or return why not."""
        if call.call_id in self._calls:
            return "its UUID is in use by a running call; give every AudioSocket() a UUID of its own"
        if len(self._calls) >= self.settings.server.max_calls:
            return f"all {self.settings.server.max_calls} calls are taken (server.max_calls)"
        self._calls[call.call_id] = session
        self._clock.add(session)
        if self._gateway_is_ready:
            asyncio.get_running_loop().call_soon(session.gateway_ready)
        return None

    def forward(self, messages: list[Message]) -> None:
        """Send messages to the gateway, or drop them if it is away: calls ask again."""
        for message in messages:
            self._send(message)

    def ended(self, session: Session, record: CallRecord | None) -> None:
        """Take a call off the clock and tell the gateway."""
        if record is None:
            return
        self._clock.remove(session)
        del self._calls[record.call_id]
        self._send(CallEnded(record=record))
        if not self._calls:
            self._all_ended.set()

    def closed(self, session: Session) -> None:
        """A socket is gone."""
        self._connections.discard(session)
        if not self._connections:
            self._all_closed.set()

    def _accept(self) -> Session:
        session = Session(self)
        self._connections.add(session)
        return session


def _no_gateway(message: Message) -> bool:
    return False
