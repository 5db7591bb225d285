"""The same for a terminal: one table of figures, then what was missed, disturbed or not measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from benchmarks.suite.catalogue import Benchmark
from benchmarks.suite.comparison import Change
from benchmarks.suite.page import comparison_cells
from benchmarks.suite.summary import Entry, Summary

_COLOURS = {
    Change.REGRESSION: "red",
    Change.WORSE_DISTURBED: "yellow",
    Change.MISSING: "yellow",
    Change.BETTER: "green",
}


def summary_table(summary: Summary) -> Iterator[RenderableType]:
    """Yield what to print of a run."""
    yield _figures(summary)
    for entry in summary.entries:
        yield from _remarks(entry)
    if summary.not_run:
        yield f"not run: {', '.join(each.name for each in summary.not_run)}"
    colour = "green" if summary.exit_code == 0 else "red" if summary.exit_code == 1 else "yellow"
    yield f"[{colour}]exit code {summary.exit_code}[/]: {escape(summary.verdict())}"


def benchmark_table(benchmarks: Sequence[Benchmark]) -> Table:
    """Show what there is to run."""
    table = Table(box=SIMPLE_HEAD, caption="*: only when named; root: best or only as root")
    for heading in ("name", "answers", "minutes", "quick", ""):
        table.add_column(heading, justify="right" if heading in ("minutes", "quick") else "left")
    for each in benchmarks:
        table.add_row(
            each.name if each.is_default else f"{each.name} *",
            each.answers,
            f"{each.minutes:g}",
            "" if each.quick is None else f"{each.quick_minutes:g}",
            "root" if each.needs_root else "",
        )
    return table


def _figures(summary: Summary) -> Table:
    table = Table(box=SIMPLE_HEAD, title="figures, beside those that are kept")
    for heading in ("benchmark", "figure", "new", "kept", "new / kept", ""):
        table.add_column(heading, justify="right" if heading.startswith(("new", "kept")) else "left")
    for entry in summary.entries:
        for each in entry.comparisons:
            *cells, flag = map(escape, comparison_cells(each))
            colour = _COLOURS.get(each.change)
            table.add_row(
                entry.run.benchmark.name if each is entry.comparisons[0] else "",
                *cells,
                f"[{colour}]{flag}[/]" if colour else flag,
                end_section=each is entry.comparisons[-1],
            )
    return table


def _remarks(entry: Entry) -> Iterator[str]:
    name, result = entry.run.benchmark.name, entry.run.result
    if entry.run.problem:
        yield f"{name}: [yellow]{entry.run.ending.value}[/]: {escape(entry.run.problem)}"
    if result is not None:
        yield from (f"{name}: [red]missed[/]: {escape(line)}" for line in result.missed)
        yield from (f"{name}: [yellow]disturbed[/]: {escape(line)}" for line in result.disturbed)
        yield from (f"{name}: not possible here: {escape(line)}" for line in result.impossible)
