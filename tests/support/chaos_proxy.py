"""A bad network between a peer and a server: a TCP proxy with faults, repeatable by its seed.

    with ChaosProxy(server.port, downlink=Faults(split_at=3, split_pause_ms=20)) as proxy:
        call = StrictCall(proxy.port)

Each connection has two directions, the *uplink* to the server and the *downlink* from it, each with a
thread and `Faults` of its own; assign `proxy.uplink` or `proxy.downlink` to change them for running
connections as well. What is read is queued with the time at which it may leave, so a delay delays and does
not throttle; the queue is bounded, and when it is full nothing more is read, so the sender feels it.

A proxy ends TCP on both sides: it can delay, cut and lose connections, but not packets.
"""

from __future__ import annotations

import contextlib
import math
import random
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

QUEUE_BYTES: Final = 64 * 1024
"""What one direction holds at most."""
READ_BYTES: Final = 4_096
WAKE_S: Final = 0.02
"""A direction looks this often whether its faults have changed or the proxy is closing."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in one direction. The default is a good network.

    The four last are events: they happen once, when exactly `after_bytes` have been forwarded.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """The delay varies by up to this, both ways and evenly; the order is kept."""
    split_at: int | None = None
    """Each piece that was read, one message if the sender writes so, is forwarded in two: this many bytes,
    a pause, and the rest."""
    split_pause_ms: float = 0.0
    drip_bytes_per_s: float | None = None
    """One byte at a time."""
    bandwidth_bytes_per_s: float | None = None
    """No more than this on average, whole pieces."""
    after_bytes: int = 0
    stall_s: float = 0.0
    """Nothing passes for so long; then everything that waited does."""
    reset: bool = False
    """Both sides get RST (SO_LINGER 0)."""
    half_close: bool = False
    """The receiver gets FIN; what the sender says after that is thrown away."""
    black_hole: bool = False
    """Nothing passes any more and nothing is read, and nobody gets a FIN."""

    @property
    def has_event(self) -> bool:
        """Whether something is to happen after `after_bytes`."""
        return bool(self.stall_s or self.reset or self.half_close or self.black_hole)


class ChaosProxy:
    """Listens on `port` of the loopback and forwards to `target_port`, with faults."""

    def __init__(
        self,
        target_port: int,
        *,
        uplink: Faults | None = None,
        downlink: Faults | None = None,
        seed: int = 0,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.uplink = uplink or Faults()
        """From the peer to the server."""
        self.downlink = downlink or Faults()
        """From the server to the peer."""
        self.seed = seed
        self.queue_bytes = queue_bytes
        self.is_closing = False
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.settimeout(WAKE_S)
        self.port: int = self._listener.getsockname()[1]
        self._directions: list[_Direction] = []
        self._acceptor = threading.Thread(target=self._accept, name="chaos proxy", daemon=True)

    @property
    def forwarded_bytes(self) -> tuple[int, int]:
        """Bytes forwarded so far: up, down."""
        directions = tuple(self._directions)
        return (
            sum(direction.forwarded_bytes for direction in directions if direction.is_uplink),
            sum(direction.forwarded_bytes for direction in directions if not direction.is_uplink),
        )

    @property
    def most_queued_bytes(self) -> int:
        """The most that one direction has held."""
        return max((direction.most_queued_bytes for direction in tuple(self._directions)), default=0)

    def __enter__(self) -> ChaosProxy:
        self._acceptor.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_closing = True
        self._acceptor.join()
        self._listener.close()
        for direction in self._directions:
            direction.thread.join()
        for direction in self._directions:
            _close(direction.source)

    def _accept(self) -> None:
        number = 0
        while not self.is_closing:
            try:
                peer, _ = self._listener.accept()
            except TimeoutError:
                continue
            try:
                server = socket.create_connection(self._target, timeout=2.0)
            except OSError:
                _reset(peer)
                continue
            for side in (peer, server):
                side.settimeout(None)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (
                _Direction(self, peer, server, True, random.Random(f"{self.seed}/{number}/up")),
                _Direction(self, server, peer, False, random.Random(f"{self.seed}/{number}/down")),
            )
            pair[0].other, pair[1].other = pair[1], pair[0]
            self._directions += pair
            for direction in pair:
                direction.thread.start()
            number += 1


class _Direction:
    """One direction of one connection."""

    other: _Direction

    def __init__(
        self,
        proxy: ChaosProxy,
        source: socket.socket,
        destination: socket.socket,
        is_uplink: bool,
        dice: random.Random,
    ) -> None:
        self.source = source
        self.is_uplink = is_uplink
        self.forwarded_bytes = 0
        self.most_queued_bytes = 0
        self.is_done = False
        self._proxy = proxy
        self._destination = destination
        self._dice = dice
        self._queue: deque[tuple[float, bytes]] = deque()
        """When each piece may leave, and its bytes."""
        self._queued_bytes = 0
        self._last_due_s = 0.0
        self._paced_until_s = 0.0
        self._source_ended = False
        self._event_done: Faults | None = None
        self._is_discarding = False
        self.thread = threading.Thread(
            target=self._run, name=f"chaos {'up' if is_uplink else 'down'}", daemon=True
        )

    def _run(self) -> None:
        try:
            while not self._proxy.is_closing and self._step():
                pass
        except (ConnectionResetError, BrokenPipeError):
            if not self._is_black_hole:
                self._reset_both()
        except (OSError, ValueError):
            pass  # the other direction, or the end of the test, closed the sockets
        finally:
            self.is_done = True
            if self.other.is_done and not self._is_black_hole and not self.other._is_black_hole:
                _close(self.source)
                _close(self._destination)

    def _step(self) -> bool:
        """Read what there is, forward what is due; False when this direction is over."""
        faults = self._faults
        now = time.monotonic()
        if self._is_black_hole:
            time.sleep(WAKE_S)
            return True
        if faults.has_event and self._event_done is not faults and self.forwarded_bytes >= faults.after_bytes:
            self._event_done = faults
            return self._happen(faults)
        if self._queue and self._queue[0][0] <= now:
            self._forward(faults)
            return True
        if self._source_ended and not self._queue:
            with contextlib.suppress(OSError):
                self._destination.shutdown(socket.SHUT_WR)
            return False
        wait_s = min(WAKE_S, max(0.0, self._queue[0][0] - now)) if self._queue else WAKE_S
        if self._source_ended or self._queued_bytes >= self._proxy.queue_bytes:
            time.sleep(wait_s)
        elif _is_ready(self.source, select.POLLIN, wait_s):
            self._read(faults)
        return True

    @property
    def _faults(self) -> Faults:
        return self._proxy.uplink if self.is_uplink else self._proxy.downlink

    @property
    def _is_black_hole(self) -> bool:
        return self._event_done is not None and self._event_done.black_hole

    def _read(self, faults: Faults) -> None:
        data = self.source.recv(min(READ_BYTES, self._proxy.queue_bytes - self._queued_bytes))
        if not data:
            self._source_ended = True
            return
        if self._is_discarding:
            return
        delay_ms = faults.delay_ms + self._dice.uniform(-faults.jitter_ms, faults.jitter_ms)
        # Never before what came earlier: TCP keeps the order.
        due_s = max(time.monotonic() + max(0.0, delay_ms) / 1000, self._last_due_s)
        if faults.split_at is not None and 0 < faults.split_at < len(data):
            self._put(due_s, data[: faults.split_at])
            due_s += faults.split_pause_ms / 1000
            data = data[faults.split_at :]
        self._put(due_s, data)

    def _put(self, due_s: float, data: bytes) -> None:
        self._queue.append((due_s, data))
        self._last_due_s = due_s
        self._queued_bytes += len(data)
        self.most_queued_bytes = max(self.most_queued_bytes, self._queued_bytes)

    def _forward(self, faults: Faults) -> None:
        """Send the first piece, or what of it may go now."""
        now = time.monotonic()
        if now < self._paced_until_s:
            time.sleep(min(WAKE_S, self._paced_until_s - now))
            return
        if not self._is_discarding and not _is_ready(self._destination, select.POLLOUT, WAKE_S):
            return
        due_s, data = self._queue.popleft()
        limit = math.inf
        if faults.drip_bytes_per_s is not None:
            limit = 1
        if faults.has_event and self._event_done is not faults:
            limit = min(limit, faults.after_bytes - self.forwarded_bytes)
        sent_bytes = int(min(limit, len(data)))
        if not self._is_discarding:
            try:
                sent_bytes = self._destination.send(data[:sent_bytes], socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent_bytes = 0
        if sent_bytes < len(data):
            self._queue.appendleft((due_s, data[sent_bytes:]))
        self._queued_bytes -= sent_bytes
        self.forwarded_bytes += sent_bytes
        rates = (faults.drip_bytes_per_s, faults.bandwidth_bytes_per_s)
        slowest = min((rate for rate in rates if rate is not None), default=None)
        if slowest is not None:
            self._paced_until_s = max(self._paced_until_s, now - WAKE_S) + sent_bytes / slowest

    def _happen(self, faults: Faults) -> bool:
        """The event; False when it ends this direction."""
        if faults.reset:
            self._reset_both()
            return False
        if faults.half_close:
            self._is_discarding = True
            self._queue.clear()
            self._queued_bytes = 0
            self._destination.shutdown(socket.SHUT_WR)
        if faults.stall_s and not faults.black_hole:
            until_s = time.monotonic() + faults.stall_s
            while not self._proxy.is_closing and time.monotonic() < until_s:
                time.sleep(min(WAKE_S, max(0.0, until_s - time.monotonic())))
        return True

    def _reset_both(self) -> None:
        for side in (self.source, self._destination):
            _reset(side)


def _reset(side: socket.socket) -> None:
    """Send RST. Waking the other direction's thread first would send FIN, so it finds a closed socket."""
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _close(side)


def _close(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.close()


def _is_ready(side: socket.socket, event: int, wait_s: float) -> bool:
    """Wait until a socket can be read or written (`select.POLLIN`, `POLLOUT`), or has an error to tell."""
    poller = select.poll()
    poller.register(side, event)
    return bool(poller.poll(wait_s * 1000))
