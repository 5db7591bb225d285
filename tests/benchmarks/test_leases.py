"""`python -m benchmarks.leases`: its ideal queue is the textbook's, and its verdicts follow the figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import Priority
from benchmarks.harness.outcomes import Verdict
from benchmarks.leases.arrivals import dealt, poisson, rate_hz
from benchmarks.leases.ideal_queue import waits_s
from benchmarks.leases.judgement import Figures, Run, Served, Throughput, as_json, criteria, ratio

REQUESTS = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 3)), max_size=40)


@pytest.mark.parametrize(
    ("requests", "slots", "waits"),
    [
        ([], 1, []),
        ([(0.0, 0), (0.25, 0), (0.5, 0)], 1, [0.0, 0.75, 1.5]),
        ([(0.0, 0), (0.25, 0), (0.5, 0)], 2, [0.0, 0.0, 0.5]),
        ([(0.0, 0), (5.0, 0)], 1, [0.0, 0.0]),
        ([(0.0, 0), (0.25, 1), (0.5, 0)], 1, [0.0, 1.75, 0.5]),
        ([(0.0, 1), (1.0, 1), (1.0, 0)], 1, [0.0, 1.0, 0.0]),
        ([(0.5, 0), (0.0, 0)], 1, [0.5, 0.0]),
    ],
)
def test_the_ideal_queue_by_hand(requests: list[tuple[float, int]], slots: int, waits: list[float]) -> None:
    """A service of 1 s: queues, two slots, pauses, ranks, a tie, arrivals out of order."""
    assert waits_s(requests, 1.0, slots) == waits


def crommelin_wait_s(load: float, service_s: float, slots: int) -> float:
    """Return the mean wait of M/D/c (Crommelin 1932).

    Those served at an instant have left one service later, and no others: N(t + service) = max(N(t) - c, 0) +
    Poisson(load · c). Iterated to its end, that is how many are there at any time; those that are not served
    wait (Little).
    """
    size = 200
    mean = load * slots
    newcomers = np.array([math.exp(-mean) * mean**count / math.factorial(count) for count in range(60)])
    there = np.eye(1, size)[0]
    for _ in range(2_000):
        left = np.append(there[: slots + 1].sum(), there[slots + 1 :])
        there = np.convolve(left, newcomers)[:size]
    queueing = float(there @ np.maximum(np.arange(size) - slots, 0))
    return queueing / rate_hz(load, service_s, slots)


@pytest.mark.parametrize(("load", "slots"), [(0.7, 1), (0.7, 2), (0.8, 3)])
def test_several_slots_wait_as_crommelin_says(load: float, slots: int) -> None:
    """The mean of a long M/D/c run, within 5 %; for one slot that is Pollaczek's and Khinchine's formula."""
    expected = crommelin_wait_s(load, 0.3, slots)
    if slots == 1:
        assert expected == pytest.approx(load * 0.3 / (2.0 * (1.0 - load)), rel=1e-6)
    arrivals = poisson(rate_hz(load, 0.3, slots), 30_000.0, seed=7)
    waits = waits_s([(one.at_s, 0) for one in arrivals], 0.3, slots)
    assert fmean(waits) == pytest.approx(expected, rel=0.05)


@given(REQUESTS, st.integers(1, 4), st.floats(0.1, 3.0))
def test_no_request_waits_before_a_free_slot(
    requests: list[tuple[float, int]], slots: int, service_s: float
) -> None:
    """No more are served at once than there are slots; a wait ends when a service does."""
    waits = waits_s(requests, service_s, slots)
    starts = [came_s + wait for (came_s, _), wait in zip(requests, waits, strict=True)]
    assert all(wait >= 0 for wait in waits)
    for start in starts:
        assert sum(other <= start < other + service_s - 1e-6 for other in starts) <= slots
    for start, wait in zip(starts, waits, strict=True):
        if wait > 0:  # a service ends just then
            assert any(abs(other + service_s - start) < 1e-6 for other in starts)


@given(REQUESTS, st.integers(1, 3))
def test_ranks_change_who_waits_and_not_how_long(requests: list[tuple[float, int]], slots: int) -> None:
    """Equal services: in any order, the sum of all waits is the same."""
    ranked = waits_s(requests, 1.0, slots)
    in_turn = waits_s([(came_s, 0) for came_s, _ in requests], 1.0, slots)
    assert sum(ranked) == pytest.approx(sum(in_turn))


def test_arrivals_are_those_of_their_seed() -> None:
    """The same again for the same seed, in order, at the rate and with the shares asked for."""
    shares = {Priority.EMERGENCY: 0.1, Priority.NORMAL: 0.9}
    arrivals = poisson(5.0, 2_000.0, 3, shares)
    assert arrivals == poisson(5.0, 2_000.0, 3, shares) != poisson(5.0, 2_000.0, 4, shares)
    assert all(one.at_s <= other.at_s for one, other in pairwise(arrivals))
    assert len(arrivals) == pytest.approx(10_000, rel=0.05)
    emergencies = sum(one.priority is Priority.EMERGENCY for one in arrivals)
    assert emergencies / len(arrivals) == pytest.approx(0.1, abs=0.01)
    hands = dealt(arrivals, 2)
    assert sorted(hands[0] + hands[1], key=lambda one: one.at_s) == arrivals


def served(asked_s: float, wait_ms: float, priority: Priority = Priority.NORMAL) -> Served:
    return Served(asked_s, priority, wait_ms, 1_005.0)


STEADY = Run(0.7, 1.0, 1, (served(0.0, 0.0), served(0.5, 500.0), served(1.0, 1_000.0)))
"""Exactly the ideal waits."""
CROWDED = Run(0.95, 1.0, 1, (served(0.0, 0.0), served(0.1, 1_900.0), served(0.2, 800.0, Priority.EMERGENCY)))
GOOD = Figures(
    overheads_ms=(4.0, 5.0, 60.0),
    steady=(STEADY,),
    crowded=(CROWDED,),
    throughput=Throughput(leases=2_000, seconds=10.0, manager_cpu_s=5.0),
    refusals_ms=(3.0, 4.0),
    cached_ms=(12.0, 14.0, 30.0),
)


def slower(run: Run, factor: float) -> Run:
    return replace(run, served=tuple(replace(one, wait_ms=one.wait_ms * factor) for one in run.served))


def missed(figures: Figures) -> list[str]:
    return [row.criterion.split(",")[0] for row in criteria(figures) if row.verdict is Verdict.MISS]


def test_good_figures_meet_every_criterion() -> None:
    """Seven criteria; the ideal queue compared with itself is 1."""
    judged = criteria(GOOD)
    assert (len(judged), missed(GOOD)) == (7, [])
    assert ratio("mean", [STEADY]) == pytest.approx(1.0)
    assert "50 % of the core" in judged[4].measured
    pooled = replace(GOOD, steady=(STEADY, slower(STEADY, 1.6)))
    assert criteria(pooled)[1].measured == "1.30x (runs 1.00-1.60)"


@pytest.mark.parametrize(
    ("figures", "names"),
    [
        (replace(GOOD, overheads_ms=(4.0, 10.1, 11.0)), ["lease and dispatch"]),
        (
            replace(GOOD, steady=(slower(STEADY, 1.21),)),
            ["mean waiting at load 0.7", "p95 waiting at load 0.7"],
        ),
        (
            replace(GOOD, crowded=(slower(CROWDED, 1.7),)),
            ["p95 waiting of 1 emergencies at load 0.95"],
        ),
        (replace(GOOD, throughput=Throughput(1_499, 10.0, 1.0)), ["leases per second"]),
        (replace(GOOD, refusals_ms=(3.0, 20.1)), ["refusal with the queue full"]),
        (replace(GOOD, cached_ms=(1.0, 20.1, 21.0)), ["UUID to first frame of a cached greeting"]),
    ],
)
def test_a_worse_figure_misses_its_criterion(figures: Figures, names: list[str]) -> None:
    """And no other."""
    assert missed(figures) == names


def test_who_was_refused_did_not_wait_well() -> None:
    """A request that got no slot misses the criterion of its run, however short its wait was."""
    lost = replace(STEADY, served=(replace(STEADY.served[0], is_refused=True), *STEADY.served[1:]))
    assert missed(replace(GOOD, steady=(lost,))) == ["mean waiting at load 0.7", "p95 waiting at load 0.7"]
    assert criteria(replace(GOOD, steady=(lost,)))[1].measured.endswith("1 refused")


def test_every_figure_is_kept() -> None:
    """The JSON has all waits and those of the ideal queue."""
    kept = json.loads(json.dumps(as_json(GOOD)))
    assert [run["load"] for run in kept["runs"]] == [0.7, 0.95]
    assert kept["runs"][0]["wait_ms"] == kept["runs"][0]["ideal_wait_ms"] == [0.0, 500.0, 1_000.0]
    assert kept["runs"][1]["ideal_wait_ms"] == [0.0, 1_900.0, 800.0]
