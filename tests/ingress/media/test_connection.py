"""One socket, used directly: what it sends, what it finds, and how it is closed."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest

from ingress.audiosocket import HANGUP_MESSAGE
from ingress.media.closing import CLOSE_DEADLINE_S, MAXIMUM_DEPARTURES, Departures
from ingress.media.connection import MAXIMUM_READ_BYTES, READ_BYTES, Line

BACKLOG_MS = 500


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connected(listener: socket.socket) -> tuple[Line, socket.socket]:
    """Return our line and the peer's blocking socket."""
    peer = socket.create_connection(listener.getsockname(), timeout=5.0)
    accepted, _ = listener.accept()
    return Line(accepted, "peer", BACKLOG_MS), peer


def received(line: Line) -> bytes | None:
    """Return what comes within a moment (loopback delivers at once, but in another context)."""
    for _ in range(100):
        if (data := line.receive()) != b"":
            return data
    return b""


def test_a_line_says_nothing_data_and_end(listener: socket.socket) -> None:
    """The three answers of a read."""
    line, peer = connected(listener)
    assert line.receive() == b""
    peer.sendall(b"abc")
    assert received(line) == b"abc"
    peer.close()
    assert received(line) is None
    line.close()


def test_a_backlog_is_read_in_one_go_up_to_a_limit(listener: socket.socket) -> None:
    """What piled up while nobody read is found together."""
    line, peer = connected(listener)
    data = bytes(range(256)) * 200
    peer.sendall(data)
    found = b""
    while len(found) < len(data):
        piece = line.receive()
        assert piece is not None
        assert len(piece) <= MAXIMUM_READ_BYTES
        found += piece
    assert found == data
    assert len(data) > READ_BYTES
    peer.close()
    line.close()


def test_a_peer_that_does_not_read_fills_the_backlog_and_no_more(listener: socket.socket) -> None:
    """`send` says so instead of waiting or keeping bytes; the backlog is in the unit it says, time."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line, peer = connected(listener)
    messages = 0
    while line.send(bytes(323)):
        messages += 1
        assert messages < 1_000
    taken_by_the_peer = 4_096 * 2 // 323
    assert 0.8 * BACKLOG_MS <= messages * 20 <= 1.3 * BACKLOG_MS + 20 * taken_by_the_peer
    peer.close()
    line.close()


def test_messages_that_waited_are_not_merged_and_cut(listener: socket.socket) -> None:
    """Each has a segment of its own: Asterisk drops a call whose payload comes in two pieces."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line, peer = connected(listener)
    messages = 0
    while line.send(bytes(323)):
        messages += 1
    line.hang_up()
    received = 0
    while data := peer.recv(65_536):
        received += len(data)
    segments = struct.unpack_from("I", peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), 152)[0]
    assert received == messages * 323  # the hangup did not fit
    assert segments >= messages
    peer.close()
    line.close()


def test_a_reset_is_an_error(listener: socket.socket) -> None:
    """Not an end of stream."""
    line, peer = connected(listener)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(ConnectionResetError):
        received(line)
    line.close()


async def test_a_departing_peer_hears_hangup_then_the_end_and_is_waited_for(listener: socket.socket) -> None:
    """Its unread audio does not become a reset."""
    line, peer = connected(listener)
    departures = Departures()
    peer.sendall(bytes(1_000))
    departures.add(line)
    assert len(departures) == 1
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, peer.recv, 100) == HANGUP_MESSAGE
    assert await loop.run_in_executor(None, peer.recv, 100) == b""
    peer.sendall(bytes(1_000))
    peer.close()
    await departures.wait()
    assert len(departures) == 0


async def test_a_peer_that_never_closes_is_closed_at_the_deadline(listener: socket.socket) -> None:
    """It costs a descriptor for two seconds at most."""
    line, peer = connected(listener)
    departures = Departures()
    start_s = asyncio.get_running_loop().time()
    departures.add(line)
    await departures.wait()
    assert asyncio.get_running_loop().time() - start_s == pytest.approx(CLOSE_DEADLINE_S, abs=0.5)
    peer.close()


async def test_too_many_departures_close_the_oldest(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of bad peers holds a bounded number of descriptors."""
    assert MAXIMUM_DEPARTURES <= 512
    monkeypatch.setattr("ingress.media.closing.MAXIMUM_DEPARTURES", 3)
    departures = Departures()
    peers = []
    for _ in range(5):
        line, peer = connected(listener)
        peers.append(peer)
        departures.add(line)
    assert len(departures) == 3
    for peer in peers:
        peer.close()
    await departures.wait()


async def test_a_peer_that_is_gone_already_is_forgotten_at_once(listener: socket.socket) -> None:
    """Nothing to wait for."""
    line, peer = connected(listener)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    departures = Departures()
    departures.add(line)
    await departures.wait()
    assert len(departures) == 0
