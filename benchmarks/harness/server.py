"""The server that is measured: a process tree of its own, started on a free port, watched, always ended.

It starts with a clean environment: nothing of the shell that measures slows it down or joins it to a Ray.
It ends with all its processes, stopped ones among them, before the next one is measured.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from actors.errors import LinkError, RaymalError
from ingress.caller.ports import free_port as free_port  # also for who imports the harness
from ingress.link.records import CallRecord
from ingress.link.status import ServerStatus
from ingress.media.endings import Ending
from ingress.server import observer

START_DEADLINE_S = 90.0
STOP_DEADLINE_S = 15.0
# asyncio takes any PYTHONASYNCIODEBUG, "0" among them, for yes, and is several times slower then.
UNWANTED = ("RAY_ADDRESS", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE")
RAYMAL = (
    sys.executable,
    "-m",
    "ingress",
    "serve",
    "--drain",
    "0",
    "--set",
    "web.port=0",
    "--set",
    "agi.port=0",
    "--set",
    "call_limits.no_input_s=0",  # callers that only hold a line are no case for it
)
TONE = (*RAYMAL, "--no-ray", "--dialog", "tone")
"""A server that plays a tone to every caller: no speech workers."""
_RUNTIME = "RAYMAL_RUNTIME"
_REPORT_DEADLINE_S = 8.0
"""A media worker reports every second."""
_LOG_DELAY_S = 0.5
"""From a caller's closing to the line in the log."""
_CALL_ENDED = re.compile(r"call (\S+) ended: (.*?); ([0-9.]+) s,")


class ServerError(RaymalError):
    """A server could not be started, or did not do what was waited for."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call's end, as the server's log has it."""

    call_id: str
    reason: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. What only raymal has is None or empty for others."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def tree(self) -> list[psutil.Process]:
        """Return all its processes."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def process_ids(self) -> list[int]:
        """Return the ids of all its processes."""
        return [process.pid for process in self.tree()]

    def media_workers(self) -> list[psutil.Process]:
        """Return the processes that have the calls' sockets."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "media-worker" in command_line(child)]

    def resident_bytes(self) -> int:
        """Return the resident memory of its media workers."""
        return sum(worker.memory_info().rss for worker in self.media_workers())

    def status(self) -> ServerStatus | None:
        """Return what `raymal status` shows; None while it does not answer."""
        try:
            return asyncio.run(observer.status(self.port))
        except LinkError:
            return None

    def calls(self) -> int | None:
        """Return how many calls there are; None while it does not answer."""
        status = self.status()
        return None if status is None else status.calls

    def endings(self) -> Counter[Ending]:
        """Return how many connections ended so far, by reason, as last reported."""
        counts: Counter[Ending] = Counter()
        status = self.status()
        for worker in () if status is None else status.media_workers:
            for reason, count in ({} if worker.health is None else worker.health.closed_peers).items():
                counts[Ending(reason)] += count
        return counts

    def counted_endings(self) -> Counter[Ending]:
        """Return the endings so far, as soon as every call that the log knows of is among them."""
        time.sleep(_LOG_DELAY_S)
        return self.settled_endings(Counter(), len(self.ended_calls()))

    def settled_endings(self, since: Counter[Ending], count: int) -> Counter[Ending]:
        """Return the endings beyond `since`, as soon as there are `count`, or after the deadline."""
        wait_for(lambda: (self.endings() - since).total() >= count, _REPORT_DEADLINE_S, every_s=0.2)
        return self.endings() - since

    def ended_calls(self) -> list[EndedCall]:
        """Return the calls that are over, from the log."""
        found = _CALL_ENDED.finditer(self.log.read_text(errors="replace"))
        return [EndedCall(match[1], match[2], float(match[3])) for match in found]

    def call_record(self, call_id: str) -> CallRecord | None:
        """Return a call's record once it is over."""
        return asyncio.run(observer.call_record(self.port, call_id, _REPORT_DEADLINE_S))


@contextmanager
def serving(
    name: str, command: Sequence[str], cores: Sequence[int] | None = None, inside: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server for the time of the body, which begins when it takes calls. Raises ServerError.

    `command` gets `--port` and a free one. A server that is not raymal prints "listening" when it is ready.
    `cores`: those that it may use, None for all. `inside`: what runs the command in a network namespace.
    """
    if cores is not None:
        inside = (*inside, "taskset", "--cpu-list", ",".join(map(str, cores)))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _environment({_RUNTIME: folder}):
        port, log = free_port(), Path(folder, "server.log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                (*inside, *command, "--port", str(port)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={key: value for key, value in os.environ.items() if key not in UNWANTED}
                | {"RAYMAL_CACHE": f"{folder}/phrases"},
            )
        server = Server(name, port, process, log)
        try:
            _wait_until_ready(server, is_raymal="ingress" in command)
            yield server
        finally:
            _end(process)


def wait_for(condition: Callable[[], bool], deadline_s: float, every_s: float = 0.02) -> float | None:
    """Poll until the condition holds; return how long it took, None if it did not in time."""
    began_s = time.monotonic()
    while not condition():
        if time.monotonic() - began_s >= deadline_s:
            return None
        time.sleep(every_s)
    return time.monotonic() - began_s


def command_line(process: psutil.Process) -> list[str]:
    """Return a process's command, empty if it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Change this process's environment for the body: it looks for the server's socket there as well."""
    before = dict(os.environ)
    os.environ |= values
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def _wait_until_ready(server: Server, is_raymal: bool) -> None:
    def is_ready() -> bool:
        if server.process.poll() is not None:
            raise ServerError(f"{server.name} ended at its start:\n{_last_lines(server.log)}")
        if is_raymal:
            status = server.status()
            return status is not None and status.is_ready
        return "listening" in server.log.read_text(errors="replace")

    if wait_for(is_ready, START_DEADLINE_S, every_s=0.1) is None:
        raise ServerError(
            f"{server.name} was not ready in {START_DEADLINE_S:.0f} s:\n{_last_lines(server.log)}"
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGCONT)  # a stopped one could not end
    process.terminate()
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=STOP_DEADLINE_S)
    for child in alive:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])
