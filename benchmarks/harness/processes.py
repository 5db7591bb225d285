"""What processes and cores have used so far, as the kernel counts it (proc(5)).

CPU time is utime + stime of /proc/PID/stat: all threads, those that ended among them. On loopback the sender
also pays for TCP's work at the receiver, which is the same for every server that sends as many messages.

Memory is what belongs to the process alone (Private_Clean + Private_Dirty of smaps_rollup): no pages that it
shares with others, no socket buffers of the kernel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def cpu_s(processes: Iterable[int]) -> float:
    """Return what processes have used together, in seconds; one that has ended is left out."""
    ticks = 0
    for process in processes:
        with suppress(OSError):
            # The name, in brackets, may hold anything; what follows the last bracket is fields 3 and on.
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks * _TICK_S


def private_bytes(process: int) -> int:
    """Return the memory that only this process has. Raises OSError when it has ended."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Seconds of one core, or of all: used by any process of this machine, and taken by the host."""

    busy_s: float
    stolen_s: float

    def __sub__(self, before: CoreTime) -> CoreTime:
        return CoreTime(self.busy_s - before.busy_s, self.stolen_s - before.stolen_s)


def core_time(core: int | None = None) -> CoreTime:
    """Return what a core has done since the machine started; None: all cores together."""
    name = "cpu " if core is None else f"cpu{core} "
    line = next(each for each in Path("/proc/stat").read_text().splitlines() if each.startswith(name))
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, line.split()[1:9])
    return CoreTime((user + nice + system + interrupts + soft_interrupts) * _TICK_S, stolen * _TICK_S)


@dataclass(frozen=True, slots=True)
class CpuUse:
    """CPU over a stretch of time, in percent of one core."""

    server_percent: float
    """Of the server's processes together, wherever they ran."""
    foreign_percent: float
    """Of all other processes on the core that was watched."""
    stolen_percent: float = 0.0
    """Taken from that core by the host."""

    @property
    def others_percent(self) -> float:
        """What the server could not have had of the core."""
        return self.foreign_percent + self.stolen_percent

    def __str__(self) -> str:
        return f"CPU: server {self.server_percent:.0f} %, others on its core {self.others_percent:.0f} %"

    def is_disturbed(self, limit_percent: float = 10.0) -> bool:
        """Return whether others had more than this of the core."""
        return self.others_percent > limit_percent


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What had been used at one time."""

    at_s: float
    server_s: float
    known_s: float
    """CPU of processes beside the server that are not foreign: its callers."""
    core: CoreTime

    @classmethod
    def of(cls, server: Iterable[int], core: int | None, known: Iterable[int] = ()) -> Snapshot:
        """Look at the processes of a server and at its core; None: all cores."""
        return cls(time.monotonic(), cpu_s(server), cpu_s(known), core_time(core))

    def __sub__(self, before: Snapshot) -> CpuUse:
        percent = 100.0 / (self.at_s - before.at_s)
        core = self.core - before.core
        # A process of the server that has ended is missing from what it had used before.
        server_s = max(0.0, self.server_s - before.server_s)
        foreign_s = max(0.0, core.busy_s - server_s - (self.known_s - before.known_s))
        return CpuUse(server_s * percent, foreign_s * percent, core.stolen_s * percent)
