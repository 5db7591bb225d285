"""The simulation against what theory knows exactly."""

from __future__ import annotations

import math
from functools import partial
from random import Random
from statistics import fmean

import pytest

from actors.manager.admission import AdmissionBook, SlotUse
from actors.messages import Priority, WorkKind
from actors.settings import AdmissionSettings
from benchmarks.planning.erlang import erlang_b, erlang_c
from benchmarks.planning.simulation import CallClass, Scene, Stage, simulate
from benchmarks.planning.slot_queue import SlotGroup, SlotQueue
from benchmarks.planning.timeline import Timeline
from benchmarks.planning.waiting import wait_for_slot

NORMAL = Priority.NORMAL
REQUESTS = 60_000


def poisson_waits(
    erlangs: float,
    group: SlotGroup,
    shares: dict[Priority, float] | None = None,
    requests: int = REQUESTS,
    seed: int = 3,
) -> dict[Priority, list[float]]:
    """Return the waits of requests that come at random, by class; the first tenth is left out."""
    timeline, random = Timeline(), Random(seed)
    queue = SlotQueue(timeline, random, [group])
    shares = shares or {NORMAL: 1.0}
    waits: dict[Priority, list[float]] = {priority: [] for priority in shares}
    coming = [requests]

    def arrive() -> None:
        (priority,) = random.choices(list(shares), list(shares.values()))
        is_counted = coming[0] < 0.9 * requests

        def end(waited_s: float | None) -> None:
            assert waited_s is not None
            if is_counted:
                waits[priority].append(waited_s)

        queue.ask(priority, end)
        coming[0] -= 1
        if coming[0]:
            timeline.after(random.expovariate(erlangs / group.mean_s), arrive)

    timeline.after(0.0, arrive)
    timeline.run(math.inf)
    return waits


def crommelin_mean_wait_s(erlangs: float, servers: int, service_s: float) -> float:
    """Return the mean wait of M/D/c (C. D. Crommelin, P.O. Electrical Engineers' Journal 25, 1932).

    s · Σ_i e^(-ia) [ Σ_{j≥ic} (ia)^j/j! - c/a Σ_{j≥ic+1} (ia)^j/j! ], i = 1, 2, ...
    """
    total = 0.0
    for i in range(1, 400):
        mean = i * erlangs
        first = i * servers
        terms = [math.exp(j * math.log(mean) - mean - math.lgamma(j + 1)) for j in range(first, first + 800)]
        total += sum(terms) - servers / erlangs * sum(terms[1:])
    return service_s * total


def test_crommelin_with_one_server_is_pollaczek() -> None:
    """The reference itself: load/(2 (1 - load)) service times."""
    assert crommelin_mean_wait_s(0.7, 1, 2.0) == pytest.approx(0.7 / 0.3, rel=1e-6)


@pytest.mark.parametrize(("servers", "erlangs"), [(1, 0.7), (2, 1.4), (8, 6.4)])
def test_exponential_service_waits_as_erlang_says(servers: int, erlangs: float) -> None:
    """M/M/c: the share that waits, the mean and the p95."""
    waits = poisson_waits(erlangs, SlotGroup(servers, 1.0, 1.0))[NORMAL]
    wait = wait_for_slot(erlangs, servers, 1.0, 1.0)
    waiting = sum(waited > 0.0 for waited in waits) / len(waits)
    assert waiting == pytest.approx(erlang_c(erlangs, servers), rel=0.05)
    assert fmean(waits) == pytest.approx(wait.mean_s, rel=0.1)
    assert sorted(waits)[int(0.95 * len(waits))] == pytest.approx(wait.percentile_s(95.0), rel=0.1)


@pytest.mark.parametrize(("servers", "erlangs"), [(1, 0.7), (2, 1.4), (8, 6.4)])
def test_constant_service_waits_as_crommelin_says(servers: int, erlangs: float) -> None:
    """M/D/c, exactly; and Allen and Cunneen's figure is within a fifth of it."""
    exact_s = crommelin_mean_wait_s(erlangs, servers, 0.3)
    waits = poisson_waits(erlangs, SlotGroup(servers, 0.3, 0.0))[NORMAL]
    assert fmean(waits) == pytest.approx(exact_s, rel=0.07)
    assert wait_for_slot(erlangs, servers, 0.3, 0.0).mean_s == pytest.approx(exact_s, rel=0.2)


def test_uneven_service_waits_as_pollaczek_says() -> None:
    """M/G/1 with a variability of 2.5: gamma times, mean wait load (1 + cv²) / (2 (1 - load))."""
    waits = poisson_waits(0.6, SlotGroup(1, 1.0, 2.5))[NORMAL]
    assert fmean(waits) == pytest.approx(0.6 * 3.5 / (2.0 * 0.4), rel=0.12)


def test_classes_wait_as_cobham_says() -> None:
    """M/M/1 with two classes that do not interrupt each other (A. Cobham, Operations Research 2, 1954)."""
    shares = {Priority.HIGH: 0.5, NORMAL: 0.5}
    waits = poisson_waits(0.8, SlotGroup(1, 1.0, 1.0), shares)
    left_s = 0.8  # mean work left on the server when somebody comes: load × mean, for exponential service
    assert fmean(waits[Priority.HIGH]) == pytest.approx(left_s / 0.6, rel=0.1)
    assert fmean(waits[NORMAL]) == pytest.approx(left_s / (0.6 * 0.2), rel=0.15)


def served_order(asked: list[tuple[float, Priority]], **limits: float) -> list[tuple[int, float | None]]:
    """Return who was done or given up, in order, and when, on one slot of exactly one second."""
    timeline = Timeline()
    queue = SlotQueue(timeline, Random(1), [SlotGroup(1, 1.0, 0.0)], **limits)
    ended: list[tuple[int, float | None]] = []
    for number, (at_s, priority) in enumerate(asked):
        end = partial(lambda number, waited_s: ended.append((number, waited_s)), number)
        timeline.after(at_s, partial(queue.ask, priority, end))
    timeline.run(100.0)
    return ended


