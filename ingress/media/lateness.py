"""How late frames left: counts in buckets, and their percentiles."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import accumulate
from operator import mul

from ingress.link.records import LATENESS_EDGES_MS, LatenessSummary, LatenessTotals

MIDDLES_MS = tuple((bucket + 0.5) / 10.0 if bucket < 200 else bucket - 179.5 for bucket in range(401))
"""Of the buckets."""


class LatenessHistogram:
    """Counts of lateness: buckets of 0.1 ms up to 20 ms, then of 1 ms up to 220 ms; 1.6 KB, no allocation."""

    FINE_BUCKETS = 200
    BUCKETS = 401

    __slots__ = ("_counts", "maximum_s")

    def __init__(self) -> None:
        self._counts = array("L", bytes(self.BUCKETS * array("L").itemsize))
        self.maximum_s = 0.0

    def add(self, lateness_s: float, frames: int = 1) -> None:
        """Count `frames` frames that left `lateness_s` after they were due."""
        if lateness_s > self.maximum_s:
            self.maximum_s = lateness_s
        bucket = int(lateness_s * 10_000.0)
        if bucket >= 200:  # FINE_BUCKETS
            bucket = min(180 + bucket // 10, 400)
        elif bucket < 0:
            bucket = 0
        self._counts[bucket] += frames

    def summary(self) -> LatenessSummary:
        """Return the counted frames, p50, p99, p99.9 and maximum."""
        seen = list(accumulate(self._counts))
        return LatenessSummary(
            frames=seen[-1],
            p50_ms=self._percentile_ms(seen, 50),
            p99_ms=self._percentile_ms(seen, 99),
            p999_ms=self._percentile_ms(seen, 99.9),
            maximum_ms=self.maximum_s * 1000.0,
        )

    def p99_ms(self) -> float:
        """Return the p99 of `summary` at less than half its price: the latest frames are the fewest."""
        counts = self._counts
        later = sum(counts) // 100
        for bucket in range(min(int(self.maximum_s * 10_000.0), self.BUCKETS - 1), -1, -1):
            later -= counts[bucket]
            if later < 0:
                return self._edge_ms(bucket)
        return 0.0

    def added_to(self, totals: LatenessTotals) -> LatenessTotals:
        """Return the totals with the counted frames in them."""
        seen = [0, *accumulate(self._counts)]
        return LatenessTotals(
            within=tuple(
                before + seen[self._bucket(edge_ms)]
                for before, edge_ms in zip(totals.within, LATENESS_EDGES_MS, strict=True)
            ),
            frames=totals.frames + seen[-1],
            late_ms=totals.late_ms + sum(map(mul, self._counts, MIDDLES_MS)),
        )

    def _bucket(self, edge_ms: int) -> int:
        """Return the bucket whose lower edge that is."""
        return edge_ms * 10 if edge_ms <= 20 else edge_ms + 180

    def _percentile_ms(self, seen: list[int], percent: float) -> float:
        """Return the upper edge of the percentile's bucket; `seen`: frames up to and with each bucket."""
        if not seen[-1]:
            return 0.0
        bucket = bisect_left(seen, max(1.0, seen[-1] * percent / 100.0))
        return self._edge_ms(bucket)

    def _edge_ms(self, bucket: int) -> float:
        """Return the bucket's upper edge, or the maximum if that is less."""
        edge_ms = (bucket + 1) * 0.1 if bucket < self.FINE_BUCKETS else bucket - 179.0
        return min(edge_ms, self.maximum_s * 1000.0)
