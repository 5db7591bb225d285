"""The chaos proxy itself: each fault is really produced, measured at the far end, and only that one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from chaos_proxy import ChaosProxy, Faults

both_directions = pytest.mark.parametrize("direction", ["uplink", "downlink"])


@contextmanager
def connection(
    direction: str, faults: Faults | None = None, seed: int = 0
) -> Iterator[tuple[ChaosProxy, socket.socket, socket.socket]]:
    """Connect through a proxy with faults in one direction; yield the proxy, its speaker and its listener."""
    uplink, downlink = (faults, None) if direction == "uplink" else (None, faults)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with (
            ChaosProxy(port, uplink=uplink, downlink=downlink, seed=seed) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port)) as peer,
        ):
            server, _ = listener.accept()
            with server:
                for side in (peer, server):
                    side.settimeout(5.0)
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                yield (proxy, peer, server) if direction == "uplink" else (proxy, server, peer)


def read(side: socket.socket, size: int) -> bytes:
    """Read exactly that many bytes."""
    data = b""
    while len(data) < size and (piece := side.recv(size - len(data))):
        data += piece
    return data


@both_directions
def test_a_good_network_changes_nothing(direction: str) -> None:
    """All bytes, at once, and the end of the stream; the way back still works."""
    data = bytes(range(256)) * 400
    with connection(direction) as (_, speaker, listener):
        began_s = time.monotonic()
        speaker.sendall(data)
        assert read(listener, len(data)) == data
        assert time.monotonic() - began_s < 1.0
        speaker.shutdown(socket.SHUT_WR)
        assert listener.recv(1) == b""
        listener.sendall(b"back")
        assert read(speaker, 4) == b"back"


@both_directions
def test_a_delay_delays_and_does_not_throttle(direction: str) -> None:
    """Ten pieces, 20 ms apart, each come 100 ms after they were sent."""
    with connection(direction, Faults(delay_ms=100)) as (_, speaker, listener):
        sent_s, came_s = [], []
        for _ in range(10):
            sent_s.append(time.monotonic())
            speaker.sendall(b"x" * 10)
            time.sleep(0.02)
        for _ in range(10):
            read(listener, 10)
            came_s.append(time.monotonic())
        assert came_s[0] - sent_s[0] >= 0.099
        assert came_s[-1] - sent_s[-1] < 0.3


def test_jitter_keeps_the_order() -> None:
    """However differently the pieces are delayed, the stream is the same; and it takes the delays."""
    with connection("uplink", Faults(delay_ms=20, jitter_ms=20), seed=3) as (_, speaker, listener):
        for index in range(50):
            speaker.sendall(bytes([index]) * 3)
            time.sleep(0.001)
        assert read(listener, 150) == b"".join(bytes([index]) * 3 for index in range(50))


def test_a_stall_holds_everything_back_once() -> None:
    """Also when it begins while the connection is open; what comes later is on time."""
    with connection("uplink") as (proxy, speaker, listener):
        speaker.sendall(b"a")
        assert read(listener, 1) == b"a"
        proxy.uplink = Faults(stall_s=0.3)
        for expected_s in (0.29, 0.0):
            began_s = time.monotonic()
            speaker.sendall(b"b")
            assert read(listener, 1) == b"b"
            assert expected_s <= time.monotonic() - began_s < expected_s + 0.2
