"""A bad network between a peer and a server: a TCP proxy with faults, repeatable by its seed.

    with ChaosProxy(server.port, downlink=Faults(delay_ms=200)) as proxy:
        call = StrictCall(proxy.port)

Each connection has two directions, the *uplink* to the server and the *downlink* from it; assigning
`proxy.uplink` or `proxy.downlink` changes the faults of running connections. What is read is queued with the
time at which it may leave, so a delay does not throttle; the queue is bounded, so that a sender notices.
Lost packets, narrow and broken cables are in `benchmarks.faults`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from dataclasses import dataclass

READ_BYTES = 4_096
QUEUED_PIECES = 64


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in one direction. The default is a good network."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """The delay varies by up to this, both ways and evenly; the order is kept."""
    stall_s: float = 0.0
    """Once, nothing passes for so long; then everything that waited does."""


class ChaosProxy:
    """Listens on `port` of the loopback and forwards to `target_port`, with faults."""

    def __init__(
        self, target_port: int, *, uplink: Faults | None = None, downlink: Faults | None = None, seed: int = 0
    ) -> None:
        self.uplink = uplink or Faults()
        """From the peer to the server."""
        self.downlink = downlink or Faults()
        """From the server to the peer."""
        self.port = 0
        self._target_port = target_port
        self._seed = seed
        self._connections = 0
        self._has_started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="chaos proxy")

    def __enter__(self) -> ChaosProxy:
        self._thread.start()
        assert self._has_started.wait(5.0)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._must_end.set)
        self._thread.join(10.0)

    async def _serve(self) -> None:
        self._loop, self._must_end = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._has_started.set()
        async with server:
            await self._must_end.wait()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, peer: asyncio.StreamReader, to_peer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number, self._connections = self._connections, self._connections + 1
        writers = [to_peer]
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(to_server)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(peer, to_server, "uplink", number))
                both.create_task(self._forward(server, to_peer, "downlink", number))
        except (OSError, ExceptionGroup, asyncio.CancelledError):  # one side is gone, or the proxy closes
            pass
        finally:
            self._tasks.discard(task)
            for writer in writers:
                writer.close()

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, direction: str, number: int
    ) -> None:
        """Forward one direction to its end."""
        dice = random.Random(f"{self._seed}/{number}/{direction}")
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_PIECES)
        reading = asyncio.create_task(self._read(source, pieces, direction, dice))
        stalled_by = None
        try:
            while True:
                due_s, data = await pieces.get()
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
                faults: Faults = getattr(self, direction)
                if faults.stall_s and faults is not stalled_by:
                    stalled_by = faults
                    await asyncio.sleep(faults.stall_s)
                if not data:
                    target.write_eof()
                    return
                target.write(data)
                await target.drain()
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(
        self,
        source: asyncio.StreamReader,
        pieces: asyncio.Queue[tuple[float, bytes]],
        direction: str,
        dice: random.Random,
    ) -> None:
        last_due_s, data = 0.0, b"-"
        while data:
            try:
                data = await source.read(READ_BYTES)
            except OSError:
                data = b""
            faults: Faults = getattr(self, direction)
            delay_ms = faults.delay_ms + dice.uniform(-faults.jitter_ms, faults.jitter_ms)
            # Never before what came earlier: TCP keeps the order.
            last_due_s = max(self._loop.time() + max(0.0, delay_ms) / 1000, last_due_s)
            await pieces.put((last_due_s, data))
