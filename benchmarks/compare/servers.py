"""Who is compared: each a process tree on all cores, started for one measurement and ended after it.

raymal           `raymal serve --no-ray`, whisper base and hibari, as it comes; no admission limit, since
                 the machine's limit is asked for and not the operator's, and no cache of answers, since
                 callers rarely say the same
seed             `python -m benchmarks.seed_design`: the same weights in stock faster-whisper, the same voice
seed, throttled  the same, and it sends more slowly under load
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

from actors.errors import LinkError
from benchmarks.harness.server_process import environment, free_port, serving
from benchmarks.pacing.processes import CpuTime, cpu_time
from ingress.server import observer


class Contestant(Enum):
    """One way of answering calls."""

    RAYMAL = "raymal"
    SEED = "seed"
    SEED_THROTTLED = "seed, throttled"

    def command(self, port: int, whisper: str, seed_beam: int) -> Sequence[str]:
        """Return how it is started; `whisper` is the folder of the weights, or a hub name."""
        if self is Contestant.RAYMAL:
            return [
                sys.executable, "-m", "ingress", "serve", "--no-ray", "--dialog", "echo", "--greeting", "",
                "--port", str(port), "--drain", "0", "--model", whisper,
                "--set", "admission.enabled=false", "--set", "cache.memory_bytes=0",
            ]  # fmt: skip
        return [
            sys.executable, "-m", "benchmarks.seed_design", "--port", str(port), "--model", whisper,
            "--beam", str(seed_beam), *(["--throttle"] if self is Contestant.SEED_THROTTLED else []),
        ]  # fmt: skip

    def is_ready(self, port: int, log: Path) -> bool:
        """Return whether it answers calls."""
        if self is Contestant.RAYMAL:
            try:
                return asyncio.run(observer.status(port)).is_ready
            except LinkError:
                return False
        return "listening" in log.read_text(errors="replace")


@dataclass(frozen=True, slots=True)
class Server:
    """A running one."""

    port: int
    process: subprocess.Popen[bytes]

    def cpu_time(self) -> CpuTime:
        """Return what all its processes have used."""
        supervisor = psutil.Process(self.process.pid)
        used = CpuTime(0.0, 0.0)
        for process in (supervisor, *supervisor.children(recursive=True)):
            try:
                used += cpu_time(process.pid)
            except (OSError, psutil.Error):  # it has just ended
                continue
        return used


@contextmanager
def running(contestant: Contestant, whisper: str, seed_beam: int) -> Iterator[Server]:
    """Start a server, wait until it answers, end it. Raises ServerError."""
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        log, port = Path(name, "server.log"), free_port()
        inherits = environment(RAYMAL_RUNTIME=name, RAYMAL_CACHE=f"{name}/phrases")
        command = contestant.command(port, whisper, seed_beam)
        with (
            _in_runtime_folder(name),
            serving(
                contestant.value, command, log, lambda: contestant.is_ready(port, log), inherits
            ) as process,
        ):
            yield Server(port, process)


@contextmanager
def _in_runtime_folder(name: str) -> Iterator[None]:
    """Let this process find the server's socket, for its status."""
    before = os.environ.get("RAYMAL_RUNTIME")
    os.environ["RAYMAL_RUNTIME"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["RAYMAL_RUNTIME"]
        else:
            os.environ["RAYMAL_RUNTIME"] = before
