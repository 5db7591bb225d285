"""What processes have used so far, as the kernel counts it (proc(5)).

CPU time is utime + stime of /proc/PID/stat: all threads, those that ended among them. The kernel knows the
sum to the nanosecond and shares it out between user and system by samples, so the split is coarser than
the sum. On loopback the sender also pays for TCP's work at the receiver, which is the same for every
server that sends as many messages.

Memory is what belongs to the process alone (Private_Clean + Private_Dirty of smaps_rollup), so pages of
the interpreter that it shares with others are in no figure. Socket buffers are the kernel's and in none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Seconds of CPU that something has used."""

    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        """Both together."""
        return self.user_s + self.system_s

    def __sub__(self, before: CpuTime) -> CpuTime:
        return CpuTime(self.user_s - before.user_s, self.system_s - before.system_s)

    def __add__(self, other: CpuTime) -> CpuTime:
        return CpuTime(self.user_s + other.user_s, self.system_s + other.system_s)


def cpu_time(process: int) -> CpuTime:
    """Return what a process has used. Raises OSError when it is gone."""
    # The name, in brackets, may hold anything; what follows the last bracket is fields 3 and on.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return CpuTime(int(fields[11]) * _TICK_S, int(fields[12]) * _TICK_S)


def private_bytes(process: int) -> int:
    """Return the memory that is this process' alone. Raises OSError when it is gone."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Seconds of one core: at work for anybody in this machine, and taken by the host for others."""

    busy_s: float
    stolen_s: float

    def __sub__(self, before: CoreTime) -> CoreTime:
        return CoreTime(self.busy_s - before.busy_s, self.stolen_s - before.stolen_s)


def core_time(core: int) -> CoreTime:
    """Return what a core has done since boot."""
    lines = Path("/proc/stat").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, line.split()[1:9])
    return CoreTime((user + nice + system + interrupts + soft_interrupts) * _TICK_S, stolen * _TICK_S)
