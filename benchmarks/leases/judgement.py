"""What the leases have to reach, and what was measured: plain figures in, verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from actors.messages import Priority
from benchmarks.leases.ideal_queue import waits_s
from ingress.caller.listening_quality import percentile

OVERHEAD_MS = 10.0
WAIT_RATIO = 1.2
EMERGENCY_SERVICES = 1.3
LEASES_PER_S = 150.0
REFUSAL_MS = 20.0
CACHED_MS = 20.0


@dataclass(frozen=True, slots=True)
class Served:
    """One request, as its asker saw it."""

    asked_s: float
    """On the clock that all processes of a machine share."""
    priority: Priority
    wait_ms: float
    """From asking to the lease."""
    processing_ms: float
    """From the lease to the result."""
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """The arrivals of one seed at one load, and what became of them."""

    load: float
    service_s: float
    slots: int
    served: tuple[Served, ...]

    @property
    def refused(self) -> int:
        """Requests that got no slot; there should be none."""
        return sum(one.is_refused for one in self.served)

    def measured_waits_ms(self, priority: Priority | None = None) -> list[float]:
        """Return the waits of a class, or of all."""
        return [one.wait_ms for one in self.served if priority in (None, one.priority)]

    def ideal_waits_ms(self, priority: Priority | None = None) -> list[float]:
        """Return the waits of the same requests in an ideal queue."""
        requests = [(one.asked_s, one.priority.rank) for one in self.served]
        waits = waits_s(requests, self.service_s, self.slots)
        return [
            wait * 1_000.0
            for wait, one in zip(waits, self.served, strict=True)
            if priority in (None, one.priority)
        ]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Leases taken and given back as fast as two ingresses can ask."""

    leases: int
    seconds: float
    manager_cpu_s: float
    """User and system time of the manager's process, which had one core."""

    @property
    def leases_per_s(self) -> float:
        """Pairs of a grant and a report."""
        return self.leases / self.seconds

    @property
    def manager_cpu_percent(self) -> float:
        """Of one core."""
        return 100.0 * self.manager_cpu_s / self.seconds

    @property
    def cpu_ms_per_lease(self) -> float:
        """What one lease costs the manager."""
        return 1_000.0 * self.manager_cpu_s / max(self.leases, 1)


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured."""

    overheads_ms: tuple[float, ...]
    """A whole transcription by an engine that takes no time, one after the other: lease, dispatch, result."""
    steady: tuple[Run, ...]
    crowded: tuple[Run, ...]
    throughput: Throughput
    refusals_ms: tuple[float, ...]
    """From asking to the refusal, with the queue full."""
    cached_ms: tuple[float, ...]
    """From a call's UUID on a socket to the first frame of its greeting, which is in the cache."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion and what was measured."""

    name: str
    limit: str
    measured: str
    is_met: bool


def criteria(figures: Figures) -> list[Criterion]:
    """Judge the figures."""
    overhead_ms = percentile(figures.overheads_ms, 50)
    refusal_ms = percentile(figures.refusals_ms, 95)
    cached_ms = percentile(figures.cached_ms, 50)
    throughput = figures.throughput
    return [
        Criterion(
            "lease and dispatch, p50",
            f"{OVERHEAD_MS:g} ms",
            f"{overhead_ms:.1f} ms",
            overhead_ms <= OVERHEAD_MS,
        ),
        _waiting("mean", figures.steady),
        _waiting("p95", figures.steady),
        _emergency(figures.crowded),
        Criterion(
            "leases per second, manager on one core",
            f"{LEASES_PER_S:g}",
            f"{throughput.leases_per_s:.0f} ({throughput.manager_cpu_percent:.0f} % of the core)",
            throughput.leases_per_s >= LEASES_PER_S,
        ),
        Criterion(
            "refusal with the queue full, p95 at the asker",
            f"{REFUSAL_MS:g} ms",
            f"{refusal_ms:.1f} ms",
            refusal_ms <= REFUSAL_MS,
        ),
        Criterion(
            "UUID to first frame of a cached greeting, p50",
            f"{CACHED_MS:g} ms",
            f"{cached_ms:.1f} ms (p95 {percentile(figures.cached_ms, 95):.1f} ms)",
            cached_ms <= CACHED_MS,
        ),
    ]


def summary_ms(which: str, values: Sequence[float]) -> float:
    """Return the `mean` or the `p95`."""
    return fmean(values) if which == "mean" else percentile(values, 95)


def ratio(which: str, runs: Sequence[Run]) -> float:
    """Return measured over ideal waiting, all requests of the runs together."""
    measured = [wait for run in runs for wait in run.measured_waits_ms()]
    ideal = [wait for run in runs for wait in run.ideal_waits_ms()]
    return summary_ms(which, measured) / max(summary_ms(which, ideal), 1e-9)


def _waiting(which: str, runs: Sequence[Run]) -> Criterion:
    each = [ratio(which, [run]) for run in runs]
    pooled = ratio(which, runs)
    refused = sum(run.refused for run in runs)
    requests = sum(len(run.served) for run in runs)
    return Criterion(
        f"{which} waiting at load {runs[0].load:g}, {requests} requests",
        f"{WAIT_RATIO:g}x the ideal queue",
        f"{pooled:.2f}x (runs {min(each):.2f}-{max(each):.2f}){_and(refused)}",
        pooled <= WAIT_RATIO and not refused,
    )


def _emergency(runs: Sequence[Run]) -> Criterion:
    waits_ms = [wait for run in runs for wait in run.measured_waits_ms(Priority.EMERGENCY)]
    ideal_ms = [wait for run in runs for wait in run.ideal_waits_ms(Priority.EMERGENCY)]
    limit_ms = EMERGENCY_SERVICES * runs[0].service_s * 1_000.0
    p95_ms = percentile(waits_ms, 95)
    refused = sum(one.is_refused for run in runs for one in run.served if one.priority is Priority.EMERGENCY)
    return Criterion(
        f"p95 waiting of {len(waits_ms)} emergencies at load {runs[0].load:g}",
        f"{limit_ms:.0f} ms ({EMERGENCY_SERVICES:g} services)",
        f"{p95_ms:.0f} ms (ideal {percentile(ideal_ms, 95):.0f} ms){_and(refused)}",
        p95_ms <= limit_ms and not refused,
    )


def _and(refused: int) -> str:
    return f", {refused} refused" if refused else ""
