"""What a set of nodes does with a busy hour: lines, refused calls, the turn's p95.

Calls and work go to whichever node has room, as raymal's admission and leases do it in one cluster. So lines
add up to one group, and slots to one pool, which together refuse and wait less than the same nodes each for
itself; `apart` is that: traffic in proportion to each node's lines, and no help from the others.

No node is given more calls than it was measured to hold. Of these ordinary calls get `lines_percent`:
admission keeps the rest for more urgent ones. If the delay formula says that the turn's p95 would miss its
target with all those lines busy, there are fewer.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from actors.messages import WorkKind
from benchmarks.planning.erlang import erlang_b, erlangs_for
from benchmarks.planning.forecast import Forecast
from benchmarks.planning.node_type import NodeType
from benchmarks.planning.waiting import NO_WAIT, Wait, percentile_together_s, wait_for_slot

ROUNDING = 1e-9
"""Products of decimal figures are not exact: what is this close below a whole call is one."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How nodes are used."""

    lines_percent: float
    """Of the calls held, for ordinary calls (`admission.normal_percent`)."""
    apart: bool = False
    """Each node for itself: no call and no work goes to another."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """So many nodes of one type."""

    type: NodeType
    count: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """A busy hour on a set of nodes."""

    lines: int
    """Ordinary calls at once."""
    lines_limited_by: str
    """`calls held` as measured, or `turn p95`."""
    refused_percent: float
    carried_erlangs: float
    """Calls that are there on average."""
    turn_p95_ms: float | None
    """With the average number of calls; None: there are no lines, or work comes faster than it is done."""
    full_turn_p95_ms: float | None
    """With all lines busy."""
    slot_percent: dict[str, float]
    """Slots in use on average, by kind of work."""

    def meets(self, forecast: Forecast) -> bool:
        """Whether both targets are met, that of the turn's p95 with all lines busy."""
        full_ms = self.full_turn_p95_ms
        return (
            full_ms is not None
            and full_ms <= forecast.turn_p95_ms
            and self.refused_percent <= forecast.refused_percent
        )


def predict(nodes: Sequence[Nodes], forecast: Forecast, rules: Rules) -> Prediction:
    """Return what the nodes, together or apart, do with the forecast."""
    present = [some for some in nodes if some.count > 0]
    if rules.apart:
        return _apart(present, forecast, rules)
    return _together(Pool(present, forecast.turns_per_minute), forecast, rules, forecast.erlangs)


def ordinary_lines(calls_held: int, lines_percent: float) -> int:
    """Return how many of the calls held may be ordinary ones, as admission counts: one at least, if any."""
    return max(1, math.floor(calls_held * lines_percent / 100.0)) if calls_held else 0


def busy_hour_calls(nodes: Sequence[Nodes], forecast: Forecast, rules: Rules) -> float:
    """Return the most calls an hour of which no more than the target would be refused, on any node."""
    lines = predict(nodes, forecast, rules).lines
    smallest = lines
    if rules.apart:
        each = [predict([Nodes(some.type, 1)], forecast, rules).lines for some in nodes if some.count]
        smallest = min((one for one in each if one), default=0)
    if not smallest:
        return 0.0
    erlangs = erlangs_for(smallest, forecast.refused_percent / 100.0) * lines / smallest
    return erlangs * 3600.0 / forecast.call_s


@dataclass(frozen=True, slots=True)
class _Slots:
    """All slots of one kind of work: unequal ones count as so many of their mean speed."""

    count: int
    done_per_s: float
    """Pieces of work that all of them together finish in a second."""
    variability: float
    """Of their service times, within a type of node and between types."""


