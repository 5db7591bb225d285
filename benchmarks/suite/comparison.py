"""New figures beside kept ones: compared where that means something, and said where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from benchmarks.suite.figures import Figure
from benchmarks.suite.places import MissingFigureError
from benchmarks.suite.results import Result


class Change(Enum):
    """What a figure says beside the kept one."""

    AS_KEPT = "as kept"
    BETTER = "better"
    """By more than would be a regression."""
    REGRESSION = "REGRESSION"
    WORSE_DISTURBED = "worse, but disturbed"
    """Which says nothing."""
    OTHER_MACHINE = "other machine"
    NOTHING_KEPT = "nothing kept"
    QUICK = "quick: not compared"
    MISSING = "not measured"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One headline figure."""

    figure: Figure
    change: Change
    new: float | None = None
    kept: float | None = None
    """Shown for another machine as well, where it is not compared."""
    problem: str = ""
    """Why there is no new figure."""

    @property
    def ratio(self) -> float | None:
        """New over kept, where they are compared; None also where nothing was kept but zero."""
        is_compared = self.change in (
            Change.AS_KEPT, Change.BETTER, Change.REGRESSION, Change.WORSE_DISTURBED,
        )  # fmt: skip
        if not is_compared or self.new is None or not self.kept:
            return None
        return self.new / self.kept


def compare(figure: Figure, new: Result, kept: Result | None, is_quick: bool = False) -> Comparison:
    """Compare one figure of two results; what is kept is of a whole run."""
    try:
        value = figure.read(new.values)
    except MissingFigureError as error:
        return Comparison(figure, Change.MISSING, problem=str(error))
    if kept is None:
        return Comparison(figure, Change.NOTHING_KEPT, value)
    try:
        before = figure.read(kept.values)
    except MissingFigureError:
        return Comparison(figure, Change.NOTHING_KEPT, value)
    if new.kind != kept.kind:
        return Comparison(figure, Change.OTHER_MACHINE, value, before)
    if is_quick and not figure.is_quick:
        return Comparison(figure, Change.QUICK, value, before)
    return Comparison(
        figure, _change(figure, value, before, figure.is_disturbed(new.disturbed)), value, before
    )


def _change(figure: Figure, new: float, kept: float, is_disturbed: bool) -> Change:
    if figure.worsening(new, kept) > figure.limit:
        return Change.WORSE_DISTURBED if is_disturbed else Change.REGRESSION
    return Change.BETTER if figure.worsening(kept, new) > figure.limit else Change.AS_KEPT
