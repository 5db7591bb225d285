"""An ingress without calls: a process of its own that asks for slots when it is ordered to.

Orders come as JSON lines on standard input, an answer for each goes to standard output. The clock of the
answers is CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from actors.cluster.manager import RemoteManager
from actors.cluster.pool import ClusterPool
from actors.errors import CapacityError, RaymalError
from actors.messages import (
    LeaseRequest,
    Priority,
    SessionStarted,
    Transcribe,
    WorkKind,
    WorkOutcome,
    WorkReport,
)
from actors.settings import FleetSettings, SpeechSettings
from actors.status import FleetStatus
from benchmarks.leases.judgement import Served

AUDIO = bytes(48_000)
"""Three seconds: a usual utterance."""

LONGEST_WAIT_S = 60.0
"""Longer than any request waits in these runs: a refused one was lost."""

READY_S = 90.0


class BenchmarkIngress:
    """Carries out orders, one after the other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = 0

    async def open(self, speech: dict[str, Any], fleet: dict[str, Any]) -> None:
        """Join a fleet and wait until its workers answer; one call of each class is up."""
        settings = FleetSettings.model_validate(fleet)
        self._pool = ClusterPool(SpeechSettings.model_validate(speech), settings, self._name)
        self._manager = RemoteManager(settings.ray_namespace)
        await self._pool.start()
        await self._until(lambda it: it.is_ready and it.transcription.ready == it.transcription.planned)
        for priority in Priority:
            await self._pool.register_session(SessionStarted(self._call(priority), self._name, "1", priority))

    async def one_by_one(self, count: int) -> list[float]:
        """Transcribe so often, each after the other; return how long each took, in milliseconds."""
        return [await self._timed() for _ in range(count)]

    async def play(self, start_s: float, arrivals: Sequence[tuple[float, str]]) -> list[dict[str, Any]]:
        """Let every request come at its time."""
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self._arrive(start_s + at_s, Priority(priority)))
                for at_s, priority in arrivals
            ]
        return [asdict(task.result()) for task in asked]

    async def hammer(self, loops: int, until_s: float) -> int:
        """Take leases and give them back as fast as possible; return how many."""
        counts = await asyncio.gather(*(self._take_and_return(until_s) for _ in range(loops)))
        return sum(counts)

    async def be_refused(self, slots: int, queue_limit: int, count: int) -> list[float]:
        """Fill slots and queue, then ask so often; return how long each refusal took, in milliseconds."""
        fillers = [self._request() for _ in range(slots + queue_limit)]
        asked = [asyncio.create_task(self._manager.acquire(request)) for request in fillers]
        await self._until(lambda status: status.transcription.waiting == queue_limit)
        refusals = [await self._timed_refusal() for _ in range(count)]
        for request in fillers:
            await self._manager.release(WorkReport(request.lease_id, WorkOutcome.DONE, 0.0, 0.0))
        await asyncio.gather(*asked, return_exceptions=True)
        return refusals

    async def close(self) -> None:
        """Leave the fleet."""
        await self._pool.close()

    def _call(self, priority: Priority) -> str:
        return f"{self._name}-{priority}"

    def _request(self) -> LeaseRequest:
        self._numbers += 1
        lease_id = f"{self._name}-{self._numbers}"
        call = self._call(Priority.NORMAL)
        return LeaseRequest(
            lease_id, WorkKind.TRANSCRIPTION, self._name, call, LONGEST_WAIT_S, LONGEST_WAIT_S
        )

    async def _until(self, met: Callable[[FleetStatus], bool]) -> None:
        async with asyncio.timeout(READY_S):
            while True:
                if met(await self._pool.status()):
                    return
                await asyncio.sleep(0.05)

    async def _timed(self) -> float:
        asked_s = time.monotonic()
        await self._pool.transcribe(Transcribe(self._call(Priority.NORMAL), AUDIO, "en"), LONGEST_WAIT_S)
        return (time.monotonic() - asked_s) * 1_000.0

    async def _arrive(self, at_s: float, priority: Priority) -> Served:
        await asyncio.sleep(max(0.0, at_s - time.monotonic()))
        asked_s = time.monotonic()
        try:
            done = await self._pool.transcribe(Transcribe(self._call(priority), AUDIO, "en"), LONGEST_WAIT_S)
        except RaymalError:
            waited_ms = (time.monotonic() - asked_s) * 1_000.0
            return Served(asked_s, priority, waited_ms, 0.0, is_refused=True)
        return Served(asked_s, priority, done.lease_wait_ms, done.processing_ms)

    async def _take_and_return(self, until_s: float) -> int:
        count = 0
        while time.monotonic() < until_s:
            lease = await self._manager.acquire(self._request())
            await self._manager.release(WorkReport(lease.lease_id, WorkOutcome.DONE, 0.0, 0.0))
            count += 1
        return count

    async def _timed_refusal(self) -> float:
        asked_s = time.monotonic()
        with suppress(CapacityError):
            await self._manager.acquire(self._request())
            raise RaymalError("a full queue took another request")
        return (time.monotonic() - asked_s) * 1_000.0


async def serve_orders(name: str) -> None:
    """Carry out each line of standard input; the last one ends it."""
    ingress = BenchmarkIngress(name)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            answer = {"answer": await getattr(ingress, order["do"])(**order["with"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve_orders(sys.argv[1]))
