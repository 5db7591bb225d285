"""Thousands of short calls end in every way a call can end, and leave nothing behind.

The server's processes count their own memory blocks when they get a signal. That count is exact, while a
process's memory is not: room that other calls have left hides a leak for thousands of calls.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import pytest
from running_server import RunningServer, running_server, wait_until

from ingress.gateway.call_log import KEPT_RECORDS
from ingress.server import observer

CALLS_A_ROUND = 2_000
AT_A_TIME = 100
EQUAL_CALLS = KEPT_RECORDS + 44
"""After each round, few at a time and all alike: the records that the gateway keeps are then as large
as after the last round."""
ROUNDS = 5
"""In the first one caches fill."""
BLOCK_LIMIT = 350
"""Growth in a round. One block left by one of the four ways to end a call makes 500."""
MEMORY_LIMIT_BYTES = 4 * 1024 * 1024
"""Usual growth in a round: 4 KB a call outside of Python show."""
PROBE = """
import ctypes, gc, os, signal, sys
def count(signal_number, frame):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open(f"{os.path.dirname(__file__)}/{os.getpid()}.new", "w") as file:
        file.write(str(sys.getallocatedblocks()))
    os.replace(file.name, file.name.removesuffix(".new"))
signal.signal(signal.SIGUSR2, count)
"""
"""Run by every Python process at its start: at the signal it writes how many memory blocks it has to a file.

Before, it gives unused memory back to the kernel: glibc keeps up to 25 MB after a burst.
"""
ANSWERED = b"\x10\x01\x40"
"""Beginning of a 20 ms frame."""

pytestmark = [pytest.mark.timeout(200), pytest.mark.usefixtures("runtime_folder")]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    (tmp_path / "sitecustomize.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
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


async def place(port: int, numbers: Iterable[int], at_a_time: int) -> None:
    """Place calls, that many at a time."""
    numbers = iter(numbers)

    async def caller() -> None:
        for number in numbers:
            await call(port, number)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(caller())


def usage(server: RunningServer, folder: Path) -> dict[str, tuple[int, int]]:
    """Return the memory blocks and the private memory in bytes of the server's processes."""
    found: dict[str, tuple[int, int]] = {}
    for name in ("media-worker", "gateway"):
        process = server.child(name)
        file = folder / str(process.pid)
        file.unlink(missing_ok=True)
        process.send_signal(signal.SIGUSR2)
        wait_until(file.exists, 5.0, f"the memory blocks of the {name}")
        found[name] = int(file.read_text()), process.memory_full_info().uss
    return found


def open_things(server: RunningServer) -> list[int]:
    """Return how many descriptors and threads the server's processes have."""
    processes = [server.child(name) for name in ("media-worker", "gateway")]
    return [count for process in processes for count in (process.num_fds(), process.num_threads())]


def leftovers(server: RunningServer, calls: int) -> dict[str, Any]:
    """Return what the tables still hold of any of the calls so far."""
    status = asyncio.run(observer.status(server.port))
    fleet, (media,) = status.fleet, status.media_workers
    assert fleet is not None
    if media.health is None:
        return {"not reported": calls}
    held = {
        "calls": status.calls,
        "sessions": fleet.sessions,
        "admitted": fleet.admission.calls,
        "activities": fleet.activities,
        "on the clock": media.health.calls,
        "connections": media.health.connections,
        "not reported as closed": calls - sum(media.health.closed_peers.values()),
    }
    for kind, pool in (("transcription", fleet.transcription), ("synthesis", fleet.synthesis)):
        held |= {f"{kind} busy": pool.busy, f"{kind} waiting": pool.waiting}
    return {name: count for name, count in held.items() if count}


def assert_empty(server: RunningServer, calls: int) -> None:
    """Wait up to 5 s until nothing is left of any call."""
    deadline_s = time.monotonic() + 5.0
    while (left := leftovers(server, calls)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert not left


def usual_growth(readings: Sequence[int]) -> float:
    """Return the median growth from one reading to the next."""
    return median(later - earlier for earlier, later in pairwise(readings))


def test_thousands_of_short_calls_leave_nothing(server: RunningServer, tmp_path: Path) -> None:
    """Every table is empty within 5 s, memory is flat, no descriptor and no thread is left."""
    used: list[dict[str, tuple[int, int]]] = []
    opened: list[list[int]] = []
    for number in range(1, ROUNDS + 1):
        asyncio.run(place(server.port, range(CALLS_A_ROUND), AT_A_TIME))
        asyncio.run(place(server.port, [0] * EQUAL_CALLS, 10))
        assert_empty(server, number * (CALLS_A_ROUND + EQUAL_CALLS))
        used.append(usage(server, tmp_path))
        opened.append(open_things(server))
    for name in used[0]:
        blocks, memory_bytes = zip(*(reading[name] for reading in used), strict=True)
        # A line through the readings: kept records have turns or not, which makes some hundred blocks.
        growth = linear_regression(range(1, ROUNDS), blocks[1:]).slope
        assert growth < BLOCK_LIMIT, (name, growth, used)
        assert usual_growth(memory_bytes) < MEMORY_LIMIT_BYTES, (name, used)
    for readings in zip(*opened, strict=True):
        assert usual_growth(readings) == 0, opened
