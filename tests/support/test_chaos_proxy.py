"""The chaos proxy itself: each fault is really produced, measured at the far end, and only that one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from chaos_proxy import ChaosProxy, Faults


@dataclass
class Connection:
    """Both ends of a connection through the proxy."""

    proxy: ChaosProxy
    peer: socket.socket
    server: socket.socket

    def ends(self, direction: str) -> tuple[socket.socket, socket.socket]:
        """Return who speaks and who listens in that direction."""
        return (self.peer, self.server) if direction == "uplink" else (self.server, self.peer)


@contextmanager
def connection(
    uplink: Faults | None = None, downlink: Faults | None = None, *, seed: int = 0, queue_bytes: int = 65_536
) -> Iterator[Connection]:
    """Connect through a proxy with the given faults."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        proxy = ChaosProxy(port, uplink=uplink, downlink=downlink, seed=seed, queue_bytes=queue_bytes)
        with proxy, socket.create_connection(("127.0.0.1", proxy.port)) as peer:
            server, _ = listener.accept()
            with server:
                for side in (peer, server):
                    side.settimeout(5.0)
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                yield Connection(proxy, peer, server)


@contextmanager
def one_way(direction: str, faults: Faults, **options: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect with faults in one direction only; yield who speaks and who listens there."""
    uplink, downlink = (faults, None) if direction == "uplink" else (None, faults)
    with connection(uplink, downlink, **options) as both:
        yield both.ends(direction)


def read(side: socket.socket, size: int) -> bytes:
    """Read exactly that many bytes."""
    data = b""
    while len(data) < size:
        piece = side.recv(size - len(data))
        assert piece, f"the stream ended after {len(data)} of {size} bytes"
        data += piece
    return data


both_directions = pytest.mark.parametrize("direction", ["uplink", "downlink"])


def test_without_faults_it_is_invisible() -> None:
    """Bytes both ways, unchanged; FIN is passed on in each direction by itself."""
    with connection() as both:
        data = bytes(range(256)) * 400
        both.peer.sendall(data)
        assert read(both.server, len(data)) == data
        both.peer.shutdown(socket.SHUT_WR)
        assert both.server.recv(1) == b""
        both.server.sendall(b"still open")
        assert read(both.peer, 10) == b"still open"
        both.server.close()
        assert both.peer.recv(1) == b""
        assert both.proxy.forwarded_bytes == (len(data), 10)


@both_directions
def test_a_delay_delays_and_does_not_throttle(direction: str) -> None:
    """Each message is late by the delay; the distance between two stays what it was."""
    with one_way(direction, Faults(delay_ms=100)) as (speaker, listener):
        sent_s, came_s = [], []
        for index in range(10):
            sent_s.append(time.monotonic())
            speaker.sendall(bytes([index]))
            time.sleep(0.01)
        for index in range(10):
            assert read(listener, 1) == bytes([index])
            came_s.append(time.monotonic())
        late_s = came_s[0] - sent_s[0]
        assert 0.099 <= late_s < 0.16
        assert came_s[-1] - sent_s[-1] < 0.16


@both_directions
def test_the_other_direction_is_left_alone(direction: str) -> None:
    """Faults of one direction do nothing to the other."""
    other = "downlink" if direction == "uplink" else "uplink"
    with one_way(direction, Faults(delay_ms=500)) as (listener, speaker):
        start_s = time.monotonic()
        speaker.sendall(b"x")
        assert read(listener, 1) == b"x"
        assert time.monotonic() - start_s < 0.2, other


def arrivals_with_jitter(seed: int) -> list[float]:
    """Return when 16 numbered bytes came, in seconds since each was sent; checks their order."""
    late_s = []
    with one_way("downlink", Faults(delay_ms=60, jitter_ms=50), seed=seed) as (speaker, listener):
        for index in range(16):
            sent_s = time.monotonic()
            speaker.sendall(bytes([index]))
            assert read(listener, 1) == bytes([index])
            late_s.append(time.monotonic() - sent_s)
    return late_s


def test_jitter_varies_within_its_bounds_and_repeats_with_its_seed() -> None:
    """The same seed, the same delays; another seed, others."""
    first, again, other = arrivals_with_jitter(1), arrivals_with_jitter(1), arrivals_with_jitter(2)
    assert all(late_s >= 0.0099 for late_s in first)
    assert sorted(first)[8] < 0.12
    assert max(first) - min(first) > 0.05
    near = sum(abs(one - two) < 0.01 for one, two in zip(first, again, strict=True))
    assert near >= 12
    assert sum(abs(one - two) < 0.01 for one, two in zip(first, other, strict=True)) < 10


def test_jitter_keeps_the_order() -> None:
    """However differently the pieces are delayed, the stream is the same."""
    with one_way("uplink", Faults(delay_ms=20, jitter_ms=20), seed=3) as (speaker, listener):
        for index in range(50):
            speaker.sendall(bytes([index]) * 3)
            time.sleep(0.001)
        assert read(listener, 150) == b"".join(bytes([index]) * 3 for index in range(50))


@both_directions
def test_a_split_comes_in_two_pieces_with_the_pause_between(direction: str) -> None:
    """The first bytes, nothing for the pause, the rest."""
    with one_way(direction, Faults(split_at=3, split_pause_ms=50)) as (speaker, listener):
        for _ in range(3):
            speaker.sendall(bytes(range(10)))
            assert listener.recv(100) == bytes(range(3))
            first_s = time.monotonic()
            assert listener.recv(100) == bytes(range(3, 10))
            assert 0.03 < time.monotonic() - first_s < 0.12


@both_directions
def test_a_stall_holds_everything_back_once(direction: str) -> None:
    """From the given byte on nothing for the time, then all of it; later bytes are on time."""
    with one_way(direction, Faults(stall_s=0.3, after_bytes=4)) as (speaker, listener):
        start_s = time.monotonic()
        speaker.sendall(b"abcdefgh")
        assert read(listener, 4) == b"abcd"
        assert time.monotonic() - start_s < 0.15
        assert read(listener, 4) == b"efgh"
        assert 0.29 < time.monotonic() - start_s < 0.5
        start_s = time.monotonic()
        speaker.sendall(b"i")
        assert read(listener, 1) == b"i"
        assert time.monotonic() - start_s < 0.15


@both_directions
def test_a_drip_passes_byte_after_byte(direction: str) -> None:
    """At 50 bytes a second twenty bytes take 0.4 s, and never come together."""
    with one_way(direction, Faults(drip_bytes_per_s=50)) as (speaker, listener):
        speaker.sendall(bytes(20))
        start_s = time.monotonic()
        pieces = []
        while sum(pieces) < 20:
            pieces.append(len(listener.recv(100)))
        assert 0.3 < time.monotonic() - start_s < 0.6
        assert max(pieces) <= 3


@both_directions
def test_bandwidth_is_limited(direction: str) -> None:
    """40 kB at 100 kB/s take 0.4 s."""
    with one_way(direction, Faults(bandwidth_bytes_per_s=100_000)) as (speaker, listener):
        start_s = time.monotonic()
        speaker.sendall(bytes(40_000))
        read(listener, 40_000)
        assert 0.3 < time.monotonic() - start_s < 0.6


@both_directions
def test_a_reset_reaches_both_sides(direction: str) -> None:
    """After the given byte, RST and not FIN."""
    with one_way(direction, Faults(reset=True, after_bytes=5)) as (speaker, listener):
        speaker.sendall(b"12345678")
        assert listener.recv(5) == b"12345"
        for side in (speaker, listener):
            with pytest.raises(ConnectionResetError):
                side.recv(1)


@both_directions
def test_a_half_close_ends_one_direction_only(direction: str) -> None:
    """FIN after the given byte; the way back still works."""
    with one_way(direction, Faults(half_close=True, after_bytes=3)) as (speaker, listener):
        speaker.sendall(b"123456")
        assert read(listener, 3) == b"123"
        assert listener.recv(1) == b""
        speaker.sendall(b"into the void")
        listener.sendall(b"back")
        assert read(speaker, 4) == b"back"


@both_directions
def test_a_black_hole_passes_nothing_and_says_nothing(direction: str) -> None:
    """No byte, no FIN, even when the speaker closes; the way back still works."""
    with one_way(direction, Faults(black_hole=True, after_bytes=2)) as (speaker, listener):
        speaker.sendall(b"1234")
        assert read(listener, 2) == b"12"
        listener.sendall(b"hello?")
        assert read(speaker, 6) == b"hello?"
        speaker.shutdown(socket.SHUT_WR)
        listener.settimeout(0.3)
        with pytest.raises(TimeoutError):
            listener.recv(1)


def test_a_reset_of_one_side_reaches_the_other_as_a_reset() -> None:
    """The proxy does not turn RST into FIN."""
    with connection() as both:
        both.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        both.peer.close()
        with pytest.raises(ConnectionResetError):
            both.server.recv(1)


def test_the_queue_is_bounded_and_the_sender_feels_it() -> None:
    """Behind a long delay at most the queue is held; everything arrives in the end."""
    with connection(uplink=Faults(delay_ms=300), queue_bytes=8_192) as both:
        both.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        both.peer.sendall(bytes(20_000))
        read(both.server, 20_000)
        assert 0 < both.proxy.most_queued_bytes <= 8_192


def test_faults_may_change_while_a_call_runs() -> None:
    """A test decides when the network goes bad and when it is good again."""
    with connection() as both:
        both.server.sendall(b"a")
        assert read(both.peer, 1) == b"a"
        both.proxy.downlink = Faults(delay_ms=200)
        time.sleep(0.05)
        start_s = time.monotonic()
        both.server.sendall(b"b")
        assert read(both.peer, 1) == b"b"
        assert time.monotonic() - start_s > 0.19
        both.proxy.downlink = Faults()
        time.sleep(0.05)
        start_s = time.monotonic()
        both.server.sendall(b"c")
        assert read(both.peer, 1) == b"c"
        assert time.monotonic() - start_s < 0.15


def test_nobody_behind_the_proxy_is_a_reset() -> None:
    """Not an open connection to nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with ChaosProxy(port) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as peer:
        peer.settimeout(5.0)
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
