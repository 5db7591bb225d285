"""How much of what a process may use is in use: of the machine, and of each limited group above it.

The fullest counts: a container at its quota is full on an idle machine, and on a full machine it is no use to
be far below one's own limit.
"""

from __future__ import annotations

import os
from pathlib import Path

from actors.machine.control_groups import ROOT, group_path, read, read_number
from actors.machine.limits import cpu_quotas, memory_figures, memory_limits

LEAST_CPU_S = 0.05
"""Counters move in steps of 10 ms: a shorter time, of all CPUs together, gives no figure."""


class CpuMeter:
    """The use of the CPUs between two readings. Never waits."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._cpu_s = _allowed_cpu_seconds(root)
        self._group_s = _group_seconds(root)
        self._percent = 0.0

    def percent(self) -> float:
        """Return the mean use since the last call; waiting for a disk is not use.

        Of the CPUs that this process may run on, or of a group's quota, whichever is fuller.
        """
        total_s, idle_s = _allowed_cpu_seconds(self._root)
        passed_s, without_work_s = total_s - self._cpu_s[0], idle_s - self._cpu_s[1]
        if passed_s < LEAST_CPU_S:
            return self._percent
        group_s = _group_seconds(self._root)
        shares = [1.0 - without_work_s / passed_s]
        wall_s = passed_s / len(os.sched_getaffinity(0))
        for folder, quota in cpu_quotas(self._root):
            if folder in group_s and folder in self._group_s:
                shares.append((group_s[folder] - self._group_s[folder]) / (quota * wall_s))
        self._cpu_s, self._group_s = (total_s, idle_s), group_s
        self._percent = min(100.0, max(0.0, 100.0 * max(shares)))
        return self._percent


def memory_percent(root: Path = ROOT) -> float:
    """Return the memory in use, of the machine or of the limit of a group, whichever is fuller.

    Files that the kernel may drop at once do not count.
    """
    machine = memory_figures(root)
    total = machine.get("MemTotal", 0)
    shares = [1.0 - machine.get("MemAvailable", total) / total] if total else [0.0]
    path = group_path("memory", root)
    version = path.version if path else 2
    usage, dropped = ("memory.current", "inactive_file ")
    if version == 1:
        usage, dropped = ("memory.usage_in_bytes", "total_inactive_file ")
    for folder, limit in memory_limits(root):
        statistics = read(folder / "memory.stat").splitlines()
        files = next((int(line.split()[1]) for line in statistics if line.startswith(dropped)), 0)
        shares.append(((read_number(folder / usage) or 0) - files) / limit)
    return min(100.0, max(0.0, 100.0 * max(shares)))


def _allowed_cpu_seconds(root: Path) -> tuple[float, float]:
    """Return the seconds since boot of the CPUs that this process may run on, and those without work.

    The two last columns, guests' time, are part of the user's already (proc_stat(5)).
    """
    allowed = os.sched_getaffinity(0)
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    total = idle = 0
    for line in read(root / "proc" / "stat").splitlines():
        name, *columns = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in allowed:
            ticks = [int(column) for column in columns[:8]]
            total += sum(ticks)
            idle += ticks[3] + ticks[4]  # idle, iowait
    return total / ticks_per_second, idle / ticks_per_second


def _group_seconds(root: Path) -> dict[Path, float]:
    """Return the CPU time that each group with a quota has used, by the group's folder."""
    path = group_path("cpu", root)
    counted = path if path and path.version == 2 else group_path("cpuacct", root)
    if path is None or counted is None:
        return {}
    used: dict[Path, float] = {}
    for folder, _ in cpu_quotas(root):
        # Version 1 counts in a controller of its own, which may be mounted elsewhere.
        same = counted.folders[0] / folder.relative_to(path.folders[0])
        nanoseconds = read_number(same / "cpuacct.usage")
        for line in read(same / "cpu.stat").splitlines():
            if line.startswith("usage_usec "):
                nanoseconds = int(line.split()[1]) * 1000
        if same in counted.folders and nanoseconds is not None:
            used[folder] = nanoseconds / 1e9
    return used
