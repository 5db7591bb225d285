"""What of the machine a process may use: CPUs, physical cores, memory.

The smallest of these counts:

| | CPUs | memory |
|---|---|---|
| the machine | those that are on | `MemTotal` |
| affinity, `cpuset` | those allowed (sched_getaffinity(2)) | |
| each group of the process, version 2 | `cpu.max` | `memory.max`, `memory.high` |
| each group of the process, version 1 | `cpu.cfs_quota_us` / `cpu.cfs_period_us` | `memory.limit_in_bytes` |

A systemd unit sets them by `CPUQuota`, `AllowedCPUs`, `MemoryMax`, `MemoryHigh`; a container by its options.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.machine.control_groups import ROOT, group_path, read, read_number


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use of its machine."""

    cpus: float
    """Logical ones, as the kernel counts; a fraction where a quota is."""
    cores: float
    """Physical ones, at most `cpus`."""
    memory_bytes: int


def limits(root: Path = ROOT, allowed: Collection[int] | None = None) -> Limits:
    """Return what this process may use. `allowed`: the CPUs of its affinity, by default as it is."""
    allowed = os.sched_getaffinity(0) if allowed is None else allowed
    cpus = min([float(len(allowed)), *(quota for _, quota in cpu_quotas(root))])
    cores = min(cpus, float(physical_cores(root, allowed)))
    memory = min([total_memory_bytes(root), *(limit for _, limit in memory_limits(root))])
    return Limits(cpus, cores, memory)


def cpu_quotas(root: Path = ROOT) -> Iterator[tuple[Path, float]]:
    """Yield each group above this process that has a quota, and the quota in CPUs."""
    path = group_path("cpu", root)
    for folder in path.folders if path else ():
        if path and path.version == 2:
            quota_us, _, period_us = read(folder / "cpu.max").partition(" ")
        else:
            quota_us, period_us = read(folder / "cpu.cfs_quota_us"), read(folder / "cpu.cfs_period_us")
        try:
            quota = int(quota_us) / int(period_us)
        except (ValueError, ZeroDivisionError):  # "max", or no such file
            continue
        if quota > 0:
            yield folder, quota


def memory_limits(root: Path = ROOT) -> Iterator[tuple[Path, int]]:
    """Yield each group above this process that has a limit below the machine's memory, and the limit."""
    path = group_path("memory", root)
    names = ("memory.max", "memory.high") if path and path.version == 2 else ("memory.limit_in_bytes",)
    total = total_memory_bytes(root)
    for folder in path.folders if path else ():
        found = [limit for name in names if (limit := read_number(folder / name)) is not None]
        if found and 0 < min(found) < total:
            yield folder, min(found)


def total_memory_bytes(root: Path = ROOT) -> int:
    """Return the machine's memory."""
    return memory_figures(root).get("MemTotal", 0)


def memory_figures(root: Path = ROOT) -> dict[str, int]:
    """Return the figures of /proc/meminfo in bytes."""
    rows = (line.split() for line in read(root / "proc" / "meminfo").splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[2:] == ["kB"]}


def physical_cores(root: Path = ROOT, allowed: Collection[int] | None = None) -> int:
    """Return how many physical cores the CPUs `allowed` are; each is one where the kernel does not say."""
    allowed = os.sched_getaffinity(0) if allowed is None else allowed
    folder = root / "sys" / "devices" / "system" / "cpu"
    # Each core is known by the list of its threads.
    return len({read(folder / f"cpu{cpu}" / "topology" / "thread_siblings_list") or cpu for cpu in allowed})
