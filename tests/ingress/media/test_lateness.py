"""The lateness histogram against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.link.records import LATENESS_EDGES_MS, LatenessTotals
from ingress.media.lateness import LatenessHistogram


@given(st.lists(st.floats(min_value=0.0, max_value=0.2), min_size=1, max_size=300))
def test_percentiles_are_right_to_a_bucket(latenesses_s: list[float]) -> None:
    """Against numpy on the same numbers, within 0.1 ms up to 20 ms and within 1 ms beyond."""
    histogram = LatenessHistogram()
    for lateness_s in latenesses_s:
        histogram.add(lateness_s)
    summary = histogram.summary()
    for percent, found_ms in ((50, summary.p50_ms), (99, summary.p99_ms), (99.9, summary.p999_ms)):
        exact = float(np.percentile(latenesses_s, percent, method="inverted_cdf")) * 1000
        bucket_ms = 0.1 if exact < 20.0 else 1.0
        assert abs(found_ms - exact) <= bucket_ms + 1e-6
    assert histogram.p99_ms() == summary.p99_ms
    assert summary.frames == len(latenesses_s)
    assert summary.maximum_ms == pytest.approx(max(latenesses_s) * 1000)


def test_an_empty_histogram_says_zero() -> None:
    """A call that ended at once."""
    assert LatenessHistogram().summary().p99_ms == LatenessHistogram().p99_ms() == 0.0


def test_extreme_lateness_is_kept_as_the_maximum() -> None:
    """Beyond the last bucket the maximum is still known."""
    histogram = LatenessHistogram()
    histogram.add(2.5)
    assert histogram.summary().maximum_ms == 2_500.0


@given(st.lists(st.floats(min_value=0.0, max_value=0.25), max_size=100), st.integers(1, 3))
def test_totals_add_up(latenesses_s: list[float], times: int) -> None:
    """Cumulative counts as Prometheus wants them, whatever they are added to."""
    histogram, totals = LatenessHistogram(), LatenessTotals()
    for lateness_s in latenesses_s:
        histogram.add(lateness_s)
    for _ in range(times):
        totals = histogram.added_to(totals)
    exact_ms = [lateness_s * 1000.0 for lateness_s in latenesses_s]
    for within, edge_ms in zip(totals.within, LATENESS_EDGES_MS, strict=True):
        unsure = sum(abs(lateness_ms - edge_ms) < 1e-6 for lateness_ms in exact_ms)
        assert abs(within - times * sum(lateness_ms < edge_ms for lateness_ms in exact_ms)) <= times * unsure
    assert totals.frames == times * len(latenesses_s)
    assert totals.late_ms == pytest.approx(times * sum(min(it, 220.0) for it in exact_ms), abs=times * 60)
