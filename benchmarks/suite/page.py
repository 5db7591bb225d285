"""The summary pages, in Markdown: of a run beside what is kept, and of a folder of results alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.suite.catalogue import Benchmark
from benchmarks.suite.comparison import Change, Comparison
from benchmarks.suite.figures import Better, Figure, shown
from benchmarks.suite.places import MissingFigureError
from benchmarks.suite.records import Record, read_records
from benchmarks.suite.results import Result, ResultError
from benchmarks.suite.runner import log_of
from benchmarks.suite.summary import Entry, Summary

_FLAGGED = (Change.REGRESSION, Change.WORSE_DISTURBED)


def run_page(summary: Summary) -> str:
    """Return the page of a run, to be read from the folder of its results."""
    lines = [
        "# Benchmarks",
        "",
        f"{summary.machine}",
        "",
        f"{readable(summary.began_at)}, {summary.seconds / 60:.0f} minutes, `{summary.command}`",
        "",
        f"**Exit code {summary.exit_code}: {summary.verdict()}**",
        "",
        *_table(
            ("benchmark", "ended", "minutes", "result", "output"),
            [
                *(_row_of(entry) for entry in summary.entries),
                *((each.name, "not run", "", "", "") for each in summary.not_run),
            ],
        ),
    ]
    for entry in summary.entries:
        lines += _section_of(entry)
    return "\n".join(lines) + "\n"


def kept_page(folder: Path, benchmarks: Sequence[Benchmark]) -> str:
    """Return the page of a folder of results: what each found, and on what."""
    records = read_records(folder)
    lines = [
        "# Results",
        "",
        "Rendered by `python -m benchmarks --summary-of FOLDER` from the files beside this one.",
        "How to read and repeat them: `benchmarks/README.md`.",
    ]
    absent = []
    for benchmark in benchmarks:
        try:
            result = Result.load(folder / benchmark.result)
        except ResultError:
            absent.append(benchmark.name)
            continue
        lines += _kept_section(benchmark, result, records.get(benchmark.name))
    if absent:
        lines += ["", "## Not here", "", ", ".join(absent)]
    return "\n".join(lines) + "\n"


def readable(moment: str) -> str:
    """Return an ISO 8601 time in UTC for people."""
    return moment[:16].replace("T", " ") + " UTC"


def comparison_cells(comparison: Comparison) -> tuple[str, str, str, str, str]:
    """Return name, new, kept, ratio and what to say of them."""
    ratio = comparison.ratio
    flag = comparison.change.value
    if comparison.problem:
        flag = f"{flag}: {comparison.problem}"
    elif comparison.change in _FLAGGED:
        flag = f"{flag} (limit {comparison.figure.limit:g} times)"
    return (
        comparison.figure.name,
        value_of(comparison.figure, comparison.new),
        value_of(comparison.figure, comparison.kept),
        "" if ratio is None else shown(ratio),
        flag,
    )


def value_of(figure: Figure, value: float | None) -> str:
    """Return a value with its unit; nothing for None."""
    return "" if value is None else f"{shown(value)} {figure.unit}".rstrip()


def _row_of(entry: Entry) -> tuple[str, ...]:
    run = entry.run
    result = f"[{run.benchmark.result}]({run.benchmark.result})" if run.result else ""
    minutes = f"{run.record.seconds / 60:.1f}"
    return run.benchmark.name, run.ending.value, minutes, result, f"[log]({log_of(run.benchmark)})"


def _section_of(entry: Entry) -> Iterator[str]:
    run = entry.run
    yield from _heading(run.benchmark, run.record.command)
    if run.problem:
        yield from ("", f"**{run.ending.value}**: {_plain(run.problem)}")
    if run.result is None:
        return
    if entry.comparisons:
        cells = [comparison_cells(each) for each in entry.comparisons]
        yield ""
        yield from _table(("figure", "new", "kept", "new / kept", ""), cells)
    if entry.kept is not None:
        disturbed = ", disturbed" if entry.kept.disturbed else ""
        yield from ("", f"Kept: commit {entry.kept.commit}{disturbed}; {entry.kept.machine}")
    yield from _remarks(run.result)


def _kept_section(benchmark: Benchmark, result: Result, record: Record | None) -> Iterator[str]:
    yield from _heading(benchmark, record.command if record else result.command)
    taken_at = record.began_at if record else result.taken_at
    date = readable(taken_at) if taken_at else "date not noted"
    yield ""
    yield f"[{benchmark.result}]({benchmark.result}), {date}, commit {result.commit}; {result.machine}"
    if record is not None and record.is_quick:
        yield from ("", "**A quick run**: of too few values to conclude from.")
    if result.disturbed:
        yield from (
            "",
            "**Disturbed** while it was measured; what is listed at the end says less than it could.",
        )
    yield ""
    yield from _table(
        ("figure", "measured", "regression beyond"), [_kept_row(each, result) for each in benchmark.figures]
    )
    yield from _remarks(result)


def _kept_row(figure: Figure, result: Result) -> tuple[str, str, str]:
    try:
        value = value_of(figure, figure.read(result.values))
    except MissingFigureError as error:
        value = str(error)
    return figure.name, value, f"{'×' if figure.better is Better.LOWER else '÷'} {figure.limit:g}"


def _heading(benchmark: Benchmark, command: str | None) -> Iterator[str]:
    """Begin a section. Without a command the result does not say how it came to be."""
    yield from ("", f"## {benchmark.name}", "")
    yield f"{benchmark.answers[0].upper()}{benchmark.answers[1:]}"
    yield ""
    yield f"`{command}`" if command else f"(command not noted; again: `make bench ONLY={benchmark.name}`)"


def _remarks(result: Result) -> Iterator[str]:
    for title, said in (
        ("Targets missed", result.missed),
        ("Disturbed", result.disturbed),
        ("Not possible here", result.impossible),
    ):
        if said:
            yield from ("", f"{title}:", "")
            yield from (f"- {_plain(line)}" for line in said)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield f"| {' | '.join(map(_plain, row))} |"


def _plain(text: str) -> str:
    """Return a text that neither ends a cell nor begins a line."""
    return " ".join(text.split()).replace("|", "\\|")
