"""Percentiles in little memory, against sorted lists."""

from __future__ import annotations

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.percentiles import (
    BOUNDS_MS,
    GROWTH,
    HIGHEST_MS,
    LOWEST_MS,
    WINDOW_LIMIT,
    Distribution,
    Window,
    percentile,
    rank,
)
from actors.status import Percentiles

RELATIVE_ERROR = (GROWTH - 1) / (GROWTH + 1)
_percents = st.floats(0.0, 100.0)
_durations = st.one_of(st.floats(0.0, 300.0), st.floats(0.0, 2 * HIGHEST_MS))


def filled(values: list[float]) -> Distribution:
    """Return a distribution of these values."""
    distribution = Distribution()
    for value in values:
        distribution.add(value)
    return distribution


def test_nothing_counted_is_all_zeros() -> None:
    """An empty distribution and an empty window answer 0.0."""
    assert Distribution().summary() == Percentiles()
    assert (Window(5.0).percentile(95, 0.0), Window(5.0).mean(0.0)) == (0.0, 0.0)


def test_the_error_is_within_five_percent_and_the_memory_small() -> None:
    """The figures the module promises."""
    assert RELATIVE_ERROR < 0.05
    assert len(BOUNDS_MS) < 150
    assert BOUNDS_MS[-1] >= HIGHEST_MS


@given(st.lists(_durations, min_size=1, max_size=200), _percents)
def test_a_percentile_is_that_of_a_sorted_list(values: list[float], percent: float) -> None:
    """Within the relative error between the ends; below within 0.1 ms, above not beyond the maximum."""
    found, wanted = filled(values).percentile(percent), sorted(values)[rank(len(values), percent)]
    if wanted > HIGHEST_MS:
        assert HIGHEST_MS * (1 - RELATIVE_ERROR) <= found <= max(values)
    elif wanted < LOWEST_MS:
        assert 0.0 <= found <= LOWEST_MS
    else:
        assert abs(found - wanted) <= wanted * RELATIVE_ERROR * 1.000_001


@pytest.mark.parametrize("odd", [-5.0, math.nan, -math.inf])
def test_an_impossible_duration_counts_as_zero(odd: float) -> None:
    """A clock's mistake must not stop the count, nor show."""
    distribution = filled([odd])
    assert distribution.summary() == Percentiles(count=1)


@given(st.lists(st.integers(), min_size=1, max_size=100), st.integers(0, 100))
def test_the_nearest_rank_is_numpys(values: list[int], percent: int) -> None:
    """The smallest value that so many percent do not pass."""
    place = int(numpy.percentile(range(len(values)), percent, method="inverted_cdf"))
    assert percentile(values, percent) == sorted(values)[place]


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_there_is_no_percentile_of_nothing(values: list[float], percent: float) -> None:
    """Nor outside 0 to 100."""
    with pytest.raises(ValueError, match="a percentile needs values"):
        percentile(values, percent)


@given(
    st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(-1e6, 1e6)), min_size=1, max_size=100),
    st.floats(0.5, 10.0),
    st.integers(0, 100),
    st.floats(0.0, 12.0),
)
def test_a_window_is_the_list_of_the_last_seconds(
    arrivals: list[tuple[float, float]], window_s: float, percent: int, later_s: float
) -> None:
    """Percentile and mean are exact, of the values younger than the window."""
    window, now, kept = Window(window_s), 0.0, []
    for pause_s, value in arrivals:
        now += pause_s
        window.add(value, now)
        kept.append((now, value))
    now += later_s
    young = sorted(value for at, value in kept if now - at < window_s)
    assert window.mean(now) == (pytest.approx(math.fsum(young) / len(young)) if young else 0.0)
    assert window.percentile(percent, now) == (young[rank(len(young), percent)] if young else 0.0)


def test_a_full_window_forgets_the_oldest_early() -> None:
    """Memory is bounded: of ten thousand values within the window the last ones count."""
    window = Window(5.0)
    for value in range(10_000):
        window.add(float(value), now=1.0)
    assert window.percentile(0, now=1.0) == 10_000 - WINDOW_LIMIT
    assert window.percentile(100, now=1.0) == 9_999
