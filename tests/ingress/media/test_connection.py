"""One socket, used directly: what it sends, what it finds, and how it is closed."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from ingress.media.connection import MAXIMUM_READ_BYTES, READ_BYTES, Connection

BACKLOG_MS = 500


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connected(listener: socket.socket) -> tuple[Connection, socket.socket]:
    """Return our connection and the peer's blocking socket."""
    peer = socket.create_connection(listener.getsockname(), timeout=5.0)
    accepted, _ = listener.accept()
    return Connection(accepted, "peer", BACKLOG_MS), peer


def received(connection: Connection) -> bytes | None:
    """Return what comes within a moment (loopback delivers at once, but in another context)."""
    for _ in range(100):
        if (data := connection.receive()) != b"":
            return data
    return b""


def test_a_reading_finds_nothing_data_or_the_end(listener: socket.socket) -> None:
    """The three answers of a read."""
    connection, peer = connected(listener)
    assert connection.receive() == b""
    peer.sendall(b"abc")
    assert received(connection) == b"abc"
    peer.close()
    assert received(connection) is None
    connection.close()


def test_a_backlog_is_read_in_one_go_up_to_a_limit(listener: socket.socket) -> None:
    """What piled up unread is found together."""
    connection, peer = connected(listener)
    data = bytes(range(256)) * 200
    peer.sendall(data)
    found = b""
    while len(found) < len(data):
        piece = connection.receive()
        assert piece is not None
        assert len(piece) <= MAXIMUM_READ_BYTES
        found += piece
    assert found == data
    assert len(data) > READ_BYTES
    peer.close()
    connection.close()


def test_a_peer_that_does_not_read_fills_the_backlog_and_no_more(listener: socket.socket) -> None:
    """`send_audio` says so instead of waiting or keeping bytes; the backlog is in the unit it says, time."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection, peer = connected(listener)
    messages = 0
    while connection.send_audio(bytes(320)):
        messages += 1
        assert messages < 1_000
    taken_by_the_peer = 4_096 * 2 // 323
    assert 0.8 * BACKLOG_MS <= messages * 20 <= 1.3 * BACKLOG_MS + 20 * taken_by_the_peer
    peer.close()
    connection.close()


def test_messages_that_waited_are_not_merged_and_cut(listener: socket.socket) -> None:
    """Each has a segment of its own: Asterisk drops a call whose payload comes in two pieces."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection, peer = connected(listener)
    messages = 0
    while connection.send_audio(bytes(320)):
        messages += 1
    connection.hang_up()
    received = 0
    while data := peer.recv(65_536):
        received += len(data)
    segments = struct.unpack_from("I", peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)[0]
    assert received == messages * 323  # the hangup did not fit
    assert segments >= messages
    peer.close()
    connection.close()


def test_a_reset_is_an_error(listener: socket.socket) -> None:
    """Not an end of stream."""
    connection, peer = connected(listener)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(ConnectionResetError):
        received(connection)
    connection.close()
