"""X15: the machine is busy with something else, or the server may use only half a core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.reference import CALLS, calm_quality, pacing_holds, reference_calls
from benchmarks.harness.outcomes import Outcome, impossible, shown
from benchmarks.harness.server import TONE
from benchmarks.harness.workplace import Workplace

HOGS = 4
QUOTA_PERCENT = 50.0
MEASURED_S = 8.0
SCHEDULING = {
    "ordinary": (),
    "nice -15": ("--set", "server.nice=-15"),
    "rr 10": ("--set", "server.realtime_priority=10"),
}
JUDGED = "rr 10"
"""The reference calls have to hold with this; the others are shown."""
_PERIOD_US = 100_000


def scarcity(workplace: Workplace) -> Iterator[Outcome]:
    """X15: four busy loops, at each way of scheduling; then a quota."""
    for name, flags in SCHEDULING.items():
        with workplace.serving(*TONE, *flags, is_pinned=False) as server:
            calm = calm_quality(workplace, server)
            workplace.say(f"{HOGS} busy loops, {name} scheduling")
            with _hogs(workplace.cores), reference_calls(workplace, server, MEASURED_S) as reference:
                busy = reference()
        for row in pacing_holds(f"{HOGS} hogs, {name}", calm, busy, shares_core=True):
            yield row if name == JUDGED else shown(row.criterion, row.measured)
    yield from _under_quota(workplace)


def _under_quota(workplace: Workplace) -> Iterator[Outcome]:
    criterion = f"{CALLS} calls, quota of {QUOTA_PERCENT:g} % of a core"
    folder = quota_folder()
    if folder is None:
        yield impossible(criterion, "no control group with a cpu controller that can be written to")
        return
    with workplace.serving(*TONE) as server:
        calm = calm_quality(workplace, server)
        workplace.say(f"a quota of {QUOTA_PERCENT:g} % of a core")
        with (
            _quota(folder, server.process_ids()),
            reference_calls(workplace, server, MEASURED_S) as reference,
        ):
            quality = reference()
    yield from pacing_holds(criterion, calm, quality)


@contextmanager
def _hogs(cores: Iterable[int]) -> Iterator[None]:
    """Run endless loops at nice 0 that may use these cores."""
    loop = f"import os\nos.sched_setaffinity(0, {set(cores)})\nwhile True: pass"
    running = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(HOGS)]
    try:
        yield
    finally:
        for hog in running:
            hog.kill()
            hog.wait()


def quota_folder(root: Path = Path("/sys/fs/cgroup")) -> Path | None:
    """Return the control group below which a CPU quota can be given, None if there is none to write to.

    Version 2 if its cpu controller is enabled for children, else version 1.
    """
    controllers = root / "cgroup.subtree_control"
    for folder, can_limit in (
        (root, controllers.is_file() and "cpu" in controllers.read_text().split()),
        (root / "cpu", (root / "cpu" / "cpu.cfs_quota_us").is_file()),
    ):
        if can_limit and os.access(folder, os.W_OK):
            return folder
    return None


@contextmanager
def _quota(folder: Path, members: Iterable[int]) -> Iterator[None]:
    """Give processes together `QUOTA_PERCENT` of one core; they go back at the end."""
    group = folder / f"faults-{os.getpid()}"
    allowed_us = round(QUOTA_PERCENT / 100 * _PERIOD_US)
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
