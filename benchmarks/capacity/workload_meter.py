"""What the speech work took, out of the status that the server gives once a second.

The manager counts finished work and its time in all. Two looks give the mean. The spread comes from many
looks: if pieces of work are independent, the means of groups of them vary about the common mean by the
variance over the group's size, so that the sum of size times squared distance, over the number of groups
less one, is the variance itself (the between-groups mean square of the analysis of variance). Work that
is slow together, because the machine was busy just then, makes it larger: an error to the safe side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from actors.messages import WorkKind
from benchmarks.capacity.result import Service
from ingress.link.status import ServerStatus


@dataclass(frozen=True, slots=True)
class WorkCount:
    """One kind of work at one time."""

    count: int
    processing_ms: float
    slots: int


@dataclass(frozen=True, slots=True)
class StatusLook:
    """What matters of one status."""

    at_s: float
    calls: int
    """Admitted, as the media workers have them."""
    level: int
    work: Mapping[WorkKind, WorkCount]

    @classmethod
    def of(cls, status: ServerStatus, at_s: float) -> StatusLook:
        """Read it out of the server's status."""
        work = {}
        for kind in WorkKind if status.fleet is not None else ():
            pool = getattr(status.fleet, kind)
            work[kind] = WorkCount(pool.tally.count, pool.tally.processing_ms, pool.slots)
        return cls(at_s, status.calls, status.level, work)


def mean_calls(looks: Sequence[StatusLook]) -> float | None:
    """Return how many calls there were on average; None without a look."""
    return sum(look.calls for look in looks) / len(looks) if looks else None


def slot_percent(looks: Sequence[StatusLook]) -> dict[str, float]:
    """Return the share of the slots' time that was worked in, by kind.

    Counted when work is finished, so that a long piece may belong to the time before.
    """
    if len(looks) < 2:
        return {}
    first, last = looks[0], looks[-1]
    used: dict[str, float] = {}
    for kind, after in last.work.items():
        before = first.work.get(kind)
        if before is not None and after.slots:
            passed_ms = (last.at_s - first.at_s) * 1_000.0 * after.slots
            used[kind] = min(100.0, 100.0 * (after.processing_ms - before.processing_ms) / passed_ms)
    return used


def services(looks: Sequence[StatusLook]) -> dict[WorkKind, Service]:
    """Return what each kind of work takes; kinds of which less than two pieces were done are not there."""
    calls = mean_calls(looks)
    if len(looks) < 2 or not calls:
        return {}
    minutes = (looks[-1].at_s - looks[0].at_s) / 60.0
    found = {}
    for kind, last in looks[-1].work.items():
        groups = [
            (after.work[kind].count - before.work[kind].count,
             after.work[kind].processing_ms - before.work[kind].processing_ms)
            for before, after in pairwise(looks)
            if kind in before.work and kind in after.work
        ]  # fmt: skip
        groups = [(count, total_ms) for count, total_ms in groups if count > 0]
        count = sum(each for each, _ in groups)
        if len(groups) >= 2:
            mean_ms = sum(total_ms for _, total_ms in groups) / count
            variance = sum(n * (total_ms / n - mean_ms) ** 2 for n, total_ms in groups) / (len(groups) - 1)
            found[kind] = Service(
                slots=last.slots,
                mean_ms=mean_ms,
                variability=variance / mean_ms**2 if mean_ms else 0.0,
                per_call_minute=count / (calls * minutes),
            )
    return found
