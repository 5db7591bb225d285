"""The processes of the callers of one step: started with their orders, read call by call, always ended.

One process holds some hundred callers; more are shared out in turn.
"""

from __future__ import annotations

import asyncio
import math
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from actors.errors import RaymalError
from benchmarks.capacity.callers import LINE, ORDER, Call, CallersReport, Order

CALLERS_PER_PROCESS = 150
HEAD_START_S = 1.0
"""For the processes to be there when the first call is due."""
REPORT_DEADLINE_S = 30.0
LINE_LIMIT_BYTES = 2**24


class CallersError(RaymalError):
    """The processes that make the calls failed."""


class Crowd:
    """The running callers of one step."""

    def __init__(self, on_call: Callable[[Call], None]) -> None:
        self._on_call = on_call
        self._processes: list[Process] = []
        self._readers: list[asyncio.Task[CallersReport]] = []

    async def start(self, order: Order) -> None:
        """Start a process with its order."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.capacity.callers"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=LINE_LIMIT_BYTES,
        )
        assert process.stdin is not None
        process.stdin.write(ORDER.dump_json(order))
        process.stdin.close()  # once all of it is written
        self._processes.append(process)
        self._readers.append(asyncio.create_task(_read(process, self._on_call)))

    @property
    def process_ids(self) -> list[int]:
        """Of the processes that make the calls."""
        return [process.pid for process in self._processes]

    async def reports(self, deadline_s: float) -> list[CallersReport]:
        """Return what each process says of itself, once all are over. Raises CallersError."""
        try:
            async with asyncio.timeout(deadline_s):
                return list(await asyncio.gather(*self._readers))
        except TimeoutError:
            raise CallersError(f"the callers were not over after {deadline_s:.0f} s") from None

    async def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


@asynccontextmanager
async def crowd(order: Order, callers: int, on_call: Callable[[Call], None]) -> AsyncIterator[Crowd]:
    """Make the calls of an order, so many at once; those left when the body leaves are cut off.

    `on_call` gets each call as it ends.
    """
    processes = max(1, math.ceil(callers / CALLERS_PER_PROCESS))
    running = Crowd(on_call)
    try:
        for number in range(processes):
            await running.start(replace(order, calls=order.calls[number::processes]))
        yield running
    finally:
        await running.close()


async def _read(process: Process, on_call: Callable[[Call], None]) -> CallersReport:
    """Pass on calls as they end; return the last line, the report. Raises CallersError."""
    assert process.stdout is not None
    assert process.stderr is not None
    report: CallersReport | None = None
    async for text in process.stdout:
        line = LINE.validate_json(text)
        if isinstance(line, Call):
            on_call(line)
        else:
            report = line
    errors = (await process.stderr.read()).decode(errors="replace").strip()
    if await process.wait() or report is None:
        raise CallersError(f"the callers failed: {errors[-500:] or process.returncode}")
    return report
