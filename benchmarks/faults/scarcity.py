"""X15: the machine is busy with something else, or the server may use only half a core."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.faults.reference import (
    CALLS,
    Quality,
    calm_quality,
    pacing_holds,
    reference_calls,
)
from benchmarks.faults.server import serving
from benchmarks.faults.starvation import hogs, quota, quota_folder
from benchmarks.faults.verdicts import Outcome, impossible, shown
from benchmarks.faults.workplace import Workplace

HOGS = 4
QUOTA_PERCENT = 50.0
MEASURED_S = 8.0
ORDINARY: tuple[str, ...] = ()
NICE = ("--set", "server.nice=-15")
REALTIME = ("--set", "server.realtime_priority=10")


def scarcity(workplace: Workplace) -> Iterator[Outcome]:
    """X15: four busy loops, at each way of scheduling; then a quota."""
    for name, flags in (("ordinary", ORDINARY), ("nice -15", NICE), ("rr 10", REALTIME)):
        calm, busy = _beside_hogs(workplace, name, flags)
        outcomes = pacing_holds(f"{HOGS} hogs, {name}", calm, busy, shares_core=True)
        if flags is REALTIME:
            yield from outcomes
        else:
            for outcome in outcomes:
                yield shown(outcome.criterion, outcome.measured)
    yield from _under_quota(workplace)


def _beside_hogs(workplace: Workplace, name: str, flags: tuple[str, ...]) -> tuple[Quality, Quality]:
    with serving(workplace, *flags, is_pinned=False) as server:
        calm = calm_quality(workplace, server)
        workplace.say(f"{HOGS} busy loops, {name} scheduling")
        with (
            hogs(HOGS, workplace.cores),
            reference_calls(workplace, server, MEASURED_S) as reference,
        ):
            return calm, reference.quality()


def _under_quota(workplace: Workplace) -> Iterator[Outcome]:
    criterion = f"{CALLS} calls, quota of {QUOTA_PERCENT:g} % of a core"
    folder = quota_folder()
    if folder is None:
        yield impossible(criterion, "no control group with a cpu controller that can be written to")
        return
    with serving(workplace) as server:
        calm = calm_quality(workplace, server)
        workplace.say(f"a quota of {QUOTA_PERCENT:g} % of a core")
        with (
            quota(folder, QUOTA_PERCENT, server.tree()),
            reference_calls(workplace, server, MEASURED_S) as reference,
        ):
            quality = reference.quality()
    yield from pacing_holds(criterion, calm, quality)
