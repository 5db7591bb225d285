"""The results as a table for people and as JSON for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

from rich.table import Table

from benchmarks.harness.outcomes import figure_table
from benchmarks.pacing.measurement import C_LOOP, Measurement
from ingress.caller.listening_quality import PHONE_BUFFER_MS

PERCENTILES = (50.0, 99.0, 99.9, 100.0)


def result_table(results: Sequence[Measurement]) -> Table:
    """Show what the servers used, when the frames came, and what phones had to conceal."""
    table = figure_table(
        "servers side by side",
        "CPU: percent of a core, of the process with the sockets, less work where audio is missing; foreign: "
        "other processes on that core;\nKB: private, beyond the idle server's; p50 to max: lateness, ms; "
        "underruns: of phones with 40, 60 and 100 ms of buffer; concealed: at 60 ms",
        ("server", "calls", "CPU/call", "to C", "foreign", "KB", "p50", "p99", "p99.9", "max", "missing",
         "gaps", "lost", "underruns", "concealed", "PESQ"),
        left=("server",),
    )  # fmt: skip
    for result in results:
        judgement, ratio, score = result.judgement, _cpu_ratio(result, results), result.opinion_score
        table.add_row(
            result.contestant.name,
            str(result.calls),
            f"{result.cpu_percent_per_call:.3f}",
            "" if ratio is None else f"{ratio:.2f}x",
            f"{result.use.foreign_percent:.1f}",
            f"{result.bytes_per_call / 1_000:.0f}",
            *(f"{judgement.lateness_at_ms(percent):.1f}" for percent in PERCENTILES),
            f"{judgement.missing_ratio:.2%}",
            str(judgement.long_gaps),
            str(result.heard.report.lost_calls),
            "/".join(str(phone.underruns) for phone in judgement.phones),
            f"{judgement.phone(PHONE_BUFFER_MS).concealed_ratio:.2%}",
            "" if isnan(score) else f"{score:.2f}",
        )
    return table


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
