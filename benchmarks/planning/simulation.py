"""A busy hour, call by call: what the formulas leave out is in it.

Calls come at random, find a line or are refused, and stay for a random time. While a call is there its caller
says something at random instants, but not before the last turn is over; each turn takes slots one after the
other, and competes for them with the other calls' turns. So the number of calls moves, work comes only from
calls that are there, work is not independent of what was done before, and queues have an end: none of that is
in Erlang's formulas. What they share with the simulation is the traffic itself.

Classes of calls share one group of lines as in `actors.manager.admission`: each is taken while all calls
together are fewer than its ceiling. The same seed gives the same hour. Figures come with the half width of
their 95 % confidence interval, from the means of batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import fmean, stdev

from actors.messages import Priority
from benchmarks.planning.slot_queue import SlotGroup, SlotQueue
from benchmarks.planning.timeline import Timeline

BATCHES = 20
STUDENT_95 = 2.093
"""Quantile of Student's distribution for `BATCHES` - 1 degrees of freedom."""

WARM_UP_CALLS = 6.0
"""Mean call lengths before anything is counted: the empty system is then forgotten but for e^-6."""


@dataclass(frozen=True, slots=True)
class CallClass:
    """Calls that are treated alike."""

    priority: Priority
    share: float
    """Of all calls that come."""
    ceiling: int
    """One is taken while all calls together are fewer."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of work of a turn."""

    groups: tuple[SlotGroup, ...]
    per_turn: float
    """Pieces of it, on average; the turn waits for the first one."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is simulated."""

    erlangs: float
    call_s: float
    turn_period_s: float
    classes: tuple[CallClass, ...]
    stages: tuple[Stage, ...] = ()
    wait_limit_s: float = math.inf
    queue_limit: float = math.inf
    aging_s: float = math.inf
    constant_calls: bool = False
    """All calls take exactly their mean length."""

    @property
    def events_per_call(self) -> float:
        """About how many steps of the simulation a call takes: what the time to run it depends on."""
        per_turn = 1.0 + sum(2.0 * stage.per_turn for stage in self.stages)
        return 2.0 + (self.call_s / self.turn_period_s * per_turn if self.stages else 0.0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of a simulation."""

    value: float
    error: float
    """Half the width of its 95 % confidence interval."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came out."""

    offered: int
    refused_percent: Estimate
    refused_percent_of: dict[str, Estimate]
    """By class."""
    mean_calls: Estimate
    turns: int
    lost_turns: int
    """For whose work no slot came in time."""
    wait_p95_ms: Estimate
    """Of the waits for slots that a turn's answer stood behind, together."""


@dataclass(slots=True)
class _Batch:
    offered: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))
    refused: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))
    call_seconds: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    lost_turns: int = 0


def simulate(scene: Scene, calls: int, seed: int) -> Simulated:
    """Simulate until about so many calls have come, after a warm-up. Raises ValueError without traffic."""
    if scene.erlangs <= 0.0 or calls < BATCHES:
        raise ValueError(f"a simulation needs traffic, and {BATCHES} calls or more")
    system = _System(scene, Random(seed))
    system.run(WARM_UP_CALLS * scene.call_s)
    batch_s = calls * scene.call_s / scene.erlangs / BATCHES
    batches = []
    for _ in range(BATCHES):
        system.batch = _Batch()
        system.run(batch_s)
        batches.append(system.batch)
    classes = [each.priority for each in scene.classes]
    return Simulated(
        offered=sum(sum(batch.offered.values()) for batch in batches),
        refused_percent=_refused(batches, classes),
        refused_percent_of={priority.value: _refused(batches, [priority]) for priority in classes},
        mean_calls=_estimate([batch.call_seconds / batch_s for batch in batches]),
        turns=sum(len(batch.waits_s) + batch.lost_turns for batch in batches),
        lost_turns=sum(batch.lost_turns for batch in batches),
        wait_p95_ms=_wait_p95_ms(batches),
    )


