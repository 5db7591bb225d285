"""Which number of calls to try next: bisection over a ladder, for what is true up to some rung.

Measurements err, so a rung may hold above one that did not: the limit is then below the lower one, and
what is called held is always a floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

LADDER = (1, 2, 3, 4, 6, 8, 16, 24, 32, 40, 48)


def calls_held(tried: Mapping[int, bool]) -> int:
    """Return the greatest number that held below all that did not; 0 for none."""
    return max((calls for calls, is_held in tried.items() if is_held and calls < _failed(tried)), default=0)


def next_rung(ladder: Sequence[int], tried: Mapping[int, bool]) -> int | None:
    """Return the rung to try, None when the limit lies between two neighbours that have been tried."""
    between = [calls for calls in ladder if calls_held(tried) < calls < _failed(tried)]
    return between[(len(between) - 1) // 2] if between else None


def _failed(tried: Mapping[int, bool]) -> float:
    """Return the least number that did not hold; infinite if all did."""
    return min((calls for calls, is_held in tried.items() if not is_held), default=inf)
