"""Connections that are being closed, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections.abc import Iterator

import pytest
from media_bench import keep_virtual_time

from ingress.audiosocket import HANGUP_MESSAGE
from ingress.media.closing import CLOSE_DEADLINE_S, MAXIMUM_CLOSING, SWEEP_INTERVAL_S, ClosingConnections
from ingress.media.connection import Connection


@pytest.fixture(autouse=True)
async def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connected(listener: socket.socket) -> tuple[Connection, socket.socket]:
    """Return our connection and the peer's blocking socket."""
    peer = socket.create_connection(listener.getsockname(), timeout=5.0)
    accepted, _ = listener.accept()
    return Connection(accepted, "peer", backlog_ms=500), peer


async def test_the_peer_gets_a_hangup_then_the_end_and_is_waited_for(listener: socket.socket) -> None:
    """Its unread audio does not become a reset."""
    connection, peer = connected(listener)
    closing = ClosingConnections()
    peer.sendall(bytes(1_000))
    closing.add(connection)
    assert len(closing) == 1
    assert (peer.recv(100), peer.recv(100)) == (HANGUP_MESSAGE, b"")
    peer.sendall(bytes(1_000))
    peer.close()
    await closing.wait()
    assert len(closing) == 0


async def test_a_peer_that_never_closes_is_closed_at_the_deadline(listener: socket.socket) -> None:
    """It costs a descriptor until then."""
    connection, peer = connected(listener)
    closing = ClosingConnections()
    closing.add(connection)
    await closing.wait()
    assert asyncio.get_running_loop().time() == pytest.approx(CLOSE_DEADLINE_S, abs=0.06)
    peer.close()


async def test_too_many_close_the_oldest(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of bad peers holds a bounded number of descriptors."""
    assert MAXIMUM_CLOSING <= 512
    monkeypatch.setattr("ingress.media.closing.MAXIMUM_CLOSING", 3)
    closing = ClosingConnections()
    peers = []
    for _ in range(5):
        connection, peer = connected(listener)
        peers.append(peer)
        closing.add(connection)
    assert len(closing) == 3
    for peer in peers:
        peer.close()
    await closing.wait()


async def test_a_peer_that_is_gone_already_is_forgotten_at_once(listener: socket.socket) -> None:
    """Nothing to wait for."""
    connection, peer = connected(listener)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    closing = ClosingConnections()
    closing.add(connection)
    assert len(closing) == 0


async def test_a_peer_that_sends_without_end_does_not_keep_the_loop(listener: socket.socket) -> None:
    """A sweep takes 2 KB of it, however much has come; what it sent before it closed is read in time."""
    peer = socket.create_connection(listener.getsockname(), timeout=5.0)
    accepted, _ = listener.accept()
    closing = ClosingConnections()
    closing.add(Connection(accepted, "peer", backlog_ms=500))
    peer.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            peer.send(bytes(65_536))
    before = unread_bytes(accepted)
    assert before > 100_000
    await asyncio.sleep(1.5 * SWEEP_INTERVAL_S)
    assert before - unread_bytes(accepted) == 2_048
    peer.close()
    await closing.wait()


def unread_bytes(connected_socket: socket.socket) -> int:
    """Return how much has come that was not read (FIONREAD, tcp(7))."""
    return struct.unpack("i", fcntl.ioctl(connected_socket, termios.FIONREAD, bytes(4)))[0]
