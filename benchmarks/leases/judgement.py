"""What the leases have to reach, and what was measured: plain figures in, verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from actors.messages import Priority
from actors.percentiles import percentile
from benchmarks.harness.outcomes import Outcome, at_most, judged
from benchmarks.leases.ideal_queue import waits_s

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


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured."""

    overheads_ms: Sequence[float]
    """A whole transcription by an engine that takes no time, one after the other: lease, dispatch, result."""
    steady: Sequence[Run]
    crowded: Sequence[Run]
    throughput: Throughput
    refusals_ms: Sequence[float]
    """From asking to the refusal, with the queue full."""
    cached_ms: Sequence[float]
    """From a call's UUID on a socket to the first frame of its greeting, which is in the cache."""


def criteria(figures: Figures) -> list[Outcome]:
    """Judge the figures."""
    throughput, cached_ms = figures.throughput, figures.cached_ms
    return [
        at_most("lease and dispatch, p50", OVERHEAD_MS, percentile(figures.overheads_ms, 50), "ms"),
        _waiting("mean", figures.steady),
        _waiting("p95", figures.steady),
        _emergency(figures.crowded),
        judged(
            "leases per second, manager on one core",
            f"{LEASES_PER_S:g}",
            f"{throughput.leases_per_s:.0f} ({throughput.manager_cpu_percent:.0f} % of the core)",
            throughput.leases_per_s >= LEASES_PER_S,
        ),
        at_most("refusal with the queue full, p95", REFUSAL_MS, percentile(figures.refusals_ms, 95), "ms"),
        at_most("UUID to first frame of a cached greeting, p50", CACHED_MS, percentile(cached_ms, 50), "ms"),
    ]


def ratio(which: str, runs: Sequence[Run]) -> float:
    """Return the `mean` or the `p95` of measured over ideal waiting, all requests of the runs together."""
    measured, ideal = (
        fmean(waits_ms) if which == "mean" else percentile(waits_ms, 95)
        for waits_ms in (
            [wait for run in runs for wait in run.measured_waits_ms()],
            [wait for run in runs for wait in run.ideal_waits_ms()],
        )
    )
    return measured / max(ideal, 1e-9)


def _waiting(which: str, runs: Sequence[Run]) -> Outcome:
    each = [ratio(which, [run]) for run in runs]
    pooled = ratio(which, runs)
    refused = sum(run.refused for run in runs)
    return judged(
        f"{which} waiting at load {runs[0].load:g}, {sum(len(run.served) for run in runs)} requests",
        f"{WAIT_RATIO:g}x the ideal queue",
        f"{pooled:.2f}x (runs {min(each):.2f}-{max(each):.2f}){_and(refused)}",
        pooled <= WAIT_RATIO and not refused,
    )


def _emergency(runs: Sequence[Run]) -> Outcome:
    waits_ms = [wait for run in runs for wait in run.measured_waits_ms(Priority.EMERGENCY)]
    ideal_ms = [wait for run in runs for wait in run.ideal_waits_ms(Priority.EMERGENCY)]
    limit_ms = EMERGENCY_SERVICES * runs[0].service_s * 1_000.0
    p95_ms = percentile(waits_ms, 95)
    refused = sum(one.is_refused for run in runs for one in run.served if one.priority is Priority.EMERGENCY)
    return judged(
        f"p95 waiting of {len(waits_ms)} emergencies at load {runs[0].load:g}",
        f"{limit_ms:.0f} ms ({EMERGENCY_SERVICES:g} services)",
        f"{p95_ms:.0f} ms (ideal {percentile(ideal_ms, 95):.0f} ms){_and(refused)}",
        p95_ms <= limit_ms and not refused,
    )


def _and(refused: int) -> str:
    return f", {refused} refused" if refused else ""


def as_json(figures: Figures) -> dict[str, Any]:
    """Return everything that was measured, with the ideal waits beside."""
    return {
        "overheads_ms": _rounded(figures.overheads_ms),
        "refusals_ms": _rounded(figures.refusals_ms),
        "cached_ms": _rounded(figures.cached_ms),
        "throughput": asdict(figures.throughput),
        "runs": [
            {
                "load": run.load,
                "service_s": run.service_s,
                "slots": run.slots,
                "priority": [one.priority for one in run.served],
                "wait_ms": _rounded(run.measured_waits_ms()),
                "ideal_wait_ms": _rounded(run.ideal_waits_ms()),
                "processing_ms": _rounded([one.processing_ms for one in run.served]),
                "refused": run.refused,
            }
            for run in (*figures.steady, *figures.crowded)
        ],
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in values]
