"""The usual asyncio design, which raymal was written to replace: a task per call sleeps between frames.

For each connection one task writes a 20 ms frame, drains and sleeps, and another reads. With `--pace sleep`
every wait begins when the last one is over: what the loop was late stays late. With `--pace deadline` the
k-th frame waits for start + k intervals, the usual first repair. `--interval-ms 30` is the throttle of that
design: the same 20 ms of audio, every 30 ms.

Prints "listening PORT"; ends on SIGTERM. It sends a tone and detects no speech.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import struct
from itertools import cycle

RATE_HZ = 8_000
FRAME_SAMPLES = 160
TONE_HZ = 440
TONE_FRAMES = 5
"""440 Hz return to their first sample after 100 ms."""
BACKLOG = 4_096
"""The default of 100 would let a burst of callers wait for a second in the kernel."""


def tone_messages() -> list[bytes]:
    """Return AudioSocket messages of 20 ms that make an endless tone when repeated."""
    turns = (index * TONE_HZ / RATE_HZ for index in range(TONE_FRAMES * FRAME_SAMPLES))
    samples = [int(8_000 * math.sin(2 * math.pi * turn)) for turn in turns]
    return [
        struct.pack(">BH", 0x10, 2 * FRAME_SAMPLES)
        + struct.pack(f"<{FRAME_SAMPLES}h", *samples[at : at + FRAME_SAMPLES])
        for at in range(0, len(samples), FRAME_SAMPLES)
    ]


async def send(writer: asyncio.StreamWriter, interval_s: float, has_deadlines: bool) -> None:
    """Send the tone until cancelled."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    for message in cycle(tone_messages()):
        writer.write(message)
        await writer.drain()
        due_s += interval_s
        await asyncio.sleep(max(0.0, due_s - loop.time()) if has_deadlines else interval_s)


async def serve(port: int, interval_s: float, has_deadlines: bool) -> None:
    """Answer every call with the tone until cancelled."""

    async def take_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = None
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                while True:  # the first message is the UUID
                    header = await reader.readexactly(3)
                    await reader.readexactly(int.from_bytes(header[1:], "big"))
                    sender = sender or asyncio.create_task(send(writer, interval_s, has_deadlines))
            finally:
                if sender is not None:
                    sender.cancel()

    server = await asyncio.start_server(take_call, "127.0.0.1", port, backlog=BACKLOG)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace", choices=("sleep", "deadline"), required=True)
    parser.add_argument("--interval-ms", type=float, default=20.0)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.interval_ms / 1_000, options.pace == "deadline"))


if __name__ == "__main__":
    main()
