"""Connections of HTTP clients: how many, and how long each may take for what.

uvicorn bounds neither. What a client may hold of this process is at most `MAXIMUM_CONNECTIONS` heads of
`MAXIMUM_HEAD_BYTES`, bodies (`ingress.web.bodies`) and unsent answers.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ingress.web.problems import problem_response

MAXIMUM_CONNECTIONS = 256
"""By TCP, of all clients together; more are answered with 503."""
MAXIMUM_REFUSALS = 256
"""Connections beyond those, at a time, that are answered so; more are closed."""
MAXIMUM_HEAD_BYTES = 16 * 1024
HEAD_DEADLINE_S = 5.0
"""From connect, or from the first byte of a later request, to the end of its head."""
IDLE_S = 30
"""Between two requests of a connection."""
UNREAD_DEADLINE_S = 15.0
"""An answer that the client does not take for this long ends the connection."""
LAST_ANSWER_S = 1.0
"""For answers under way when the process stops; event streams have no end of their own."""
SEND_BUFFER_BYTES = 128 * 1024
"""In the kernel, which would take megabytes."""


class Connection(H11Protocol):
    """One connection; requests find `abort` in their state: it ends the connection at once."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the first deadline, or refuse."""
        self.app_state = {**self.app_state, "abort": transport.abort}
        super().connection_made(transport)
        peer: socket.socket = transport.get_extra_info("socket")
        if peer.family != socket.AF_UNIX:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_DEADLINE_S * 1000))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            if len(self.connections) > MAXIMUM_CONNECTIONS + MAXIMUM_REFUSALS:
                transport.abort()
                return
            if len(self.connections) > MAXIMUM_CONNECTIONS:
                self.app = _too_many
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that is not whole has its deadline."""
        super().data_received(data)
        is_ours = self.transport.get_protocol() is self  # a WebSocket has another from its head on
        if not is_ours or self.transport.is_closing() or self._is_answering():
            self._head_is_there()
        elif self._head_timer is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._head_is_there()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Take no more requests; end what is still being answered a little later."""
        super().shutdown()
        if self._is_answering():
            self.loop.call_later(LAST_ANSWER_S, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer is already under way, and close."""
        answer = problem_response(400, "this is no valid HTTP request", headers={"Connection": "close"})
        with suppress(h11.LocalProtocolError):
            for event in (
                h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_DEADLINE_S, self.transport.abort)

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    detail = f"{MAXIMUM_CONNECTIONS} connections are open already; close some, or try again"
    await problem_response(503, detail, headers={"Connection": "close", "Retry-After": "5"})(
        scope, receive, send
    )
