"""The figures as tables for people and as JSON for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from actors.percentiles import percentile
from benchmarks.harness.outcomes import figure_table
from benchmarks.leases.judgement import Figures, Run, summary_ms

PERCENTILES = (50.0, 95.0, 99.0, 100.0)


def waiting_table(runs: Sequence[Run]) -> Table:
    """Show the waits of every run beside those of the ideal queue."""
    table = figure_table(
        "waiting for a slot, ms",
        "each run has its own arrivals; ideal: a queue without costs on the same arrivals",
        ("load", "class", "requests", "mean", "ideal", "ratio", "p95", "ideal", "ratio"),
        left=("class",),
    )
    for run in runs:
        for priority in sorted({one.priority for one in run.served}, key=lambda each: each.rank):
            measured, ideal = run.measured_waits_ms(priority), run.ideal_waits_ms(priority)
            cells: list[str] = []
            for which in ("mean", "p95"):
                one, other = summary_ms(which, measured), summary_ms(which, ideal)
                cells += [f"{one:.0f}", f"{other:.0f}", f"{one / other:.2f}" if other else ""]
            table.add_row(f"{run.load:g}", priority, str(len(measured)), *cells)
    return table


def cost_table(figures: Figures) -> Table:
    """Show what leases and refusals cost."""
    throughput = figures.throughput
    table = figure_table(
        "what it costs, ms",
        f"manager: {throughput.cpu_ms_per_lease:.2f} ms of CPU per lease and report, "
        f"{throughput.leases} leases in {throughput.seconds:.1f} s",
        ("", "count", "p50", "p95", "p99", "max"),
        left=("",),
    )
    services = [one.processing_ms for run in figures.steady for one in run.served if not one.is_refused]
    for name, values in (
        ("lease, dispatch, result; engine of 0 ms", figures.overheads_ms),
        (
            "work beyond the engine's own time",
            [each - figures.steady[0].service_s * 1_000.0 for each in services],
        ),
        ("refusal, queue full", figures.refusals_ms),
        ("UUID to first frame of a cached greeting", figures.cached_ms),
    ):
        table.add_row(name, str(len(values)), *(f"{percentile(values, each):.1f}" for each in PERCENTILES))
    return table


def as_json(figures: Figures) -> dict[str, Any]:
    """Return everything that was measured, with the ideal waits beside."""
    return {
        "overheads_ms": _rounded(figures.overheads_ms),
        "refusals_ms": _rounded(figures.refusals_ms),
        "cached_ms": _rounded(figures.cached_ms),
        "throughput": asdict(figures.throughput),
        "runs": [_run_as_json(run) for run in (*figures.steady, *figures.crowded)],
    }


def _run_as_json(run: Run) -> dict[str, Any]:
    start_s = min(one.asked_s for one in run.served)
    return {
        "load": run.load,
        "service_s": run.service_s,
        "slots": run.slots,
        "asked_s": [round(one.asked_s - start_s, 4) for one in run.served],
        "priority": [one.priority for one in run.served],
        "wait_ms": _rounded(run.measured_waits_ms()),
        "ideal_wait_ms": _rounded(run.ideal_waits_ms()),
        "processing_ms": _rounded([one.processing_ms for one in run.served]),
        "refused": run.refused,
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in values]
