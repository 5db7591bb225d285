"""One accepted TCP connection, used directly: non-blocking, no buffers of our own.

One `send` and one `recv` a frame are all that a call costs; through an event loop's transports the same work
took half as much CPU again (docs/decisions/0008).

What is not sent yet waits in the kernel, whose send buffer is set to the backlog that a call may have. A
message that does not fit means that the peer has not been reading for that long. MSG_EOR keeps each message
that waits in a segment of its own: Asterisk drops a call whose payload has a hole of 5 ms
(`res_audiosocket.c:387-405`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from ingress.access.networks import plain
from ingress.audiosocket import AudioSocket, Role

READ_BYTES = 2_048
"""Six messages of 20 ms: nearly always one or two have come."""
MAXIMUM_READ_BYTES = 256 * 1_024
"""16 s of 8 kHz audio that piled up while the process was stopped."""
PIECE_BYTES = 65_536
"""A longer buffer costs 8 µs, and with 48 kHz audio most readings need one."""
TCP_THIN_LINEAR_TIMEOUTS = 16
"""linux/tcp.h."""
MESSAGE_MS = 20
WAITING_MESSAGE_BYTES = 1_280
"""What the kernel counts for one message of 20 or 30 ms that waits (Linux, `skb->truesize`)."""
KEEPALIVE_IDLE_S = 5
KEEPALIVE_INTERVAL_S = 3
KEEPALIVE_PROBES = 3
USER_TIMEOUT_MS = 10_000
"""Together: a peer that vanished without a FIN is noticed within 15 s."""


class Connection:
    """The socket of one peer and the protocol on it. Its owner closes it."""

    __slots__ = ("_encode_audio", "_recv", "_send", "_socket", "address", "peer", "protocol")

    def __init__(self, accepted: socket.socket, peer: str, backlog_ms: int) -> None:
        self.peer = peer
        """Address and port."""
        self.address = plain(peer.rpartition(":")[0])
        self.protocol = AudioSocket(Role.SERVER)
        self._socket = accepted
        self._send = accepted.send
        self._recv = accepted.recv
        self._encode_audio = self.protocol.encode_audio
        accepted.setblocking(False)
        if accepted.family in (socket.AF_INET, socket.AF_INET6):
            _set_options(accepted, backlog_ms)

    def send_audio(self, frame: bytes) -> bool:
        """Send 8 kHz audio as one message in one write; False if the backlog is full. Raises OSError."""
        message = self._encode_audio(frame)
        try:
            return self._send(message, socket.MSG_EOR) == len(message)
        except BlockingIOError:
            return False

    def receive(self) -> bytes | None:
        """Return what has come, b"" if nothing has, None at the end of the stream. Raises OSError."""
        try:
            data = self._recv(READ_BYTES)
        except BlockingIOError:
            return b""
        if len(data) == READ_BYTES:
            with contextlib.suppress(BlockingIOError):
                while more := self._recv(min(PIECE_BYTES, MAXIMUM_READ_BYTES - len(data))):
                    data += more
        return data or None

    def discard(self) -> bool:
        """Throw away some of what has come; whether the stream is at its end. Raises OSError."""
        try:
            return not self._recv(READ_BYTES)
        except BlockingIOError:
            return False

    def hang_up(self) -> None:
        """Send the hangup, if there is room for it, and the end of our stream. Raises OSError."""
        message = self.protocol.encode_hangup()
        with contextlib.suppress(BlockingIOError):
            self._send(message, socket.MSG_EOR)
        self._socket.shutdown(socket.SHUT_WR)

    def watch(self, on_readable: Callable[[], None]) -> None:
        """Have a function called on the running loop whenever something has come."""
        asyncio.get_running_loop().add_reader(self._socket, on_readable)

    def unwatch(self) -> None:
        """Call it no more."""
        asyncio.get_running_loop().remove_reader(self._socket)

    def close(self) -> None:
        """Close the socket; it must not be watched. Idempotent."""
        self._socket.close()


def _set_options(accepted: socket.socket, backlog_ms: int) -> None:
    # The kernel doubles the buffer's size (socket(7)).
    backlog_bytes = backlog_ms // MESSAGE_MS * WAITING_MESSAGE_BYTES
    for level, option, value in (
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        # A lost frame is sent again soon, however often it is lost: tcp(7), thin streams.
        (socket.IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, backlog_bytes // 2),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS),
    ):
        accepted.setsockopt(level, option, value)
