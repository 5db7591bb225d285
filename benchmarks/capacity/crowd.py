"""The callers of one step, from outside: starts their processes, hears of every call that ends.

One process holds some hundred callers; more are shared out in turn.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from actors.errors import RaymalError
from benchmarks.capacity.callers import Call, CallersReport, Order, Said
from benchmarks.capacity.peer_quality import PeerQuality
from benchmarks.capacity.prompts import Prompt
from benchmarks.capacity.scenario import PlannedCall

CALLERS_PER_PROCESS = 150
HEAD_START_S = 1.0
"""For the processes to be there when the first call is due."""
REPORT_DEADLINE_S = 30.0
LINE_LIMIT_BYTES = 2**24
MAXIMUM_LATENESS_MS = 20.0
"""Of a caller's own deadlines at p99: a frame's length."""
MAXIMUM_CPU_PERCENT = 80.0


class CallersError(RaymalError):
    """The processes that make the calls failed."""


class Crowd:
    """The running callers of one step."""

    def __init__(self, processes: Sequence[Process], on_call: Callable[[Call], None]) -> None:
        self._processes = processes
        self._readers = [asyncio.create_task(_read(process, on_call)) for process in processes]

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
        """End whatever still runs."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


class CrowdOrder:
    """Who calls, what they can say, and when they are counted: an order for each process."""

    def __init__(
        self,
        address: tuple[str, int],
        prompts: Sequence[Prompt],
        calls: Sequence[PlannedCall],
        instants_s: tuple[float, float, float, float],
        callers: float,
    ) -> None:
        """`instants_s`: beginning, counted from, counted until, end; of the monotonic clock."""
        self._address = address
        self._prompts = prompts
        self._calls = calls
        self._instants_s = instants_s
        self._processes = max(1, math.ceil(callers / CALLERS_PER_PROCESS))

    def write(self, folder: Path) -> list[Path]:
        """Write everything the processes need; return each one's order."""
        prompts = []
        for number, prompt in enumerate(self._prompts):
            file = folder / f"{number}.sln"
            file.write_bytes(prompt.audio)
            prompts.append(str(file))
        files = []
        for number in range(self._processes):
            order = Order(
                *self._address, *self._instants_s, prompts, list(self._calls[number :: self._processes])
            )
            files.append(folder / f"order-{number}.json")
            files[-1].write_text(json.dumps(asdict(order)))
        return files


@asynccontextmanager
async def crowd(order: CrowdOrder, on_call: Callable[[Call], None]) -> AsyncIterator[Crowd]:
    """Let callers come; whoever is left when the body leaves is cut off. `on_call` hears of ended calls."""
    with tempfile.TemporaryDirectory(prefix="raymal-callers-") as name:
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.capacity.callers", str(file)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                limit=LINE_LIMIT_BYTES,
            )
            for file in order.write(Path(name))
        ]
        running = Crowd(processes, on_call)
        try:
            yield running
        finally:
            await running.close()


def invalid_because(report: CallersReport) -> list[str]:
    """Return why a measurement with these callers says nothing; empty if it is valid."""
    reasons = []
    if report.lateness_p99_ms > MAXIMUM_LATENESS_MS:
        reasons.append(f"the callers were {report.lateness_p99_ms:.0f} ms late themselves at p99")
    if report.cpu_percent > MAXIMUM_CPU_PERCENT:
        reasons.append(f"a process of callers used {report.cpu_percent:.0f} % of its core")
    return reasons


async def _read(process: Process, on_call: Callable[[Call], None]) -> CallersReport:
    """Pass on calls as they end; return the last line, the report. Raises CallersError."""
    assert process.stdout is not None
    assert process.stderr is not None
    report: dict[str, Any] | None = None
    async for line in process.stdout:
        fields = json.loads(line)
        if "quality" in fields:
            report = fields
        else:
            on_call(Call(**fields | {"said": [Said(**said) for said in fields["said"]]}))
    errors = (await process.stderr.read()).decode(errors="replace").strip()
    if await process.wait() or report is None:
        raise CallersError(f"the callers failed: {errors[-500:] or process.returncode}")
    quality = report["quality"]
    late = {int(bucket): frames for bucket, frames in quality["late"].items()}
    return CallersReport(**report | {"quality": PeerQuality(**quality | {"late": late})})
