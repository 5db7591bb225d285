"""The plan's formulas against the simulation of the same nodes and the same forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.errors import ConfigurationError
from actors.messages import Priority, WorkKind
from actors.settings import FleetSettings, SpeechSettings
from benchmarks.planning.forecast import Forecast
from benchmarks.planning.prediction import Nodes, Pool, Rules, predict
from benchmarks.planning.simulation import WARM_UP_CALLS, CallClass, Scene, Simulated, Stage, simulate
from benchmarks.planning.slot_queue import SlotGroup

WANTED_CALLS = 20_000
"""Enough for a refused share of 1 % to be known within a few tenths."""

LEAST_CALL_LENGTHS = 40.0
"""Mean call lengths that are simulated after the warm-up: less holds too few independent moments."""

EVENTS = 3_000_000
"""That a simulation may take: some 15 s of one core."""


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Predicted and simulated, side by side."""

    seed: int
    predicted_refused_percent: float
    predicted_wait_p95_ms: float
    """Of a turn, for all its slots together, with the average number of calls."""
    predicted_full_wait_p95_ms: float
    """The same with all lines busy."""
    simulated: Simulated


def cross_check(
    nodes: Sequence[Nodes], forecast: Forecast, rules: Rules, seed: int, wanted_calls: int = WANTED_CALLS
) -> CrossCheck:
    """Simulate the busy hour on nodes that share calls and work, with about so many calls.

    Raises ConfigurationError for nodes that do not share, or have no lines, and for more traffic than can be
    simulated in reasonable time.
    """
    if rules.apart:
        raise ConfigurationError("only nodes that share calls and work can be simulated: not with --separate")
    prediction = predict(nodes, forecast, rules)
    if not prediction.lines:
        raise ConfigurationError("without a line there is nothing to simulate")
    scene = scene_of(nodes, forecast, prediction.lines)
    calls = min(wanted_calls, int(EVENTS / scene.events_per_call - WARM_UP_CALLS * forecast.erlangs))
    if calls < LEAST_CALL_LENGTHS * forecast.erlangs:
        raise ConfigurationError(
            f"{forecast.erlangs:.0f} erlangs are too many to simulate call by call; the formulas are at "
            "their best there"
        )
    pool = Pool([some for some in nodes if some.count], forecast.turns_per_minute)
    return CrossCheck(
        seed=seed,
        predicted_refused_percent=prediction.refused_percent,
        predicted_wait_p95_ms=1000.0 * pool.wait_p95_s(prediction.carried_erlangs),
        predicted_full_wait_p95_ms=1000.0 * pool.wait_p95_s(prediction.lines),
        simulated=simulate(scene, calls, seed),
    )


def scene_of(nodes: Sequence[Nodes], forecast: Forecast, lines: int) -> Scene:
    """Return what is to be simulated: ordinary calls only, with raymal's own limits on waiting."""
    fleet = FleetSettings()
    pool = Pool([some for some in nodes if some.count], forecast.turns_per_minute)
    turn_period_s = 60.0 / forecast.turns_per_minute
    return Scene(
        erlangs=forecast.erlangs,
        call_s=forecast.call_s,
        turn_period_s=turn_period_s,
        classes=(CallClass(Priority.NORMAL, 1.0, lines),),
        stages=tuple(
            Stage(groups=_groups(nodes, kind), per_turn=pool.per_call_s(kind) * turn_period_s)
            for kind in pool.kinds
        ),
        wait_limit_s=SpeechSettings().transcription_deadline_s,
        queue_limit=fleet.lease_queue_limit,
        aging_s=fleet.aging_s,
    )


def _groups(nodes: Sequence[Nodes], kind: WorkKind) -> tuple[SlotGroup, ...]:
    services = [(some.count, some.type.services[kind]) for some in nodes if kind in some.type.services]
    return tuple(
        SlotGroup(count * service.slots, service.mean_ms / 1000.0, service.variability)
        for count, service in services
        if count * service.slots
    )
