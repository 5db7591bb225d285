"""Criteria, what was measured, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.markup import escape
from rich.table import Table


class Verdict(Enum):
    """What a measured figure says."""

    PASS = "PASS"
    MISS = "MISS"
    SHOWN = "shown"
    """For information; it has no limit."""
    IMPOSSIBLE = "not possible here"
    """This machine cannot make the fault. Not a pass."""
    DISTURBED = "disturbed"
    """Missed, but the instrument or the machine was disturbed: says nothing."""


COLOURS = {Verdict.PASS: "green", Verdict.MISS: "red", Verdict.DISTURBED: "yellow"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One criterion of one test."""

    criterion: str
    limit: str
    measured: str
    verdict: Verdict


Outcomes = Mapping[str, Sequence[Outcome]]
"""Test → its criteria."""


def judged(criterion: str, limit: str, measured: str, is_met: bool, is_disturbed: bool = False) -> Outcome:
    """Return PASS or MISS; a miss says nothing when the measurement was disturbed."""
    verdict = Verdict.PASS if is_met else Verdict.DISTURBED if is_disturbed else Verdict.MISS
    return Outcome(criterion, limit, measured, verdict)


def at_most(
    criterion: str, limit: float, measured: float, unit: str, is_disturbed: bool = False, note: str = ""
) -> Outcome:
    """Judge a figure that may not be above its limit; `note` stands behind it."""
    return judged(
        criterion, f"{limit:g} {unit}", f"{measured:.1f} {unit}{note}", measured <= limit, is_disturbed
    )


def shown(criterion: str, measured: str) -> Outcome:
    """Return a figure without a limit."""
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


def outcome_table(outcomes: Outcomes) -> Table:
    """Show every criterion, by test."""
    table = Table("test", "criterion", "limit", "measured", "")
    for test, rows in outcomes.items():
        for number, row in enumerate(rows, 1):
            verdict = row.verdict.value
            if colour := COLOURS.get(row.verdict):
                verdict = f"[{colour}]{verdict}[/]"
            cells = map(escape, (row.criterion, row.limit, row.measured))
            table.add_row(test if number == 1 else "", *cells, verdict, end_section=number == len(rows))
    return table
