"""Who used the server's core, as the kernel counts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.faults.server import Server
from benchmarks.pacing.processes import CoreTime, CpuTime, core_time, cpu_time

MAXIMUM_STRANGERS_PERCENT = 10.0
"""Of the server's core, used by processes that are not the server's."""


@dataclass(frozen=True, slots=True)
class CoreUse:
    """Shares of one core."""

    server_percent: float
    """Of the server's processes together, wherever they ran."""
    strangers_percent: float
    """Of everybody else on the server's core, and what the host took of it."""

    def __str__(self) -> str:
        return f"CPU: server {self.server_percent:.0f} %, others on its core {self.strangers_percent:.0f} %"

    @property
    def is_disturbed(self) -> bool:
        """Whether the server did not have its core to itself."""
        return self.strangers_percent > MAXIMUM_STRANGERS_PERCENT


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What had been used at one time."""

    at_s: float
    server: CpuTime
    core: CoreTime

    @classmethod
    def of(cls, server: Server, core: int) -> Snapshot:
        """Look at a server and its core."""
        used = CpuTime(0.0, 0.0)
        for process in server.tree():
            try:
                used += cpu_time(process.pid)
            except (OSError, psutil.Error):  # it has just ended
                continue
        return cls(time.monotonic(), used, core_time(core))

    def __sub__(self, before: Snapshot) -> CoreUse:
        percent = 100.0 / (self.at_s - before.at_s)
        server_s = max(0.0, (self.server - before.server).total_s)
        core = self.core - before.core
        strangers_s = max(0.0, core.busy_s - server_s) + core.stolen_s
        return CoreUse(server_s * percent, strangers_s * percent)


@contextmanager
def watched_core(server: Server, core: int) -> Iterator[Callable[[], CoreUse]]:
    """Watch for the time of the body; what is yielded returns, after it, who used the core."""
    before = Snapshot.of(server, core)
    uses: list[CoreUse] = []
    yield lambda: uses[0]
    uses.append(Snapshot.of(server, core) - before)
