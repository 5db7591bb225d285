"""The servers that are compared, each a process tree on one core.

    raymal             `raymal serve --dialog tone --no-ray`: media worker (speech detection on), gateway,
                       supervisor
    asyncio deadlines  a task per call, a deadline per frame
    asyncio sleeps     a task per call that writes, drains and sleeps: the usual design
    C loop             an epoll loop that only reads and writes: the machine's limit

All send the same tone to whoever calls. A server is started for one measurement and stopped after it, so
that none pays for another's memory.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

from benchmarks.harness.native.compiler import program
from benchmarks.harness.server_process import ServerError, environment, free_port, serving

_MAX_CALLS = 1_000


class Design(Enum):
    """What kind of program a contestant is."""

    RAYMAL = "raymal"
    SLEEPS = "sleeps"
    DEADLINES = "deadlines"
    C = "C"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server in the comparison."""

    name: str
    design: Design
    frame_ms: int = 20
    """Audio in a message."""
    interval_ms: int = 20
    """From one message to the next."""
    reads_on_tick: bool = False
    """C only: see `epoll_server.c`."""


RAYMAL = Contestant("raymal", Design.RAYMAL)
RAYMAL_THROTTLED = Contestant("raymal at 30 ms", Design.RAYMAL, frame_ms=30, interval_ms=30)
SLEEPS = Contestant("asyncio sleeps", Design.SLEEPS)
SLEEPS_THROTTLED = Contestant("asyncio throttled", Design.SLEEPS, interval_ms=30)
DEADLINES = Contestant("asyncio deadlines", Design.DEADLINES)
C_LOOP = Contestant("C loop", Design.C)
C_LOOP_ON_TICK = Contestant("C loop on tick", Design.C, reads_on_tick=True)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    contestant: Contestant
    port: int
    worker: int
    """The process that has the calls' sockets."""
    others: tuple[int, ...]
    """The rest of its tree."""
    log: Path

    def is_alive(self) -> bool:
        """Whether the process with the sockets still runs."""
        return psutil.pid_exists(self.worker) and psutil.Process(self.worker).status() != "zombie"


@contextmanager
def running(contestant: Contestant, core: int) -> Iterator[Server]:
    """Start a server on one core, wait until it takes calls, and end it. Raises ServerError."""
    with tempfile.TemporaryDirectory(prefix="pacing-") as folder:
        log = Path(folder, "server.log")
        port = free_port()
        inherits = environment(RAYMAL_RUNTIME=folder)
        command = ["taskset", "--cpu-list", str(core), *_command(contestant, port)]
        with serving(
            contestant.name, command, log, lambda: _takes_calls(contestant, port, inherits), inherits
        ) as process:
            worker, others = _tree(contestant, process)
            yield Server(contestant, port, worker, others, log)


def _command(contestant: Contestant, port: int) -> Sequence[str]:
    match contestant.design:
        case Design.RAYMAL:
            throttled = (
                ["--set", f"server.frame_ms={contestant.frame_ms}"] if contestant.frame_ms != 20 else []
            )
            return [
                sys.executable, "-m", "ingress", "serve", "--no-ray", "--dialog", "tone", "--drain", "0",
                "--port", str(port), "--max-calls", str(_MAX_CALLS), *throttled,
            ]  # fmt: skip
        case Design.SLEEPS | Design.DEADLINES:
            pace = "sleep" if contestant.design is Design.SLEEPS else "deadline"
            return [
                sys.executable, "-m", "benchmarks.pacing.task_per_call_server", "--port", str(port),
                "--pace", pace, "--interval-ms", str(contestant.interval_ms),
            ]  # fmt: skip
        case Design.C:
            return [
                str(program("epoll_server")), "--port", str(port), "--frame-ms", str(contestant.frame_ms),
                "--interval-ms", str(contestant.interval_ms),
                *(["--read-on-tick"] if contestant.reads_on_tick else []),
            ]  # fmt: skip


def _takes_calls(contestant: Contestant, port: int, inherits: Mapping[str, str]) -> bool:
    if contestant.design is Design.RAYMAL:
        # Its port is open before the gateway, which tells it to play the tone, is there.
        status = [sys.executable, "-m", "ingress", "status", "--port", str(port)]
        return subprocess.run(status, capture_output=True, env=inherits, check=False).returncode == 0
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _tree(contestant: Contestant, process: subprocess.Popen[bytes]) -> tuple[int, tuple[int, ...]]:
    """Return the process with the sockets, and the others."""
    if contestant.design is not Design.RAYMAL:
        return process.pid, ()
    children = psutil.Process(process.pid).children(recursive=True)
    workers = [child.pid for child in children if "media-worker" in child.cmdline()]
    if len(workers) != 1:
        raise ServerError(f"{contestant.name}: {len(workers)} media workers run where one was wanted")
    return workers[0], (process.pid, *(child.pid for child in children if child.pid != workers[0]))
