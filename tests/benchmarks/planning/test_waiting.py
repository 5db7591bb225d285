"""Waiting for slots: textbook cases, sums of two waits, and what cannot be."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planning.waiting import NO_WAIT, Wait, percentile_together_s, wait_for_slot

given_s = st.just(0.0) | st.floats(min_value=1e-9, max_value=100.0)
waits = st.builds(Wait, st.floats(min_value=0.0, max_value=1.0), given_s)


def test_one_server() -> None:
    """M/M/1 waits load/(1 - load) service times on average; M/D/1 half of it (Pollaczek, Khinchine)."""
    assert wait_for_slot(0.8, 1, 2.0, 1.0).mean_s == pytest.approx(8.0)
    assert wait_for_slot(0.8, 1, 2.0, 0.0).mean_s == pytest.approx(4.0)
    assert wait_for_slot(0.8, 1, 2.0, 3.0).mean_s == pytest.approx(16.0)


def test_several_servers() -> None:
    """M/M/2 at one erlang: a third waits, for a service time on average: a third of one over all."""
    wait = wait_for_slot(1.0, 2, 0.45, 1.0)
    assert wait.mean_s == pytest.approx(0.15)
    assert wait.exceeds(0.45) == pytest.approx(math.exp(-1.0) / 3.0)
    assert wait.percentile_s(95.0) == pytest.approx(0.45 * math.log(1.0 / 3.0 / 0.05))


@pytest.mark.parametrize(("workers", "calls"), [(1, 2), (2, 15), (4, 54), (8, 147)])
def test_the_calls_that_a_wait_of_300_ms_allows(workers: int, calls: int) -> None:
    """Utterances of 0.45 s every 12 s: the last call that keeps the p95 within 0.3 s, by closed form."""
    service_s = 0.45

    def p95_s(number: int) -> float:
        return wait_for_slot(number * service_s / 12.0, workers, service_s, 1.0).percentile_s(95.0)

    assert p95_s(calls) <= 0.3 < p95_s(calls + 1)


def crommelin_mean_wait_s(erlangs: float, servers: int, service_s: float) -> float:
    """Return the mean wait of M/D/c (C. D. Crommelin, P.O. Electrical Engineers' Journal 25, 1932).

    s · Σ_i e^(-ia) [ Σ_{j≥ic} (ia)^j/j! - c/a Σ_{j≥ic+1} (ia)^j/j! ], i = 1, 2, ...
    """
    total = 0.0
    for i in range(1, 400):
        mean, first = i * erlangs, i * servers
        terms = [math.exp(j * math.log(mean) - mean - math.lgamma(j + 1)) for j in range(first, first + 800)]
        total += sum(terms) - servers / erlangs * sum(terms[1:])
    return service_s * total


@pytest.mark.parametrize(("servers", "erlangs", "error"), [(1, 0.7, 1e-6), (2, 1.4, 0.2), (8, 6.4, 0.2)])
def test_constant_service_waits_about_as_long_as_theory_says(
    servers: int, erlangs: float, error: float
) -> None:
    """M/D/c: exact for one server (Pollaczek), within a fifth for more (Allen and Cunneen)."""
    exact_s = crommelin_mean_wait_s(erlangs, servers, 0.3)
    assert wait_for_slot(erlangs, servers, 0.3, 0.0).mean_s == pytest.approx(exact_s, rel=error)


def test_nothing_to_do_and_too_much() -> None:
    """Without work there is no wait; with as much as the slots can do, the queue has no end."""
    assert wait_for_slot(0.0, 0, 1.0, 1.0) == NO_WAIT
    assert wait_for_slot(0.0, 3, 1.0, 1.0).percentile_s(99.9) == 0.0
    for erlangs, slots in ((2.0, 2), (5.0, 2), (0.1, 0)):
        assert math.isinf(wait_for_slot(erlangs, slots, 1.0, 1.0).percentile_s(95.0))
    assert percentile_together_s([], 95.0) == 0.0


def test_two_waits_in_a_row_as_drawn() -> None:
    """The p95 of 200,000 sums of two drawn waits, within 2 %; unequal, equal and nearly equal means."""
    random = Random(5)

    def draw(wait: Wait) -> float:
        return random.expovariate(1.0 / wait.given_s) if random.random() < wait.share else 0.0

    for first, second in (
        (Wait(0.6, 1.0), Wait(0.3, 0.2)),
        (Wait(0.9, 1.0), Wait(0.9, 1.0)),
        (Wait(1.0, 1.0), Wait(0.5, 1.0 + 1e-7)),
    ):
        drawn = sorted(draw(first) + draw(second) for _ in range(200_000))
        assert percentile_together_s([first, second], 95.0) == pytest.approx(drawn[190_000], rel=0.02)


@given(waits, waits, st.floats(min_value=50.0, max_value=99.9))
def test_two_waits_are_between_the_longer_one_and_their_sum(
    first: Wait, second: Wait, percent: float
) -> None:
    """No less than either alone; no more than both in their worst, sharing the exception; in any order."""
    together = percentile_together_s([first, second], percent)
    shared = 50.0 + percent / 2.0
    tolerance = 1e-9 + 1e-9 * together
    assert together >= max(first.percentile_s(percent), second.percentile_s(percent)) - tolerance
    assert together <= first.percentile_s(shared) + second.percentile_s(shared) + tolerance
    assert together == pytest.approx(percentile_together_s([second, first], percent), rel=1e-9, abs=1e-12)
    assert percentile_together_s([first], percent) == first.percentile_s(percent)
    assert percentile_together_s([first, NO_WAIT], percent) == pytest.approx(
        first.percentile_s(percent), rel=1e-9, abs=1e-12
    )


@given(
    st.floats(min_value=0.01, max_value=0.99),
    st.integers(min_value=1, max_value=60),
    st.floats(min_value=0.0, max_value=4.0),
)
def test_waits_grow_with_the_load_and_shrink_with_slots(load: float, slots: int, variability: float) -> None:
    """At the same load per slot a bigger pool waits less: why nodes share their work."""
    wait = wait_for_slot(load * slots, slots, 0.3, variability)
    assert wait_for_slot(load * slots * 0.9, slots, 0.3, variability).mean_s <= wait.mean_s + 1e-12
    assert wait_for_slot(load * slots, slots + 1, 0.3, variability).mean_s <= wait.mean_s + 1e-12
    assert wait_for_slot(load * slots * 2, slots * 2, 0.3, variability).mean_s <= wait.mean_s + 1e-12
