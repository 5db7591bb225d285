"""The loss formula against a real overload: what was refused when more calls were offered than are held.

`raymal capacity` offers more than was held to a server whose admission has the limits that it found, and
counts who is refused. The formula's prediction for that is the same that a plan rests on. A run of a minute
or two sees few calls: the error that chance alone makes is given with it. Calls that are refused for load,
and not for lines, are not in the formula: then more is refused than predicted. A server that was running
before has limits of its own, which a result does not tell; for it the comparison means nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.capacity.result import CapacityResult
from benchmarks.planning.erlang import erlang_b
from benchmarks.planning.prediction import ordinary_lines

NORMAL_95 = 1.96
"""Quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class OverloadCheck:
    """One overloaded run, predicted and measured."""

    erlangs: float
    """Offered."""
    lines: int
    calls: int
    """That came in the counted time; those that were there already are no offers."""
    predicted_percent: float
    """Of them, refused."""
    measured_percent: float
    chance_percent: float
    """Half the width of the 95 % interval round the measured share: taken calls counted as Poisson's."""

    @property
    def agrees(self) -> bool:
        """Whether chance alone explains the difference."""
        return abs(self.measured_percent - self.predicted_percent) <= self.chance_percent


def overload_checks(result: CapacityResult, lines_percent: float) -> tuple[OverloadCheck, ...]:
    """Return a comparison for each overloaded run that is valid and counted a call."""
    lines = ordinary_lines(result.calls_held, lines_percent)
    return tuple(
        OverloadCheck(
            erlangs=step.calls,
            lines=lines,
            calls=step.offered_calls,
            predicted_percent=100.0 * erlang_b(step.calls, lines),
            measured_percent=100.0 * step.refused_calls / step.offered_calls,
            chance_percent=100.0
            * NORMAL_95
            * math.sqrt(max(1, step.offered_calls - step.refused_calls))
            / step.offered_calls,
        )
        for step in result.overload
        if step.offered_calls > 0 and not step.invalid
    )
