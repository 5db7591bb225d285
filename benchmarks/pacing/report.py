"""The results as tables for people and as JSON for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.pacing.judgement import PHONE_BUFFERS_MS
from benchmarks.pacing.measurement import Measurement, Result
from benchmarks.pacing.servers import C_LOOP
from benchmarks.pacing.targets import Target

PERCENTILES = (50.0, 99.0, 99.9, 100.0)


def cost_table(results: Sequence[Result]) -> Table:
    """Show what the servers used."""
    table = Table(
        box=SIMPLE_HEAD,
        title="what a call costs the server",
        caption="CPU: percent of a core, of the process with the sockets; others: of its other processes;\n"
        "strangers: somebody else on that core; stolen: taken by the host; KB: private, beyond the idle\n"
        "server's. Where audio is missing (next table) the CPU is that of less than the whole work.",
    )
    headings = ("CPU/call", "user", "system", "to C", "others", "strangers", "stolen", "KB")
    for heading in ("server", "calls", *headings):
        _add_column(table, heading)
    for result in results:
        ratio = cpu_ratio(result, results)
        table.add_row(
            result.contestant.name,
            str(result.calls),
            f"{result.cpu_percent_per_call:.3f}",
            f"{result.user_percent_per_call:.3f}",
            f"{result.system_percent_per_call:.3f}",
            "" if ratio is None else f"{ratio:.2f}x",
            f"{result.others_percent:.1f}",
            f"{result.strangers_percent:.1f}",
            f"{result.stolen_percent:.1f}",
            f"{result.bytes_per_call / 1_000:.0f}",
            end_section=_ends_section(result, results),
        )
    return table


def lateness_table(results: Sequence[Result]) -> Table:
    """Show when the frames came."""
    table = Table(
        box=SIMPLE_HEAD,
        title="when the audio came",
        caption="lateness: ms behind the call's own best timeline, all frames of all calls; "
        "gaps: arrivals 100 ms apart; lost: calls that the server ended or never answered",
    )
    for heading in ("server", "calls", "p50", "p99", "p99.9", "max", "missing", "gaps", "lost"):
        _add_column(table, heading)
    for result in results:
        judgement = result.judgement
        table.add_row(
            result.contestant.name,
            str(result.calls),
            *(f"{judgement.lateness_at_ms(percent):.1f}" for percent in PERCENTILES),
            f"{judgement.missing_ratio:.2%}",
            str(judgement.long_gaps),
            str(lost_calls(result)),
            end_section=_ends_section(result, results),
        )
    return table


def phone_table(results: Sequence[Result]) -> Table:
    """Show what phones had to conceal."""
    table = Table(
        box=SIMPLE_HEAD,
        title="what the phones heard",
        caption="underruns and concealed share of the playing time, by the phone's buffer; "
        "PESQ: a prompt as the 60 ms phone played it, 4.55 is a perfect copy",
    )
    for heading in ("server", "calls"):
        _add_column(table, heading)
    for buffer_ms in PHONE_BUFFERS_MS:
        _add_column(table, f"{buffer_ms:.0f} ms")
    _add_column(table, "PESQ")
    for result in results:
        cells = [f"{phone.underruns} {phone.concealed_ratio:>7.2%}" for phone in result.judgement.phones]
        score = result.opinion_score
        table.add_row(
            result.contestant.name,
            str(result.calls),
            *cells,
            "" if isnan(score) else f"{score:.2f}",
            end_section=_ends_section(result, results),
        )
    return table


def target_table(judged: Iterable[Target]) -> Table:
    """Show which targets were met."""
    table = Table("target", "at most", "measured", "", title="targets", box=SIMPLE_HEAD)
    for target in judged:
        verdict = "[green]PASS[/]" if target.is_met else "[red]MISS[/]"
        table.add_row(target.name, target.limit, target.measured, verdict)
    return table


def as_json(results: Sequence[Result], judged: Sequence[Target]) -> dict[str, Any]:
    """Return every figure, without the frames themselves."""
    return {
        "is_valid": not any(result.invalid_because() for result in results),
        "targets": [asdict(target) for target in judged],
        "results": [_result(result, results) for result in results],
    }


def cpu_ratio(result: Result, results: Iterable[Result]) -> float | None:
    """Return a result's CPU per call over the C loop's at as many calls; None if that did not run."""
    for other in results:
        if other.contestant == C_LOOP and other.calls == result.calls and other.cpu_percent_per_call:
            return result.cpu_percent_per_call / other.cpu_percent_per_call
    return None


def lost_calls(result: Result) -> int:
    """Return how many calls the server ended or did not answer."""
    reports = [each.generator for each in result.measurements]
    return sum(max(report.ended_calls, report.unanswered_calls) for report in reports)


def _add_column(table: Table, heading: str) -> None:
    table.add_column(heading, justify="left" if heading == "server" else "right", no_wrap=True)


def _ends_section(result: Result, results: Sequence[Result]) -> bool:
    at = next(index for index, each in enumerate(results) if each is result)
    return at + 1 < len(results) and results[at + 1].calls != result.calls


def _result(result: Result, results: Sequence[Result]) -> dict[str, Any]:
    judgement = result.judgement
    return {
        "server": result.contestant.name,
        "frame_ms": result.contestant.frame_ms,
        "interval_ms": result.contestant.interval_ms,
        "calls": result.calls,
        "measured_s": result.measurements[0].load.measured_s,
        "repetitions": len(result.measurements),
        "frames": judgement.frames,
        "cpu_percent_per_call": _figure(result.cpu_percent_per_call),
        "user_percent_per_call": _figure(result.user_percent_per_call),
        "system_percent_per_call": _figure(result.system_percent_per_call),
        "cpu_ratio_to_c_loop": _figure(cpu_ratio(result, results)),
        "others_cpu_percent": _figure(result.others_percent),
        "bytes_per_call": round(result.bytes_per_call),
        "lateness_ms": {
            f"p{percent:g}": _figure(judgement.lateness_at_ms(percent)) for percent in PERCENTILES
        },
        "phones": [asdict(phone) for phone in judgement.phones],
        "missing_ratio": _figure(judgement.missing_ratio),
        "long_gaps": judgement.long_gaps,
        "foreign_messages": judgement.foreign_messages,
        "lost_calls": lost_calls(result),
        "pesq_nb": _figure(result.opinion_score),
        "measurements": [_measurement(each) for each in result.measurements],
    }


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "invalid_because": measurement.invalid_because(),
        "usage": asdict(measurement.usage),
        "generator": asdict(measurement.generator),
        "pesq_nb": [_figure(score) for score in measurement.opinion_scores],
    }


def _figure(value: float | None) -> float | None:
    """Return what JSON can hold, at a sensible length."""
    return None if value is None or isnan(value) else round(value, 5)
