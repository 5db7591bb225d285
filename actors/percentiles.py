"""Percentiles by nearest rank: the p-th is the least value that p % of the values do not exceed.

| what | of | memory | error |
|---|---|---|---|
| `percentile` | a list of values | the list | none |
| `Window` | the values of the last seconds | the values, bounded | none |
| `Distribution` | all values since the start | some 150 counters | 4.8 % of the value |

The buckets of a `Distribution` grow by a constant factor, so that the error is a share of the value
(C. Masson, J. E. Rim, H. K. Lee: "DDSketch", VLDB 2019, section 2.1, with fixed ends).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable

from actors.status import Percentiles

LOWEST_MS = 0.1
"""Smaller values are counted as this one."""

HIGHEST_MS = 100_000.0
"""Greater values are counted as the maximum."""

GROWTH = 1.1
"""Each bound over the one before. A percentile between the ends is wrong by (1.1 - 1) / (1.1 + 1) at most."""

BOUNDS_MS = tuple(
    LOWEST_MS * GROWTH**step for step in range(math.ceil(math.log(HIGHEST_MS / LOWEST_MS, GROWTH)) + 1)
)
"""Upper bounds of the buckets, each inclusive; one more bucket is for what passes the last."""

WINDOW_LIMIT = 4_096
"""Measurements that a window keeps: 800 a second over its usual 5 s."""


def rank(count: int, percent: float) -> int:
    """Return the place, from 0, of a percentile among `count` sorted values."""
    # Multiplied first: 1000 * (99.9 / 100) is a hair over 999.
    return min(count, max(1, math.ceil(count * percent / 100.0))) - 1


def percentile(values: Iterable[float], percent: float) -> float:
    """Return a percentile of the values. Raises ValueError for none, or a percent outside 0 to 100."""
    ordered = sorted(values)
    if not ordered or not 0 <= percent <= 100:
        raise ValueError("a percentile needs values, and a percent of 0 to 100")
    return ordered[rank(len(ordered), percent)]


class Distribution:
    """All values since the start, in counters."""

    def __init__(self) -> None:
        self.count = 0
        self.maximum_ms = 0.0
        self._buckets = [0] * (len(BOUNDS_MS) + 1)

    def add(self, value_ms: float) -> None:
        """Count one value. A negative one, or none (NaN), counts as 0."""
        value_ms = max(0.0, value_ms)
        self._buckets[bisect_left(BOUNDS_MS, value_ms)] += 1
        self.count += 1
        self.maximum_ms = max(self.maximum_ms, value_ms)

    def percentile(self, percent: float) -> float:
        """Return a percentile in milliseconds; 0.0 when nothing was counted."""
        if not self.count:
            return 0.0
        wanted, seen = rank(self.count, percent), 0
        for bucket, count in enumerate(self._buckets):
            seen += count
            if seen > wanted:
                return self._representative_ms(bucket)
        raise AssertionError("the buckets hold fewer values than were counted")

    def summary(self) -> Percentiles:
        """Return what the status shows. The maximum is exact."""
        return Percentiles(
            count=self.count,
            p50_ms=self.percentile(50),
            p95_ms=self.percentile(95),
            p99_ms=self.percentile(99),
            maximum_ms=self.maximum_ms,
        )

    def _representative_ms(self, bucket: int) -> float:
        """Return the value whose relative distance from both ends of the bucket is the same."""
        if bucket == len(BOUNDS_MS):
            return self.maximum_ms
        middle_ms = LOWEST_MS if bucket == 0 else BOUNDS_MS[bucket] * 2 / (GROWTH + 1)
        return min(middle_ms, self.maximum_ms)


class Window:
    """The values of the last seconds.

    When more than `WINDOW_LIMIT` come within the window the oldest are forgotten early: it looks at less
    time then, never at more memory.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._values: deque[tuple[float, float]] = deque(maxlen=WINDOW_LIMIT)

    def add(self, value: float, now: float) -> None:
        """Remember one value. `now` never goes back."""
        self._forget(now)
        self._values.append((now, value))

    def percentile(self, percent: float, now: float) -> float:
        """Return a percentile of the values in the window; 0.0 when there are none."""
        self._forget(now)
        if not self._values:
            return 0.0
        return percentile((value for _, value in self._values), percent)

    def mean(self, now: float) -> float:
        """Return the mean of the values in the window; 0.0 when there are none."""
        self._forget(now)
        if not self._values:
            return 0.0
        return math.fsum(value for _, value in self._values) / len(self._values)

    def _forget(self, now: float) -> None:
        while self._values and now - self._values[0][0] >= self._window_s:
            self._values.popleft()
