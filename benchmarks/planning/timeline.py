"""Simulated time: what is to happen, in order, and the moment it has come to."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Action = Callable[[], None]


class Timeline:
    """Actions by their time; of equal times, first planned, first done."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._planned: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, action: Action) -> None:
        """Plan an action for so much later, or at once."""
        heapq.heappush(self._planned, (self.now_s + max(0.0, seconds), next(self._numbers), action))

    def run(self, until_s: float) -> None:
        """Do what is planned until that time, and what it plans itself; then it is that time."""
        while self._planned and self._planned[0][0] <= until_s:
            self.now_s, _, action = heapq.heappop(self._planned)
            action()
        self.now_s = max(self.now_s, until_s)
