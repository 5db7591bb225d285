"""Which number of calls to try next: doubled until an objective breaks, then halved between.

What is found is a floor: the greatest number that was held below the least that was not. A server's
answer is noisy near its limit, so the limit is not looked for more finely than a twentieth of itself, and
a long confirmation follows, which may fail: then a tenth less is tried.
"""

from __future__ import annotations

RESOLUTION = 0.05
"""Held and broken this close together, as a share, need no further step."""
RETREAT = 0.9
"""What is tried after a confirmation that failed."""


class CapacitySearch:
    """Says what to try next; takes what came of it."""

    def __init__(self, first: int, maximum: int) -> None:
        """`first` is where doubling begins; more than `maximum` is never tried."""
        self.broken: int | None = None
        """The least number that was not held; None: none so far."""
        self._held: set[int] = set()
        self._maximum = maximum
        self._next = min(first, maximum)

    @property
    def held(self) -> int:
        """The greatest number that was held, below all that were not; 0: none."""
        return max((calls for calls in self._held if self.broken is None or calls < self.broken), default=0)

    @property
    def next_calls(self) -> int | None:
        """What to try now; None when the limit is known well enough."""
        if self.broken is None:
            return self._next if self.held < self._maximum else None
        if self.broken - self.held <= max(1.0, RESOLUTION * self.broken):
            return None
        return self._next

    def take(self, calls: int, is_held: bool) -> None:
        """Note what came of a number; what contradicts an earlier step counts against the server."""
        if is_held:
            self._held.add(calls)
        else:
            self.broken = calls if self.broken is None else min(self.broken, calls)
        if self.broken is None:
            self._next = min(max(self._next, self.held) * 2, self._maximum)
        else:
            self._next = max(1, (self.held + self.broken) // 2)


def retreat(calls: int) -> int:
    """Return what to try after so many could not be confirmed; 0 when there is nothing less."""
    return min(calls - 1, round(calls * RETREAT))
