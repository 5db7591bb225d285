"""What a capacity measurement found: written by `raymal capacity`, read by `raymal plan` and the reports.

Plain data, the same in JSON. A figure that was not measured is None, never 0. `calls_held` is a floor: so
many calls were held, with every objective met, for the stated time; the next step tried was not.
"""

from __future__ import annotations

import platform

import psutil
from pydantic import Field

from actors.messages import WorkKind
from benchmarks.harness import machine
from ingress.link.records import LatenessSummary, Record

RESULT_VERSION = 1
"""Raised with every change of a model below."""


class Objectives(Record):
    """What has to hold for a step to count as held."""

    turn_p95_ms: float = 1_500.0
    """End of the caller's speech to the first frame of the answer, counted from the intended time."""
    lateness_p999_ms: float = 40.0
    """Of frames, at the peer, against their own due time: a buffer of 60 ms less a frame."""
    underruns: int = 0
    """Holes in speech at a phone's buffer of 60 ms."""
    refused_percent: float = 0.0
    content_error_percent: float = 2.0
    """Turns whose answer was missing or not the answer to what was said."""


class Workload(Record):
    """What the scripted callers do."""

    speech: str
    """`recorded`, `synthesised` or `scripted` (engines that hear and say fixed texts)."""
    language: str
    utterance_s: float = Field(gt=0.0)
    """Mean length of what a caller says at a time."""
    period_s: float = Field(gt=0.0)
    """Mean time between the beginnings of two utterances of one call."""
    call_s: float
    """Mean length of a call; they last exponentially long."""


class Machine(Record):
    """Where it was measured."""

    name: str
    processor: str
    cores: int = Field(gt=0)
    memory_bytes: int
    gpus: tuple[str, ...] = ()
    python: str
    """And versions of what matters, in one line."""

    @classmethod
    def of(cls, found: machine.Machine) -> Machine:
        """Return what this format keeps of the machine that runs now."""
        return cls(
            name=platform.system(),
            processor=found.processor,
            cores=found.cores,
            memory_bytes=psutil.virtual_memory().total,
            gpus=found.gpus,
            python=found.software,
        )


class Service(Record):
    """What one kind of work takes: the input of queueing formulas."""

    slots: int = Field(ge=0)
    mean_ms: float = Field(ge=0.0)
    variability: float = Field(ge=0.0)
    """Squared coefficient of variation: 0 is constant, 1 exponential."""
    per_call_minute: float = Field(ge=0.0)
    """Pieces of work that a call asks for in a minute."""


class Step(Record):
    """One number of calls, tried for a while."""

    calls: float
    """At once; offered on average, where more is offered than is held."""
    seconds: float
    turns: int
    turn_p50_ms: float | None
    turn_p95_ms: float | None
    turn_p99_ms: float | None
    stages_ms: dict[str, float]
    """Mean of each stage of an answered turn, in order."""
    lateness: LatenessSummary
    underruns: int
    offered_calls: int
    refused_calls: int
    content_errors: int
    cores: dict[str, float]
    """CPU in use, in cores: media, gateway, workers, manager, ray; and `machine` for everything."""
    slot_percent: dict[str, float]
    """Slots in use, by kind of work."""
    memory_bytes: int
    """Of the server's processes."""
    calls_mean: float | None = None
    """Calls that the server really had, on average: less than offered where some were refused."""
    dropped_calls: int = 0
    """Taken, and then not ended by the caller."""
    late_shares: tuple[tuple[float, float], ...] = ()
    """Milliseconds, and the share of frames that were later than that."""
    level: int = 0
    """The highest step of the ladder that was taken (`actors.manager.throttle`)."""
    utilisation_percent: dict[str, float] = Field(default_factory=dict)
    """How much of each resource was in use: what `headroom_percent` leaves of 100."""
    broken: tuple[str, ...]
    """Objectives that were not met, one line each; empty: held."""
    invalid: tuple[str, ...]
    """Why the step says nothing (`benchmarks.capacity.validity`)."""

    @property
    def is_held(self) -> bool:
        """Whether every objective was met in a step that says something."""
        return not self.broken and not self.invalid


class CapacityResult(Record):
    """All of one measurement."""

    version: int = RESULT_VERSION
    taken_at: str
    """ISO 8601, UTC."""
    raymal: str
    """Version and commit."""
    command: str
    seed: int
    machine: Machine
    models: dict[str, str]
    """Engine and model of each kind of work."""
    workload: Workload
    objectives: Objectives
    steps: tuple[Step, ...]
    """In the order in which they were tried."""
    confirmed: Step | None
    """The longest run at `calls_held`; None: not even one call was held."""
    overload: tuple[Step, ...] = ()
    """More than is held, up to three times, with admission on."""
    calls_held: int
    limited_by: str
    """media CPU, transcription slots, synthesis slots, gateway, manager, memory, or what else."""
    headroom_percent: dict[str, float]
    """What was left of each resource at `calls_held`."""
    core_s_per_call_minute: float | None
    services: dict[WorkKind, Service]
    """By kind of work, as measured at `calls_held`."""
    next_limit: str
    """What would bind if this limit were lifted."""
