"""What a measurement says about one kind of node, as far as planning needs it.

The turn's p95 at another load than the measured one is taken apart in two: what waiting for slots adds, which
the delay formula predicts for any load, and the rest, which was measured. The rest is the p95 at the
confirmed load less what the formula says for that load, so that the prediction there is the measurement
itself. Where the mean wait was measured and is less than the formula's, the formula's waits are lowered by
that ratio. Below that load, the p95 is never taken to be less than the least that was measured at any load.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.errors import ConfigurationError
from actors.messages import WorkKind
from benchmarks.capacity.result import RESULT_VERSION, CapacityResult, Service, Step
from benchmarks.planning.waiting import NO_WAIT, Wait, percentile_together_s, wait_for_slot

WAIT_STAGE = "lease wait"
"""Of a turn's stages (`ingress.link.records`): waiting for a transcription slot."""

LEAST_TURNS = 20
"""With fewer, a p95 is one turn's chance."""


@dataclass(frozen=True, slots=True)
class NodeType:
    """Nodes that are all like the measured one."""

    name: str
    cores: int
    calls_held: int
    """At once, with every objective of the measurement met."""
    turns_per_minute: float
    """Of one call, at which they were held. The true rate: callers who just came, or leave, say less."""
    talk_share: float
    """Of a call's time, that its caller spoke."""
    services: Mapping[WorkKind, Service] = field(hash=False)
    quiet_p95_ms: float
    """The least p95 of a turn at any load that was tried."""
    wait_factor: float
    """The mean wait for transcription as measured, over the formula's; 1 if no less, or not measured."""
    unwaited_p95_ms: float
    """What of the p95 at the confirmed load is not waiting for a slot, by the delay formula."""
    price: float = 1.0
    """In any unit; only compared with other types'."""

    @classmethod
    def of(cls, name: str, result: CapacityResult, price: float | None = None) -> NodeType:
        """Read a measurement. `price`: its cores if None. Raises ConfigurationError if it is of no use."""
        confirmed = result.confirmed
        if result.version != RESULT_VERSION:
            raise ConfigurationError(
                f"{name}: written by another version of raymal (format {result.version}, this one reads "
                f"{RESULT_VERSION}): measure again with `raymal capacity`"
            )
        if result.calls_held < 1 or confirmed is None:
            raise ConfigurationError(
                f"{name}: not even one call was held (limited by: {result.limited_by}): nothing to plan with"
            )
        if confirmed.turn_p95_ms is None:
            raise ConfigurationError(
                f"{name}: the confirming run answered no turn: measure again with `raymal capacity`"
            )
        if price is not None and not 0.0 < price < math.inf:
            raise ConfigurationError(f"{name}: a price is a number above 0, not {price:g}")
        waits = {kind: wait_of(service, _calls(confirmed)) for kind, service in result.services.items()}
        wait_factor = _wait_factor(waits, confirmed)
        waited_ms = 1000.0 * percentile_together_s(tuple(waits.values()), 95.0)
        turns_per_minute = min(60.0 / result.workload.period_s, _turns_per_minute(confirmed))
        if math.isinf(waited_ms):
            waited_ms = 0.0  # the formula knows no such load; the measurement does
        return cls(
            name=name,
            cores=result.machine.cores,
            calls_held=result.calls_held,
            turns_per_minute=turns_per_minute,
            talk_share=turns_per_minute * result.workload.utterance_s / 60.0,
            services=result.services,
            quiet_p95_ms=min(_p95s_ms((*result.steps, confirmed)), default=confirmed.turn_p95_ms),
            wait_factor=wait_factor,
            unwaited_p95_ms=max(0.0, confirmed.turn_p95_ms - wait_factor * waited_ms),
            price=float(result.machine.cores) if price is None else price,
        )

    def calls_at(self, turns_per_minute: float) -> float:
        """Return the calls that a node holds when callers say something so often.

        Fewer if it is more often than measured, in proportion; never more than were held.
        """
        return self.calls_held * min(1.0, self.turns_per_minute / turns_per_minute)


def _calls(step: Step) -> float:
    """The calls that were there on average."""
    return step.calls if step.calls_mean is None else step.calls_mean


def _turns_per_minute(step: Step) -> float:
    call_minutes = _calls(step) * step.seconds / 60.0
    return step.turns / call_minutes if step.turns and call_minutes > 0.0 else math.inf


def wait_of(service: Service, calls: float) -> Wait:
    """Return the wait for a slot of one node alone, with so many calls on it."""
    mean_s = service.mean_ms / 1000.0
    return wait_for_slot(
        calls * service.per_call_minute / 60.0 * mean_s, service.slots, mean_s, service.variability
    )


def _wait_factor(waits: Mapping[WorkKind, Wait], step: Step) -> float:
    """Callers pause between their turns, so they wait less than work at random instants would."""
    formula_ms = 1000.0 * waits.get(WorkKind.TRANSCRIPTION, NO_WAIT).mean_s
    measured_ms = step.stages_ms.get(WAIT_STAGE)
    if measured_ms is None or formula_ms == 0.0 or math.isinf(formula_ms):
        return 1.0
    return min(1.0, measured_ms / formula_ms)


def _p95s_ms(steps: Sequence[Step]) -> list[float]:
    return [
        step.turn_p95_ms
        for step in steps
        if step.turn_p95_ms is not None and step.turns >= LEAST_TURNS and not step.invalid
    ]