def test_classes_ages_and_limits_of_the_queue() -> None:
    """Higher class first, age counts; who waits too long or finds no place is lost."""
    background, emergency = Priority.BACKGROUND, Priority.EMERGENCY
    asked = [(0.0, NORMAL), (0.1, background), (0.2, NORMAL), (0.3, emergency)]
    assert [number for number, _ in served_order(asked)] == [0, 3, 2, 1]
    aged = [(0.0, NORMAL), (0.1, background), (0.8, NORMAL), (0.9, emergency)]
    assert [number for number, _ in served_order(aged, aging_s=0.25)] == [0, 3, 1, 2]
    assert served_order(asked[:3], wait_limit_s=1.5) == [(0, 0.0), (1, None), (2, pytest.approx(0.8))]
    assert served_order(asked, queue_limit=1)[:2] == [(2, None), (3, None)]
    # Who has given up leaves his place in the queue to the next.
    replaced = served_order([(0.0, NORMAL), (0.1, NORMAL), (0.8, NORMAL)], wait_limit_s=0.3, queue_limit=1)
    assert replaced == [(1, None), (0, 0.0), (2, pytest.approx(0.2))]


@pytest.mark.parametrize("constant", [False, True])
def test_lines_refuse_as_erlang_says_whatever_the_length_of_calls(constant: bool) -> None:
    """M/M/c/c and M/D/c/c: the loss depends on the mean only. Also the calls there are on average."""
    scene = Scene(8.0, 120.0, 12.0, (CallClass(NORMAL, 1.0, 10),), constant_calls=constant)
    found = simulate(scene, 40_000, seed=2)
    loss = erlang_b(8.0, 10)
    assert found.refused_percent.error < 1.0
    assert found.refused_percent.value == pytest.approx(100.0 * loss, abs=1.5 * found.refused_percent.error)
    assert found.mean_calls.value == pytest.approx(8.0 * (1.0 - loss), rel=0.02)


def test_reserved_lines_refuse_as_the_birth_and_death_equations_say() -> None:
    """Two classes in one group, normal up to 9 of 10: exact by balance; ceilings are those of admission."""
    use = {WorkKind.TRANSCRIPTION: SlotUse(10, 0.0), WorkKind.SYNTHESIS: SlotUse(10, 0.0)}
    book = AdmissionBook(AdmissionSettings(calls_per_slot=1.0))
    ceilings = {priority: book.ceiling(priority, use) for priority in (Priority.EMERGENCY, NORMAL)}
    assert ceilings == {Priority.EMERGENCY: 10, NORMAL: 9}
    erlangs, urgent = 8.0, 0.2
    weight, weights = 1.0, [1.0]
    for calls in range(10):
        weight *= erlangs * (1.0 if calls < 9 else urgent) / (calls + 1)
        weights.append(weight)
    full, nearly = weights[10] / sum(weights), weights[9] / sum(weights)
    classes = (
        CallClass(Priority.EMERGENCY, urgent, ceilings[Priority.EMERGENCY]),
        CallClass(NORMAL, 1.0 - urgent, ceilings[NORMAL]),
    )
    found = simulate(Scene(erlangs, 60.0, 12.0, classes), 40_000, seed=4)
    for name, exact in (("emergency", full), ("normal", full + nearly)):
        estimate = found.refused_percent_of[name]
        assert estimate.value == pytest.approx(100.0 * exact, abs=1.5 * estimate.error)


@pytest.mark.parametrize("pieces", [1, 4])
def test_turns_of_many_calls_wait_as_erlang_says(pieces: int) -> None:
    """With many calls that each say little, the work comes as if at random; a turn's first piece counts."""
    stage = Stage((SlotGroup(4, 1.0 / pieces, 1.0),), float(pieces))
    scene = Scene(60.0, 600.0, 20.0, (CallClass(NORMAL, 1.0, 60),), (stage,))
    found = simulate(scene, 3_000, seed=1)
    predicted = wait_for_slot(found.mean_calls.value / 20.0, 4, 1.0 / pieces, 1.0)
    assert found.wait_p95_ms.value == pytest.approx(1000.0 * predicted.percentile_s(95.0), rel=0.15)


def test_overloaded_slots_lose_turns_and_the_hour_goes_on() -> None:
    """Twice the work that the slots can do: turns are given up at the limit, none waits longer."""
    stage = Stage((SlotGroup(1, 2.0, 0.0),), 1.0)
    scene = Scene(10.0, 60.0, 5.0, (CallClass(NORMAL, 1.0, 20),), (stage,), wait_limit_s=4.0, queue_limit=8)
    found = simulate(scene, 400, seed=1)
    assert 0.3 < found.lost_turns / found.turns < 0.9
    assert found.wait_p95_ms.value <= 4_000.0


def test_the_same_seed_is_the_same_hour() -> None:
    """And another one is not."""
    stage = Stage((SlotGroup(2, 0.4, 0.3),), 1.3)
    scene = Scene(10.0, 60.0, 5.0, (CallClass(NORMAL, 1.0, 12),), (stage,))
    assert simulate(scene, 200, seed=9) == simulate(scene, 200, seed=9)
    assert simulate(scene, 200, seed=9) != simulate(scene, 200, seed=10)


def test_no_traffic_is_not_simulated() -> None:
    """An arrival would never come."""
    with pytest.raises(ValueError, match="traffic"):
        simulate(Scene(0.0, 60.0, 5.0, ()), 100, seed=1)
