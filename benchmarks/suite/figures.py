"""Headline figures: where one stands, which way is better, and how much worse is a regression.

A figure is compared by its ratio to the kept one. The default limit is a quarter: figures of whole
machines move by a tenth from run to run, and by more on a shared host. What two programs reach in turns in
one run has the machine's mood in common, so its limit is tighter; a tail (p99.9, the slowest of few) stands
on few values, so its limit is looser. Each headline with another limit says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from math import floor, inf, isfinite, log10
from typing import Any

from benchmarks.suite.places import MissingFigureError, Place

REGRESSION_RATIO = 1.25


class Better(Enum):
    """Which way a figure should move."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Figure:
    """One headline figure of a benchmark."""

    name: str
    unit: str
    """Empty for a count or a ratio."""
    place: Place
    better: Better
    limit: float = REGRESSION_RATIO
    """Worse than the kept one by more than this factor is a regression."""
    take: Callable[[Any], float] = float
    """Makes a number of what stands at the place."""
    disturbed_by: tuple[str, ...] = ("",)
    """How the lines of a disturbed result begin that concern this figure: all by default."""
    is_quick: bool = False
    """Whether a quick run measures the same thing, so that it may be compared with a whole one."""

    def read(self, result: Any) -> float:
        """Return the figure. Raises MissingFigureError with a sentence that names the place."""
        found = self.place.find(result)
        try:
            value = float(self.take(found))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise MissingFigureError(f"not to be read from {self.place}") from None
        if not isfinite(value):
            raise MissingFigureError(f"no number at {self.place}")
        return value

    def is_disturbed(self, lines: Iterable[str]) -> bool:
        """Whether one of a result's disturbances concerns this figure."""
        return any(line.startswith(self.disturbed_by) for line in lines)

    def worsening(self, new: float, kept: float) -> float:
        """Return how many times worse the new one is; infinite if nothing became something."""
        more, less = (new, kept) if self.better is Better.LOWER else (kept, new)
        if less == 0:
            return 1.0 if more == 0 else inf
        return more / less


def number(text: str, index: int = 0) -> float:
    """Return one of the numbers in a text, the first by default. Raises IndexError, TypeError."""
    return float(re.findall(r"[-+]?\d+(?:\.\d+)?", text)[index])


def in_units_of(unit: float) -> Callable[[Any], float]:
    """Return what makes a number of the unit from a plain one: `in_units_of(1_000)` for KB from bytes."""
    return lambda value: float(value) / unit


def shown(value: float) -> str:
    """Return a value with three digits that matter, and all of those before the point."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - floor(log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if value == int(value) and "." in text else text
