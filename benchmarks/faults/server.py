"""A real `raymal serve`, alone in its process tree, and how to look at it from outside."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from actors.errors import LinkError
from benchmarks.faults.workplace import Workplace
from benchmarks.harness import server_process
from benchmarks.harness.server_process import free_port
from ingress.link.records import CallRecord
from ingress.link.status import ServerStatus
from ingress.media.endings import Ending
from ingress.server import observer

TONE = ("--no-ray", "--dialog", "tone")
"""A server that plays a tone to every caller: no speech workers."""

_REPORT_DEADLINE_S = 8.0
"""A media worker reports every second."""
_LOG_DELAY_S = 0.5
"""From a caller's closing to the line in the log."""
_CALL_ENDED = re.compile(r"call (\S+) ended: (.*?); ([0-9.]+) s,")


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call's end, as the server's log has it."""

    call_id: str
    reason: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def media_workers(self) -> list[psutil.Process]:
        """Return the processes that have the calls' sockets."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "media-worker" in _command_line(child)]

    def tree(self) -> list[psutil.Process]:
        """Return all its processes."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def resident_bytes(self) -> int:
        """Return the resident memory of its media workers."""
        return sum(worker.memory_info().rss for worker in self.media_workers())

    def status(self) -> ServerStatus | None:
        """Return how it is doing, None while it does not answer."""
        return _status(self.port)

    def calls(self) -> int | None:
        """Return how many calls it has, None while it does not answer."""
        status = self.status()
        return None if status is None else status.calls

    def endings(self) -> Counter[Ending]:
        """Return how many connections ended so far, by reason, as last reported."""
        counts: Counter[Ending] = Counter()
        status = self.status()
        for worker in status.media_workers if status is not None else ():
            for reason, count in (worker.health.closed_peers if worker.health is not None else {}).items():
                counts[Ending(reason)] += count
        return counts

    def counted_endings(self) -> Counter[Ending]:
        """Return the endings so far, as soon as every call that the log knows of is among them."""
        time.sleep(_LOG_DELAY_S)
        return self.settled_endings(Counter(), len(self.ended_calls()))

    def settled_endings(self, since: Counter[Ending], count: int) -> Counter[Ending]:
        """Return the endings beyond `since`, as soon as there are `count`, or after the deadline."""
        give_up_s = time.monotonic() + _REPORT_DEADLINE_S
        while True:
            fresh = self.endings() - since
            if fresh.total() >= count or time.monotonic() >= give_up_s:
                return fresh
            time.sleep(0.2)

    def ended_calls(self) -> list[EndedCall]:
        """Return the calls that are over, from the log."""
        found = _CALL_ENDED.finditer(self.log.read_text(errors="replace"))
        return [EndedCall(match[1], match[2], float(match[3])) for match in found]

    def call_record(self, call_id: str) -> CallRecord | None:
        """Return a call's record once it is over."""
        return asyncio.run(observer.call_record(self.port, call_id, _REPORT_DEADLINE_S))


@contextmanager
def serving(
    workplace: Workplace,
    *flags: str,
    inside: Sequence[str] = (),
    kind: Sequence[str] = TONE,
    is_pinned: bool = True,
) -> Iterator[Server]:
    """Run a server with `flags`, by a prefix `inside` (of a namespace); stop it. Raises ServerError.

    `kind` are the flags that say what it does with its calls.
    """
    cores = [workplace.server_core] if is_pinned else workplace.cores
    port = free_port()
    log = workplace.folder / f"server-{port}.log"
    command = [
        *inside, "taskset", "--cpu-list", ",".join(map(str, cores)),
        sys.executable, "-m", "ingress", "serve", *kind, "--drain", "0", "--port", str(port), *flags,
    ]  # fmt: skip

    def is_ready() -> bool:
        status = _status(port)
        return status is not None and status.is_ready

    with server_process.serving("the server", command, log, is_ready) as process:
        yield Server(port, process, log)


def wait_for(condition: Callable[[], bool], deadline_s: float) -> float | None:
    """Poll until the condition holds; return how long it took, None if it did not in time."""
    began_s = time.monotonic()
    while not condition():
        if time.monotonic() - began_s >= deadline_s:
            return None
        time.sleep(0.02)
    return time.monotonic() - began_s


def _status(port: int) -> ServerStatus | None:
    try:
        return asyncio.run(observer.status(port))
    except LinkError:
        return None


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
