"""Capacity results as `raymal capacity` could have written them, with invented figures."""

from __future__ import annotations

from typing import Any

from benchmarks.capacity.judgement import STAGES
from benchmarks.capacity.result import CapacityResult, Machine, Objectives, Service, Step, Workload
from ingress.link.records import LatenessSummary

SERVICES = {
    "transcription": Service(slots=2, mean_ms=400.0, variability=0.25, per_call_minute=6.0),
    "synthesis": Service(slots=2, mean_ms=200.0, variability=0.5, per_call_minute=7.5),
}
"""At 32 calls: 1.28 erlangs of transcription and 0.8 of synthesis."""


def step(calls: float, turn_p95_ms: float | None, **changes: Any) -> Step:
    """Return a step of two minutes, of five turns a minute and call."""
    values: dict[str, Any] = {
        "calls": calls,
        "seconds": 120.0,
        "turns": round(calls * 10),
        "turn_p50_ms": 700.0,
        "turn_p95_ms": turn_p95_ms,
        "turn_p99_ms": None,
        "stages_ms": {"endpoint wait": 250.0, "lease wait": 60.0, "transcription": 300.0, "synthesis": 90.0},
        "lateness": LatenessSummary(frames=100_000, p50_ms=0.1, p99_ms=2.0, p999_ms=5.0, maximum_ms=12.0),
        "underruns": 0,
        "offered_calls": 60,
        "refused_calls": 0,
        "content_errors": 0,
        "cores": {"machine": 1.6},
        "slot_percent": {"transcription": 64.0, "synthesis": 40.0},
        "memory_bytes": 1_500_000_000,
        "broken": (),
        "invalid": (),
    }
    return Step(**(values | changes))


def capacity_result(**changes: Any) -> CapacityResult:
    """Return the result of a machine of two cores that held 32 calls."""
    values: dict[str, Any] = {
        "taken_at": "2026-01-02T03:04:05Z",
        "raymal": "0.1.0",
        "command": "raymal capacity",
        "seed": 1,
        "machine": Machine(name="box", processor="a CPU", cores=2, memory_bytes=8_000_000_000, python="3.11"),
        "models": {"transcription": "whisper base", "synthesis": "hibari"},
        "workload": Workload(speech="recorded", language="en", utterance_s=3.0, period_s=12.0, call_s=60.0),
        "objectives": Objectives(),
        "steps": (step(8, 900.0), step(32, 1_350.0), step(40, 1_900.0, broken=("turn p95",))),
        "confirmed": step(32, 1_400.0),
        "calls_held": 32,
        "limited_by": "transcription slots",
        "headroom_percent": {"media CPU": 60.0},
        "core_s_per_call_minute": 3.0,
        "services": SERVICES,
        "next_limit": "media CPU",
    }
    return CapacityResult(**(values | changes))


def busy_result() -> CapacityResult:
    """Return a measurement of many steps, of which everything was measured."""
    resources = (
        "memory", "manager", "gateway", "media CPU", "transcription slots", "synthesis slots", "machine CPU"
    )  # fmt: skip
    missed = ("turn p95 2000 ms, at most 1500", "5 answers with a hole, at most 0")
    steps = [
        step(
            calls,
            800.0 + 20 * calls,
            turn_p99_ms=900.0 + 30 * calls,
            calls_mean=calls - 0.5,
            stages_ms={name: 20.0 + calls for name in STAGES},
            late_shares=tuple((ms, 0.5**ms) for ms in (0.5, 1.0, 2.0, 5.0, 10.0, 15.0)),
            utilisation_percent={name: calls * share for share, name in enumerate(resources, 1)},
            broken=missed if calls > 36 else (),
            invalid=("the callers were late by 30 ms at p99, at most 20",) if calls == 48 else (),
        )
        for calls in (1, 2, 4, 8, 16, 32, 64, 48, 40, 36)
    ]
    overload = tuple(step(calls, 1_400.0, calls_mean=33.0, refused_calls=20) for calls in (54, 72, 108))
    command = "raymal capacity --report capacity --json " + "/a/very/long/path" * 6 + "/capacity.json"
    return capacity_result(
        steps=tuple(steps), overload=overload, confirmed=steps[-1], calls_held=36, command=command
    )


def nothing_held() -> CapacityResult:
    """Return a measurement in which not even one call was held: one point, and a limit at the very top."""
    lone = step(
        1, None, turn_p50_ms=None, stages_ms={}, broken=("no turn",), calls_mean=0.5,
        utilisation_percent={"machine CPU": 50.0},
    )  # fmt: skip
    return capacity_result(steps=(lone,), confirmed=None, calls_held=0, services={}, headroom_percent={})
