"""The search for the limit, against servers whose limit is known, and the time it is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity.agenda import OUTSIDE_STEPS_S, OVERLOADS, Agenda
from benchmarks.capacity.search import RESOLUTION, CapacitySearch, retreat


def tried(search: CapacitySearch, limit: int) -> list[int]:
    """Search on a server that holds `limit` calls; return what was tried."""
    numbers = []
    while (calls := search.next_calls) is not None:
        numbers.append(calls)
        search.take(calls, calls <= limit)
        assert len(numbers) < 64
    return numbers


@given(limit=st.integers(0, 5_000), first=st.integers(1, 64))
def test_what_is_found_is_a_floor_and_close(limit: int, first: int) -> None:
    """It was held, and what was not held is no further away than the resolution says."""
    search = CapacitySearch(first, 100_000)
    numbers = tried(search, limit)
    assert search.held <= limit
    assert search.held in {0, *numbers}
    assert search.broken is not None
    assert search.broken > limit
    assert search.broken - search.held <= max(1.0, RESOLUTION * search.broken)


def test_the_numbers_are_doubled_then_halved_between() -> None:
    """A limit of 37 is found from 4 on."""
    assert tried(CapacitySearch(4, 400), 37) == [4, 8, 16, 32, 64, 48, 40, 36, 38, 37]


@given(maximum=st.integers(1, 500), first=st.integers(1, 600))
def test_never_more_than_allowed(maximum: int, first: int) -> None:
    """A server without a limit is tried up to the greatest number and no further."""
    search = CapacitySearch(first, maximum)
    numbers = tried(search, 10**9)
    assert max(numbers) == maximum == search.held
    assert search.broken is None


def test_a_contradiction_counts_against_the_server() -> None:
    """What broke once is not held, although a greater number was before."""
    search = CapacitySearch(8, 100)
    search.take(8, True)
    search.take(16, True)
    search.take(12, False)
    assert (search.held, search.broken) == (8, 12)
    search.take(16, True)
    assert (search.held, search.broken) == (8, 12)


@given(st.integers(1, 10_000))
def test_a_retreat_is_always_smaller(calls: int) -> None:
    """Confirmations that fail end: less is tried each time, nothing at last."""
    assert 0 <= retreat(calls) < calls


@given(minutes=st.floats(7.0, 120.0), with_overload=st.booleans())
def test_the_agenda_fits_into_its_time(minutes: float, with_overload: bool) -> None:
    """All steps of a search, one confirmation, the overload and what is around them take no longer."""
    agenda = Agenda.of(minutes, with_overload)
    steps = agenda.search_steps + (len(OVERLOADS) if with_overload else 0)
    total_s = steps * agenda.step.total_s + agenda.confirmation.total_s + OUTSIDE_STEPS_S
    assert total_s == pytest.approx(minutes * 60.0)


def test_too_short_a_time_is_refused() -> None:
    """A minute is not enough, and what would be is said."""
    with pytest.raises(ValueError, match=r"1 minutes are too short: 6\.\d are the least"):
        Agenda.of(1.0, with_overload=True)
