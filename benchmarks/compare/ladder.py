"""Which number of calls to try next: bisection over a ladder, for what is true up to some rung.

Measurements err, so a rung may hold above one that did not: the limit is then below the lower one, and
what is called held is always a floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LADDER = (1, 2, 3, 4, 6, 8, 16, 24, 32, 40, 48)


def calls_held(tried: Mapping[int, bool]) -> int:
    """Return the greatest number that held below all that did not; 0 for none."""
    lowest_failed = min((calls for calls, is_held in tried.items() if not is_held), default=None)
    return max(
        (
            calls
            for calls, is_held in tried.items()
            if is_held and (lowest_failed is None or calls < lowest_failed)
        ),
        default=0,
    )


def next_rung(ladder: Sequence[int], tried: Mapping[int, bool]) -> int | None:
    """Return the rung to try, None when the limit lies between two neighbours that have been tried."""
    lowest_failed = min((calls for calls, is_held in tried.items() if not is_held), default=None)
    held = calls_held(tried)
    between = [calls for calls in ladder if calls > held and (lowest_failed is None or calls < lowest_failed)]
    return between[(len(between) - 1) // 2] if between else None
