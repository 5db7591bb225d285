"""The results as tables for people and as JSON for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

from rich.table import Table

from benchmarks.harness.arrivals import PHONE_BUFFERS_MS
from benchmarks.harness.outcomes import figure_table
from benchmarks.pacing.measurement import C_LOOP, Measurement

PERCENTILES = (50.0, 99.0, 99.9, 100.0)


def tables(results: Sequence[Measurement]) -> list[Table]:
    """Show what the servers used, when the frames came, and what phones had to conceal."""
    cost = figure_table(
        "what a call costs the server",
        "CPU: percent of a core, of the process with the sockets; others: of its other processes;\n"
        "foreign: other processes on that core; stolen: taken by the host; KB: private, beyond the idle\n"
        "server's. Where audio is missing (next table) the CPU is that of less than the whole work.",
        ("server", "calls", "CPU/call", "user", "system", "to C", "others", "foreign", "stolen", "KB"),
        left=("server",),
    )
    lateness = figure_table(
        "when the audio came",
        "lateness: ms behind the call's own best timeline, all frames of all calls; "
        "gaps: arrivals 100 ms apart; lost: calls that the server ended or never answered",
        ("server", "calls", "p50", "p99", "p99.9", "max", "missing", "gaps", "lost"),
        left=("server",),
    )
    phones = figure_table(
        "what the phones heard",
        "underruns and concealed share of the playing time, by the phone's buffer; "
        "PESQ: a prompt as the 60 ms phone played it, 4.55 is a perfect copy",
        ("server", "calls", *(f"{buffer_ms:.0f} ms" for buffer_ms in PHONE_BUFFERS_MS), "PESQ"),
        left=("server",),
    )
    for number, result in enumerate(results, 1):
        name = (result.contestant.name, str(result.calls))
        ends_section = number < len(results) and results[number].calls != result.calls
        for table, cells in (
            (cost, _cost(result, results)),
            (lateness, _lateness(result)),
            (phones, _phones(result)),
        ):
            table.add_row(*name, *cells, end_section=ends_section)
    return [cost, lateness, phones]


def as_json(results: Sequence[Measurement]) -> dict[str, Any]:
    """Return every figure, without the frames themselves."""
    return {
        "is_valid": not any(result.invalid_because() for result in results),
        "results": [_result(result, results) for result in results],
    }


def _cost(result: Measurement, results: Iterable[Measurement]) -> Iterable[str]:
    ratio = _cpu_ratio(result, results)
    return (
        f"{result.cpu_percent_per_call:.3f}",
        f"{result.usage.user_percent / result.calls:.3f}",
        f"{result.usage.system_percent / result.calls:.3f}",
        "" if ratio is None else f"{ratio:.2f}x",
        f"{result.usage.others_percent:.1f}",
        f"{result.usage.foreign_percent:.1f}",
        f"{result.usage.stolen_percent:.1f}",
        f"{result.bytes_per_call / 1_000:.0f}",
    )


def _lateness(result: Measurement) -> Iterable[str]:
    judgement = result.judgement
    return (
        *(f"{judgement.lateness_at_ms(percent):.1f}" for percent in PERCENTILES),
        f"{judgement.missing_ratio:.2%}",
        str(judgement.long_gaps),
        str(result.heard.report.lost_calls),
    )


def _phones(result: Measurement) -> Iterable[str]:
    score = result.opinion_score
    cells = (f"{phone.underruns} {phone.concealed_ratio:>7.2%}" for phone in result.judgement.phones)
    return (*cells, "" if isnan(score) else f"{score:.2f}")


def _cpu_ratio(result: Measurement, results: Iterable[Measurement]) -> float | None:
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
        "user_percent_per_call": _figure(result.usage.user_percent / result.calls),
        "system_percent_per_call": _figure(result.usage.system_percent / result.calls),
        "cpu_ratio_to_c_loop": _figure(_cpu_ratio(result, results)),
        "others_cpu_percent": _figure(result.usage.others_percent),
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
                "usage": asdict(result.usage),
                "generator": asdict(result.heard.report),
                "pesq_nb": [_figure(score) for score in result.opinion_scores],
            }
        ],
    }


def _figure(value: float | None) -> float | None:
    """Return what JSON can hold, at a sensible length."""
    return None if value is None or isnan(value) else round(value, 5)
