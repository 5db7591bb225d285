"""How soon a caller hears a sentence that is in the cache: a real server, a real socket, a greeting.

`raymal serve --no-ray` with an engine that needs 200 ms for a sentence. Its greeting is made before it is
ready, so that every call finds it. A caller connects, sends his UUID and waits for the first frame that is
not silence: reading the UUID, admission, the way to the gateway and back, the dialog, the cache and the wait
for the call's next 20 ms tick are all in it. That last wait alone is 10 ms in the mean and 20 at the most.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from actors.errors import LinkError
from actors.telephone import FRAME_BYTES, FRAME_S
from benchmarks.leases.fleet import BenchmarkError
from ingress.audiosocket import KIND_SLIN8, KIND_UUID
from ingress.server import observer

GREETING = "Hello."
SYNTHESIS_S = 0.2
"""What a sentence costs that is not in the cache."""
ANSWER_DEADLINE_S = 5.0
START_DEADLINE_S = 60.0
PAUSE_S = 0.1
"""Between two calls: each begins anywhere in the server's tick."""


async def greeting_times_ms(calls: int) -> list[float]:
    """Return how long each call waited for its greeting. Raises BenchmarkError."""
    with _server() as port:
        await _ready(port)
        times = [await _greeting_time_ms(port) for _ in range(calls + 1)]
        status = await observer.status(port)
    if status.cache_misses:
        raise BenchmarkError(f"{status.cache_misses} greetings were not in the cache")
    return times[1:]  # the first call warms the server up


async def _greeting_time_ms(port: int) -> float:
    async with asyncio.timeout(ANSWER_DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        line = None
        try:
            await asyncio.sleep(PAUSE_S)
            began_s = time.monotonic()
            writer.write(_message(KIND_UUID, uuid.uuid4().bytes))
            line = asyncio.create_task(_send_silence(writer))
            while not any(await _frame(reader)):
                pass
            return (time.monotonic() - began_s) * 1_000.0
        finally:
            if line is not None:
                line.cancel()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _send_silence(writer: asyncio.StreamWriter) -> None:
    """Send a frame every 20 ms, as Asterisk does whatever the caller does."""
    due_s = time.monotonic()
    while True:
        writer.write(_message(KIND_SLIN8, bytes(FRAME_BYTES)))
        due_s += FRAME_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def _message(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next audio."""
    try:
        header = await reader.readexactly(3)
        payload = await reader.readexactly(int.from_bytes(header[1:], "big"))
    except asyncio.IncompleteReadError:
        raise BenchmarkError("the server ended the call") from None
    if header[0] != KIND_SLIN8:
        raise BenchmarkError(f"the server sent a message of kind {header[0]:#04x}")
    return payload


async def _ready(port: int) -> None:
    async with asyncio.timeout(START_DEADLINE_S):
        while True:
            with suppress(LinkError):
                if (await observer.status(port)).is_ready:
                    return
            await asyncio.sleep(0.2)


@contextmanager
def _server() -> Iterator[int]:
    with tempfile.TemporaryDirectory(prefix="leases-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        probe.close()
        settings = {
            "speech.scripted.tts_delay_s": SYNTHESIS_S,
            "cache.disk_bytes": 0,
            "throttle.enabled": "false",  # a busy machine would make the ticks longer
        }
        command = [
            sys.executable, "-m", "ingress", "serve", "--no-ray", "--stt", "scripted", "--tts", "scripted",
            "--greeting", GREETING, "--drain", "0", "--port", str(port),
            *(part for key, value in settings.items() for part in ("--set", f"{key}={value}")),
        ]  # fmt: skip
        os.environ["RAYMAL_RUNTIME"] = folder  # where this process finds the server, too
        log = Path(folder, "server.log")
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        try:
            yield port
        except TimeoutError:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise BenchmarkError(f"the server did not answer:\n{last}") from None
        finally:
            process.terminate()
            try:
                process.wait(15.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
