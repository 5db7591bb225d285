"""How busy this machine is: CPU and memory, in percent.

Two readings of the kernel's counters give the mean in between, without waiting. psutil's own `cpu_percent`
keeps its last reading per thread, for everybody in it: two who ask in turn would see each other's moments.
"""

from __future__ import annotations

import psutil

LEAST_TICKS_S = 0.05
"""Counters move in steps of 10 ms: less time of all cores together says nothing yet."""


class MachineLoad:
    """CPU since it was last asked, and memory now."""

    def __init__(self) -> None:
        self._total_s, self._idle_s = _counters()
        self._cpu_percent = 0.0

    def cpu_percent(self) -> float:
        """Return the mean use of all cores since the last call; waiting for a disk is not use."""
        total_s, idle_s = _counters()
        passed_s = total_s - self._total_s
        if passed_s >= LEAST_TICKS_S:
            used_s = passed_s - (idle_s - self._idle_s)
            self._cpu_percent = min(100.0, max(0.0, used_s / passed_s * 100.0))
            self._total_s, self._idle_s = total_s, idle_s
        return self._cpu_percent

    @staticmethod
    def memory_percent() -> float:
        """Return the share of the memory that is not available to a program that asks for more."""
        return float(psutil.virtual_memory().percent)


def _counters() -> tuple[float, float]:
    """Return seconds of all cores since boot, and those of them without work.

    Guests' time is in the user's already (proc_stat(5)).
    """
    times = psutil.cpu_times()
    total_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total_s, times.idle + getattr(times, "iowait", 0.0)
