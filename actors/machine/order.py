"""Which of two processes goes first on the cores, as the kernel sees it (sched(7), cgroup-v2 `cpu.weight`).

The kernel divides the cores between groups by weight, then each group's part between what is in it. So two
processes compare where their paths part: by the weights of two groups, or of two tasks in one group.

| step of a path | is there | weight |
|---|---|---|
| a CPU control group | in a unit with a weight, in a container | `cpu.weight`, in version 1 `cpu.shares` |
| the session's autogroup | outside of any such group, with `sched_autogroup_enabled` | of its niceness |
| the task | always | of its niceness |

A real-time task goes before all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.machine.control_groups import ROOT, group_path, read, read_number

WEIGHT = 1024.0
"""Of niceness 0, of `cpu.weight` 100 and of `cpu.shares` 1024; a step of niceness is a factor of 1.25."""
NICE_FIELD, POLICY_FIELD = 19, 41
"""Of /proc/PID/stat, counted from 1 (proc_pid_stat(5))."""
REALTIME_POLICIES = {1, 2}
"""SCHED_FIFO, SCHED_RR."""


@dataclass(frozen=True, slots=True)
class Step:
    """One group on the way to a task, or the task itself."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Place:
    """A process among those that share the cores."""

    steps: tuple[Step, ...]
    """From the outermost group to the task."""
    niceness: int
    is_realtime: bool = False

    @property
    def group(self) -> str:
        """The innermost group; empty if it is in none."""
        return self.steps[-2].name if len(self.steps) > 1 else ""


def goes_before(one: Place, other: Place) -> bool:
    """Return whether `one` gets the larger part of a core that both ask for."""
    if one.is_realtime or other.is_realtime:
        return one.is_realtime and not other.is_realtime
    for mine, theirs in zip(one.steps, other.steps, strict=False):
        if mine.name != theirs.name:
            return mine.weight > theirs.weight
    return False


def place(process: int, root: Path = ROOT) -> Place | None:
    """Return where a process stands; None if there is none."""
    fields = read(root / "proc" / str(process) / "stat").rpartition(")")[2].split()
    if len(fields) < POLICY_FIELD - 2:
        return None
    niceness, policy = int(fields[NICE_FIELD - 3]), int(fields[POLICY_FIELD - 3])
    groups = tuple(_control_groups(process, root)) or tuple(_autogroup(process, root))
    task = Step(f"process {process}", weight(niceness))
    return Place((*groups, task), niceness, policy in REALTIME_POLICIES)


def weight(niceness: int) -> float:
    """Return what a niceness weighs (sched_prio_to_weight, kernel/sched/core.c)."""
    return WEIGHT / 1.25**niceness


def _control_groups(process: int, root: Path) -> Iterator[Step]:
    """Yield the CPU control groups above a process; the topmost of a machine is none."""
    path = group_path("cpu", root, str(process))
    for folder in path.folders if path else ():
        shares = None
        if path and path.version == 2:  # the file is missing in the root, and where the controller is off
            hundredths = read_number(folder / "cpu.weight")
            shares = None if hundredths is None else hundredths * WEIGHT / 100
        elif path and folder != path.folders[0]:
            shares = read_number(folder / "cpu.shares")
        if shares is not None:
            yield Step(str(folder), shares)


def _autogroup(process: int, root: Path) -> Iterator[Step]:
    """Yield the autogroup of a process's session, if the kernel forms any: `/autogroup-12 nice 5`."""
    words = read(root / "proc" / str(process) / "autogroup").split()
    if read_number(root / "proc/sys/kernel/sched_autogroup_enabled") == 1 and len(words) == 3:
        yield Step(words[0], weight(int(words[2])))
