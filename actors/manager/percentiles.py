"""Percentiles of many measurements in little memory.

`Distribution` counts everything since the start, in buckets that grow by a constant factor, so that the
error is a share of the value: 2 % of a second matter as little as 2 % of a millisecond. Distributions
of several places can be merged; percentiles could not, their mean means nothing.
(C. Masson, J. E. Rim, H. K. Lee: "DDSketch", VLDB 2019, section 2.1, with fixed ends.)

`Window` keeps the measurements of the last seconds themselves, and is exact.

Both use the nearest rank: the p-th percentile is the smallest value that p % of the values do not pass.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque

from actors.status import Percentiles

LOWEST_MS = 0.1
"""Smaller values are counted as this one."""

HIGHEST_MS = 100_000.0
"""Greater values are counted as the maximum."""

GROWTH = 1.1
"""Width of a bucket: each bound over the one before."""

RELATIVE_ERROR = (GROWTH - 1) / (GROWTH + 1)
"""Of a percentile between the ends, at most: 4.8 %."""

BOUNDS_MS = tuple(
    LOWEST_MS * GROWTH**step for step in range(math.ceil(math.log(HIGHEST_MS / LOWEST_MS, GROWTH)) + 1)
)
"""Upper bounds of the buckets, each inclusive; one more bucket is for what passes the last."""

WINDOW_LIMIT = 4_096
"""Measurements that a window keeps: 800 a second over its usual 5 s."""


def rank(count: int, percent: float) -> int:
    """Return the place, from 0, of the nearest-rank percentile among `count` sorted values."""
    return min(count, max(1, math.ceil(count * percent / 100.0))) - 1


class Distribution:
    """All values since the start, in some 150 counters."""

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

    def merge(self, other: Distribution) -> None:
        """Count all that the other has counted; the other stays as it is."""
        self._buckets = [mine + theirs for mine, theirs in zip(self._buckets, other._buckets, strict=True)]
        self.count += other.count
        self.maximum_ms = max(self.maximum_ms, other.maximum_ms)

    def percentile(self, percent: float) -> float:
        """Return a percentile in milliseconds, within `RELATIVE_ERROR`; 0.0 when nothing was counted."""
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
    """The values of the last seconds, whatever they measure.

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
        return sorted(value for _, value in self._values)[rank(len(self._values), percent)]

    def mean(self, now: float) -> float:
        """Return the mean of the values in the window; 0.0 when there are none."""
        self._forget(now)
        if not self._values:
            return 0.0
        return math.fsum(value for _, value in self._values) / len(self._values)

    def _forget(self, now: float) -> None:
        while self._values and now - self._values[0][0] >= self._window_s:
            self._values.popleft()
