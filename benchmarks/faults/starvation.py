"""Less CPU than wanted: busy programs beside the server, and a quota for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_PERIOD_US = 100_000


@contextmanager
def hogs(number: int, cores: Iterable[int]) -> Iterator[None]:
    """Run endless loops at nice 0, free to use every core."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {set(cores)})\nwhile True: pass"]
        )
        for _ in range(number)
    ]
    try:
        yield
    finally:
        for hog in running:
            hog.kill()
            hog.wait()


def quota_folder(root: Path = Path("/sys/fs/cgroup")) -> Path | None:
    """Return the control group below which a CPU quota can be given, None if there is none to write to.

    Version 2 if it hands the cpu controller down, else version 1; nothing of the machine's is changed.
    """
    handed_down = root / "cgroup.subtree_control"
    for folder, can_limit in (
        (root, handed_down.is_file() and "cpu" in handed_down.read_text().split()),
        (root / "cpu", (root / "cpu" / "cpu.cfs_quota_us").is_file()),
    ):
        if can_limit and os.access(folder, os.W_OK):
            return folder
    return None


@contextmanager
def quota(folder: Path, percent: float, processes: Iterable[psutil.Process]) -> Iterator[None]:
    """Give the processes together this much of one core; they go back at the end."""
    group = folder / f"faults-{os.getpid()}"
    allowed_us = round(percent / 100 * _PERIOD_US)
    members = [process.pid for process in processes]
    group.mkdir()
    try:
        if (group / "cpu.max").is_file():
            (group / "cpu.max").write_text(f"{allowed_us} {_PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(allowed_us))
        for member in members:
            (group / "cgroup.procs").write_text(str(member))
        yield
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (folder / "cgroup.procs").write_text(left)
        group.rmdir()