class Pool:
    """Nodes that share calls and work."""

    def __init__(self, nodes: Sequence[Nodes], turns_per_minute: float) -> None:
        self._nodes = nodes
        self._turns_per_minute = turns_per_minute
        self.kinds = [kind for kind in WorkKind if any(kind in some.type.services for some in nodes)]
        self._wait_factor = max((some.type.wait_factor for some in nodes), default=1.0)
        self._unwaited_ms = max((some.type.unwaited_p95_ms for some in nodes), default=0.0)
        self._quiet_ms = max((some.type.quiet_p95_ms for some in nodes), default=0.0)

    def calls_held(self) -> int:
        """Return the calls that were measured to be held, at the pool's turns per minute."""
        calls = sum(some.count * some.type.calls_at(self._turns_per_minute) for some in self._nodes)
        return math.floor(calls + ROUNDING)

    def turn_p95_ms(self, calls: float) -> float:
        """Return the p95 of a turn while so many calls are there; infinite if work comes too fast."""
        waited_s = percentile_together_s([self.wait(kind, calls) for kind in self.kinds], 95.0)
        if math.isinf(waited_s):
            return math.inf
        return max(self._quiet_ms, self._unwaited_ms + 1000.0 * self._wait_factor * waited_s)

    def wait(self, kind: WorkKind, calls: float) -> Wait:
        """Return the wait for a slot."""
        asked_per_s, slots = calls * self.per_call_s(kind), self._slots(kind)
        if asked_per_s == 0.0:
            return NO_WAIT
        if slots.done_per_s == 0.0:
            return NO_WAIT if slots.count else Wait(1.0, math.inf)
        service_s = slots.count / slots.done_per_s
        return wait_for_slot(asked_per_s * service_s, slots.count, service_s, slots.variability)

    def slot_percent(self, calls: float) -> dict[str, float]:
        """Return how busy the slots are on average, by kind of work: 100 at most."""
        busy = {}
        for kind in self.kinds:
            done_per_s = self._slots(kind).done_per_s
            asked_per_s = calls * self.per_call_s(kind)
            busy[kind.value] = 100.0 * min(1.0, asked_per_s / done_per_s) if done_per_s else 0.0
        return busy

    def per_call_s(self, kind: WorkKind) -> float:
        """Return the pieces of work that one call asks for in a second, at the pool's turns per minute."""
        return max(
            some.type.services[kind].per_call_minute
            / 60.0
            * self._turns_per_minute
            / some.type.turns_per_minute
            for some in self._having(kind)
        )

    def _having(self, kind: WorkKind) -> list[Nodes]:
        return [some for some in self._nodes if kind in some.type.services]

    def _slots(self, kind: WorkKind) -> _Slots:
        services = [(some.count, some.type.services[kind]) for some in self._having(kind)]
        # How often each type's slots serve, for how long, and how unevenly.
        speeds = [
            (number * each.slots * 1000.0 / each.mean_ms, each.mean_ms / 1000.0, each.variability)
            for number, each in services
            if each.mean_ms
        ]
        done_per_s = sum(per_s for per_s, _, _ in speeds)
        variability = 0.0
        if done_per_s:
            mean_s = sum(per_s * service_s for per_s, service_s, _ in speeds) / done_per_s
            squares = sum(per_s * (1.0 + uneven) * service_s**2 for per_s, service_s, uneven in speeds)
            variability = max(0.0, squares / done_per_s / mean_s**2 - 1.0)
        return _Slots(sum(number * each.slots for number, each in services), done_per_s, variability)


def _together(pool: Pool, forecast: Forecast, rules: Rules, erlangs: float) -> Prediction:
    held = pool.calls_held()
    kept = ordinary_lines(held, rules.lines_percent)
    lines = _lines_within(pool, kept, forecast.turn_p95_ms)
    refused = erlang_b(erlangs, lines)
    carried = erlangs * (1.0 - refused)
    return Prediction(
        lines=lines,
        lines_limited_by="calls held" if lines == kept else "turn p95",
        refused_percent=100.0 * refused,
        carried_erlangs=carried,
        turn_p95_ms=_finite(pool.turn_p95_ms(carried)) if lines else None,
        full_turn_p95_ms=_finite(pool.turn_p95_ms(lines)) if lines else None,
        slot_percent=pool.slot_percent(carried),
    )


def _lines_within(pool: Pool, kept: int, turn_p95_ms: float) -> int:
    """The most lines, up to `kept`, that may all be busy with the target met."""
    return bisect_left(range(1, kept + 1), True, key=lambda lines: pool.turn_p95_ms(lines) > turn_p95_ms)


def _apart(nodes: Sequence[Nodes], forecast: Forecast, rules: Rules) -> Prediction:
    """The same for nodes that do not help each other; of what differs between types, the worst."""
    pools = [(some.count, Pool([Nodes(some.type, 1)], forecast.turns_per_minute)) for some in nodes]
    alone = [(count, pool, _together(pool, forecast, rules, 0.0)) for count, pool in pools]
    lines = sum(count * one.lines for count, _, one in alone)
    if not lines:
        return _together(Pool([], forecast.turns_per_minute), forecast, rules, forecast.erlangs)
    shared = [
        (count, _together(pool, forecast, rules, forecast.erlangs * one.lines / lines))
        for count, pool, one in alone
        if one.lines
    ]
    carried = sum(count * one.carried_erlangs for count, one in shared)
    limits = {one.lines_limited_by for _, _, one in alone}
    return Prediction(
        lines=lines,
        lines_limited_by="turn p95" if "turn p95" in limits else "calls held",
        refused_percent=100.0 * (1.0 - carried / forecast.erlangs),
        carried_erlangs=carried,
        turn_p95_ms=max(one.turn_p95_ms or 0.0 for _, one in shared),
        full_turn_p95_ms=max(one.full_turn_p95_ms or 0.0 for _, one in shared),
        slot_percent={
            kind: max(one.slot_percent.get(kind, 0.0) for _, one in shared)
            for kind in {kind for _, one in shared for kind in one.slot_percent}
        },
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
