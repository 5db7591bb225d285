"""Criteria, what was measured, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a measured figure says."""

    PASS = "PASS"
    MISS = "MISS"
    SHOWN = "shown"
    """For information; nothing is asked of it."""
    IMPOSSIBLE = "not possible here"
    """This machine cannot make the fault. Not a pass."""
    DISTURBED = "disturbed"
    """Missed, but the instrument or the machine was disturbed without the fault as well: says nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One criterion of one test."""

    criterion: str
    limit: str
    measured: str
    verdict: Verdict


def judged(criterion: str, limit: str, measured: str, is_met: bool, is_disturbed: bool = False) -> Outcome:
    """Return PASS or MISS; a miss is worth nothing when the measurement was disturbed."""
    verdict = Verdict.PASS if is_met else Verdict.DISTURBED if is_disturbed else Verdict.MISS
    return Outcome(criterion, limit, measured, verdict)


def shown(criterion: str, measured: str) -> Outcome:
    """Return a figure that nothing is asked of."""
    return Outcome(criterion, "", measured, Verdict.SHOWN)


def impossible(criterion: str, reason: str) -> Outcome:
    """Return that this machine cannot make the fault, and why."""
    return Outcome(criterion, "", reason, Verdict.IMPOSSIBLE)


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """Return 1 if a criterion was missed, else 2 if one could not be measured, else 0."""
    verdicts = {outcome.verdict for outcome in outcomes}
    if Verdict.MISS in verdicts:
        return 1
    return 2 if Verdict.DISTURBED in verdicts or not verdicts else 0