class _System:
    """Lines, slots, and the calls on them."""

    def __init__(self, scene: Scene, random: Random) -> None:
        self.batch = _Batch()
        self._scene = scene
        self._random = random
        self._timeline = Timeline()
        self._queues = [
            SlotQueue(
                self._timeline,
                random,
                stage.groups,
                wait_limit_s=scene.wait_limit_s,
                queue_limit=scene.queue_limit,
                aging_s=scene.aging_s,
            )
            for stage in scene.stages
        ]
        self._calls = 0
        self._counted_until_s = 0.0
        self._plan_arrival()

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        self._timeline.run(self._timeline.now_s + seconds)
        self._count_calls(0)

    def _plan_arrival(self) -> None:
        mean_s = self._scene.call_s / self._scene.erlangs
        self._timeline.after(self._random.expovariate(1.0 / mean_s), self._arrive)

    def _arrive(self) -> None:
        self._plan_arrival()
        weights = [each.share for each in self._scene.classes]
        (call_class,) = self._random.choices(self._scene.classes, weights)
        self.batch.offered[call_class.priority] += 1
        if self._calls >= call_class.ceiling:
            self.batch.refused[call_class.priority] += 1
            return
        self._count_calls(1)
        call_s = self._scene.call_s
        length_s = call_s if self._scene.constant_calls else self._random.expovariate(1.0 / call_s)
        call = _Call(call_class.priority, self._timeline.now_s + length_s)
        self._timeline.after(length_s, lambda: self._count_calls(-1))
        if self._scene.stages:
            self._plan_turn(call, 0.0)

    def _count_calls(self, change: int) -> None:
        now_s = self._timeline.now_s
        self.batch.call_seconds += self._calls * (now_s - self._counted_until_s)
        self._counted_until_s = now_s
        self._calls += change

    def _plan_turn(self, call: _Call, since_begin_s: float) -> None:
        period_s = self._random.expovariate(1.0 / self._scene.turn_period_s)
        self._timeline.after(period_s - since_begin_s, lambda: self._begin_turn(call))

    def _begin_turn(self, call: _Call) -> None:
        begin_s = self._timeline.now_s
        if begin_s >= call.end_s:
            return
        batch = self.batch

        def end(waited_s: float | None) -> None:
            if waited_s is None:
                batch.lost_turns += 1
            else:
                batch.waits_s.append(waited_s)
            if self._timeline.now_s < call.end_s:
                self._plan_turn(call, self._timeline.now_s - begin_s)

        pieces = [
            (queue, number)
            for queue, stage in zip(self._queues, self._scene.stages, strict=True)
            for number in range(self._whole(stage.per_turn))
        ]
        self._work(call, pieces, 0.0, end)

    def _work(
        self,
        call: _Call,
        pieces: Sequence[tuple[SlotQueue, int]],
        waited_s: float,
        end: Callable[[float | None], None],
    ) -> None:
        """Do the pieces of a turn one after the other; of each kind the first wait counts."""
        if not pieces:
            end(waited_s)
            return
        (queue, number), *rest = pieces

        def next_piece(waited_here_s: float | None) -> None:
            if waited_here_s is None:
                end(None)
            else:
                self._work(call, rest, waited_s + (waited_here_s if number == 0 else 0.0), end)

        queue.ask(call.priority, next_piece)

    def _whole(self, mean: float) -> int:
        """A whole number with this mean."""
        below = math.floor(mean)
        return below + (self._random.random() < mean - below)


@dataclass(frozen=True, slots=True)
class _Call:
    priority: Priority
    end_s: float


def _refused(batches: Sequence[_Batch], classes: Sequence[Priority]) -> Estimate:
    shares = []
    for batch in batches:
        offered = sum(batch.offered[priority] for priority in classes)
        refused = sum(batch.refused[priority] for priority in classes)
        shares.append(100.0 * refused / offered if offered else 0.0)
    return _estimate(shares)


def _wait_p95_ms(batches: Sequence[_Batch]) -> Estimate:
    """The p95 over all turns, as wide as that of a batch varies."""
    everything = [wait_s for batch in batches for wait_s in batch.waits_s]
    each = [_p95(batch.waits_s) for batch in batches]
    return Estimate(1000.0 * _p95(everything), 1000.0 * _estimate(each).error)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[max(0, math.ceil(0.95 * len(values)) - 1)] if values else 0.0


def _estimate(values: Sequence[float]) -> Estimate:
    return Estimate(fmean(values), STUDENT_95 * stdev(values) / math.sqrt(len(values)))
