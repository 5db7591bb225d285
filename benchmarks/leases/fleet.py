"""A private Ray with a fleet of scripted workers, and two ingress processes that use it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from actors.cluster.connection import MANAGER_NAME
from actors.cluster.inspection import stop_fleet
from actors.errors import RaymalError
from actors.settings import FleetSettings, ScriptedSettings, SpeechSettings

SLOTS = 2
NAMES = ("ingress-1", "ingress-2")
ORDER_DEADLINE_S = 300.0
ANSWER_BYTES = 64 * 1024 * 1024
"""Longest line that an ingress answers with."""

RAY_CPUS = 4
"""That Ray may assume: the workers sleep, so a small machine may hold them all."""


class BenchmarkError(RaymalError):
    """The benchmark could not be made."""


@contextmanager
def private_ray() -> Iterator[str]:
    """Start a Ray for this program only; yield its address, and end it."""
    # Before Ray is imported: no token in a home folder, no idle workers.
    os.environ |= {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_prestart_worker_first_driver": "0",
    }
    os.environ.pop("RAY_ADDRESS", None)
    import ray

    folder = Path(tempfile.mkdtemp(prefix="rl-"))
    try:
        ray.init(
            address="local",
            num_cpus=RAY_CPUS,
            num_gpus=0,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=80 * 1024 * 1024,
            _temp_dir=str(folder),
        )
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


class IngressProcess:
    """One `benchmarks.leases.ingress`, obeying orders."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    async def order(self, what: str, **arguments: Any) -> Any:
        """Give an order and return its answer. Raises BenchmarkError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": what, "with": arguments}).encode() + b"\n")
        async with asyncio.timeout(ORDER_DEADLINE_S):
            while line := await stdout.readline():
                if line.startswith(b"{"):
                    answer = json.loads(line)
                    if "error" in answer:
                        raise BenchmarkError(f"{self._name} could not {what}: {answer['error']}")
                    return answer["answer"]
        raise BenchmarkError(f"{self._name} ended while it was to {what}")


@asynccontextmanager
async def ingress_processes() -> AsyncIterator[list[IngressProcess]]:
    """Start the ingresses; end them in any case."""
    program, pipe = "benchmarks.leases.ingress", asyncio.subprocess.PIPE
    running: list[asyncio.subprocess.Process] = []
    try:
        for name in NAMES:
            command = (sys.executable, "-m", program, name)
            running.append(
                await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=ANSWER_BYTES)
            )
        yield [IngressProcess(process, name) for process, name in zip(running, NAMES, strict=True)]
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
            await process.wait()


@asynccontextmanager
async def fleet(
    ingresses: Sequence[IngressProcess], address: str, namespace: str, service_s: float
) -> AsyncIterator[None]:
    """Bring up a fleet whose transcriptions take `service_s`, used by `ingresses`; take it down again."""
    settings = FleetSettings(
        ray_address=address,
        ray_namespace=namespace,
        max_concurrent_transcriptions=SLOTS,
        max_concurrent_synthesis=1,
    )
    scripted = ScriptedSettings(stt_delay_s=service_s)
    speech = SpeechSettings(stt="scripted", tts="scripted", scripted=scripted)
    facts = {"speech": speech.model_dump(mode="json"), "fleet": settings.model_dump(mode="json")}
    try:
        await at_once(ingresses, "open", [facts] * len(ingresses))
        yield
        await at_once(ingresses, "close", [{}] * len(ingresses))
    finally:
        await stop_fleet(settings)


async def at_once(
    ingresses: Sequence[IngressProcess], what: str, arguments: Sequence[dict[str, Any]]
) -> list[Any]:
    """Give all of them the order at the same time; return their answers."""
    return await asyncio.gather(
        *(one.order(what, **its) for one, its in zip(ingresses, arguments, strict=True))
    )


@contextmanager
def manager_on_one_core() -> Iterator[psutil.Process]:
    """Keep the newest manager's process on one core for the time being."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, IndexError):  # it has gone
            if process.cmdline()[0].startswith("ray::ManagerActor"):
                found.append(process)
    if not found:
        raise BenchmarkError(f"no process of {MANAGER_NAME} below this one")
    manager = max(found, key=lambda process: process.create_time())
    cores = manager.cpu_affinity()
    for thread in manager.threads():
        psutil.Process(thread.id).cpu_affinity([cores[-1]])
    try:
        yield manager
    finally:
        for thread in manager.threads():
            psutil.Process(thread.id).cpu_affinity(cores)
