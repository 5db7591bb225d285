"""The results as a line for people and as JSON for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

from benchmarks.pacing.measurement import C_LOOP, Measurement
from ingress.caller.listening_quality import PHONE_BUFFER_MS

PERCENTILES = (50.0, 99.0, 99.9, 100.0)


def summary(result: Measurement) -> str:
    """Return a measurement in one line."""
    judgement = result.judgement
    late = ", ".join(f"{judgement.lateness_at_ms(percent):.1f}" for percent in PERCENTILES)
    return (
        f"{result.contestant.name}, {result.calls} calls: {result.cpu_percent_per_call:.3f} % of a core and "
        f"{result.bytes_per_call / 1_000:.0f} KB a call; lateness p50, p99, p99.9, max {late} ms; "
        f"{judgement.holes} underruns at {PHONE_BUFFER_MS:.0f} ms, {judgement.missing_ratio:.2%} missing, "
        f"{result.heard.report.lost_calls} calls lost, PESQ {result.opinion_score:.2f}"
    )


def as_json(results: Sequence[Measurement]) -> dict[str, Any]:
    """Return every figure, without the frames themselves."""
    return {
        "is_valid": not any(result.invalid_because() for result in results),
        "results": [_result(result, results) for result in results],
    }


def _cpu_ratio(result: Measurement, results: Sequence[Measurement]) -> float | None:
    """Return a result's CPU per call over the C loop's at as many calls; None if that did not run."""
    for other in results:
        if other.contestant is C_LOOP and other.calls == result.calls and other.cpu_percent_per_call:
            return result.cpu_percent_per_call / other.cpu_percent_per_call
    return None


def _result(result: Measurement, results: Sequence[Measurement]) -> dict[str, Any]:
    judgement = result.judgement
    return {
        "server": result.contestant.name,
        "frame_ms": result.contestant.frame_ms,
        "interval_ms": result.contestant.interval_ms,
        "calls": result.calls,
        "measured_s": result.load.measured_s,
        "frames": judgement.frames,
        "cpu_percent_per_call": _figure(result.cpu_percent_per_call),
        "cpu_ratio_to_c_loop": _figure(_cpu_ratio(result, results)),
        "bytes_per_call": round(result.bytes_per_call),
        "lateness_ms": {
            f"p{percent:g}": _figure(judgement.lateness_at_ms(percent)) for percent in PERCENTILES
        },
        "phones": [asdict(phone) for phone in judgement.phones],
        "missing_ratio": _figure(judgement.missing_ratio),
        "long_gaps": judgement.long_gaps,
        "foreign_messages": judgement.foreign_messages,
        "lost_calls": result.heard.report.lost_calls,
        "pesq_nb": _figure(result.opinion_score),
        "measurements": [
            {
                "invalid_because": result.invalid_because(),
                "use": asdict(result.use),
                "generator": asdict(result.heard.report),
            }
        ],
    }


def _figure(value: float | None) -> float | None:
    """Return what JSON can hold, at a sensible length."""
    return None if value is None or isnan(value) else round(value, 5)
