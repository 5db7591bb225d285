"""Twenty thousand short calls end in every way a call can end, and leave nothing behind."""

from __future__ import annotations

import asyncio
import socket
import statistics
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from running_server import RunningServer, running_server

from ingress.server import observer

CALLS = 20_000
AT_A_TIME = 100
ROUNDS = 20
WARM_UP_ROUNDS = 10
"""Until as many calls as ever stood at once have found their place in memory."""
GROWTH_LIMIT_BYTES = 500 * 1024
"""Median growth in a round of 1,000 calls: half a kilobyte a call would show.

A leak grows in every round; what a busy moment needed, and what the collector takes back, in a few.
"""
ANSWERED = b"\x10\x01\x40"
"""Beginning of a 20 ms frame."""

pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("runtime_folder")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    flags = ["--no-ray", "--stt", "scripted", "--tts", "scripted", "--greeting", "Hello there."]
    with running_server(tmp_path, *flags, "--set", "admission.calls_per_slot=1000") as running:
        yield running


async def call(port: int, number: int) -> None:
    """Connect, be heard, and end the call: with a close, a reset, a hangup message or in mid-message."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x01\x00\x10" + uuid.uuid4().bytes)
    async with asyncio.timeout(20.0):
        assert (await reader.readexactly(3))[0] in (0x00, 0x10)
    match number % 4:
        case 1:
            with suppress(OSError):
                writer.write(b"\x00\x00\x00")
                await writer.drain()
        case 2:
            option = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        case 3:
            writer.write(ANSWERED + b"\0" * 100)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def place(port: int, calls: int) -> None:
    """Place calls, `AT_A_TIME` at a time."""
    numbers = iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            await call(port, number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(caller())


def memory_bytes(server: RunningServer) -> dict[str, int]:
    """Return the private memory of the server's processes."""
    return {name: server.child(name).memory_full_info().uss for name in ("media-worker", "gateway")}


def open_things(server: RunningServer) -> dict[str, tuple[int, int]]:
    """Return descriptors and threads of the server's processes."""
    processes = {name: server.child(name) for name in ("media-worker", "gateway")}
    return {name: (process.num_fds(), process.num_threads()) for name, process in processes.items()}


def leftovers(server: RunningServer) -> dict[str, Any]:
    """Return what the tables still hold of any call."""
    status = asyncio.run(observer.status(server.port))
    fleet = status.fleet
    (media,) = status.media_workers
    held = {
        "calls": status.calls,
        "sessions": fleet.sessions,
        "admitted": fleet.admission.calls,
        "activities": fleet.activities,
        "on the clock": media.health.calls,
        "connections": media.health.connections,
    }
    for kind, pool in (("transcription", fleet.transcription), ("synthesis", fleet.synthesis)):
        held |= {f"{kind} busy": pool.busy, f"{kind} waiting": pool.waiting}
    return {name: count for name, count in held.items() if count}


def assert_empty(server: RunningServer) -> None:
    """Wait up to 5 s until nothing is left of any call."""
    deadline_s = time.monotonic() + 5.0
    while (left := leftovers(server)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not left


def test_twenty_thousand_short_calls_leave_nothing(server: RunningServer) -> None:
    """Every table is empty within 5 s, memory is flat, no descriptor and no thread is left."""
    before = open_things(server)
    memory: list[dict[str, int]] = []
    for _ in range(ROUNDS):
        asyncio.run(place(server.port, CALLS // ROUNDS))
        assert_empty(server)
        memory.append(memory_bytes(server))
    for name in memory[0]:
        readings = [reading[name] for reading in memory[WARM_UP_ROUNDS - 1 :]]
        growth = statistics.median(later - earlier for earlier, later in pairwise(readings))
        assert growth < GROWTH_LIMIT_BYTES, (name, readings)
    assert open_things(server) == before
    status = asyncio.run(observer.status(server.port))
    assert sum(status.media_workers[0].health.closed_peers.values()) == CALLS
