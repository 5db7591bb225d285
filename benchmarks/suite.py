"""Runs benchmarks one after the other, never two at once: each needs the machine for itself.

`python -m benchmarks`. Each benchmark is a process in a session of its own, so that Ctrl-C in a terminal
reaches the suite alone, which then asks the benchmark to end and waits: it has servers of its own to stop.

Exit code 0: all well; 1: a target was missed, or a figure is worse than the kept one by more than its limit;
2: something could not be measured or was disturbed; 130: interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from math import floor, log10
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.markdown import Markdown

from benchmarks.catalogue import Benchmark, Figure, chosen
from benchmarks.comparison import Change, Result, compare

LOOK_S = 5.0
"""Between two lines of progress: they cost time on the machine that is measured."""
HANGS_AFTER = 3.0
"""Times as long as it should take, and some minutes for a slow start."""
SLOW_START_MINUTES = 5.0
STOP_DEADLINES_S = {signal.SIGINT: 40.0, signal.SIGTERM: 10.0}
"""After each signal, before the next; at last everything that the benchmark has started is killed."""
RECORDS = "runs.json"
"""Beside the results: when, for how long, by which command."""
INTERRUPTED = 130
LOG_CHARACTERS = 300
"""Of a log's end that are quoted."""


class Ending(Enum):
    """How a benchmark ended."""

    WELL = "well"
    MISSED = "a target missed"
    DISTURBED = "disturbed"
    NOT_MEASURED = "not measured"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not run"

    @classmethod
    def of(cls, exit_code: int | None, result: Result | None) -> Ending:
        """Return how a benchmark ended: its exit code counts if its result has the reason for it."""
        if result is not None and exit_code == 0:
            return cls.WELL
        if result is not None and exit_code == 1 and result.missed:
            return cls.MISSED
        if result is not None and exit_code == 2 and result.disturbed:
            return cls.DISTURBED
        return cls.NOT_MEASURED


@dataclass(frozen=True, slots=True)
class Record:
    """When and how a benchmark was run; kept beside its result."""

    command: str
    began_at: str
    """ISO 8601, UTC."""
    seconds: float
    exit_code: int | None
    is_quick: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark of the suite."""

    benchmark: Benchmark
    ending: Ending = Ending.NOT_RUN
    result: Result | None = None
    record: Record | None = None
    problem: str = ""
    kept: Result | None = None
    """None also for a quick run, of which nothing is compared."""

    @property
    def is_whole(self) -> bool:
        """Whether it was run, and not as a quick run."""
        return self.record is not None and not self.record.is_quick

    @property
    def changes(self) -> dict[Figure, Change]:
        """Every headline figure, and what it is beside the kept one."""
        result = self.result
        return {each: compare(each, result, self.kept) for each in self.benchmark.figures if result}


async def run_one(benchmark: Benchmark, into: Path, is_quick: bool, interrupted: asyncio.Event) -> Run:
    """Run a benchmark; its output goes to NAME.log. An old result is removed, so that it is not read."""
    file, log = into / f"{benchmark.name}.json", into / f"{benchmark.name}.log"
    file.unlink(missing_ok=True)
    minutes = benchmark.lasts_minutes(is_quick)
    limit_s = 60.0 * (HANGS_AFTER * minutes + SLOW_START_MINUTES)
    command = benchmark.command(into, is_quick)
    began_at, began_s, passed_s = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic(), 0.0
    with log.open("wb") as output:
        environment = os.environ | {"COLUMNS": "140"}
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=output, stderr=STDOUT, env=environment, start_new_session=True
        )
    waiting = {asyncio.create_task(process.wait()), asyncio.create_task(interrupted.wait())}
    try:
        while passed_s < limit_s:
            done, _ = await asyncio.wait(waiting, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            passed_s = time.monotonic() - began_s
            if done:
                break
            if sys.stdout.isatty():
                print(f"\r  {passed_s / 60:.1f} of about {minutes:g} minutes ", end="", flush=True)
    finally:
        await stop(process)
        for task in waiting:
            task.cancel()
    record = Record(
        command=shlex.join(["python", *command[1:]]),
        began_at=began_at,
        seconds=round(time.monotonic() - began_s, 1),
        exit_code=process.returncode,
        is_quick=is_quick and benchmark.quick is not None,
    )
    if interrupted.is_set():
        return Run(benchmark, Ending.INTERRUPTED, None, record)
    if passed_s >= limit_s:
        problem = f"stopped: not over after {passed_s / 60:.0f} minutes"
        return Run(benchmark, Ending.NOT_MEASURED, None, record, problem)
    result = Result.load(file)
    ending, problem = Ending.of(process.returncode, result), ""
    if ending is Ending.NOT_MEASURED:
        text = " ".join(log.read_text(encoding="utf-8", errors="replace").split())
        problem = f"exit code {process.returncode}; {text[-LOG_CHARACTERS:]}"
    return Run(benchmark, ending, result, record, problem)


async def stop(process: Process) -> None:
    """End a process: ask as Ctrl-C does, ask again, kill it and what it has left running."""
    family: set[psutil.Process] = set()
    for number, deadline_s in STOP_DEADLINES_S.items():
        if process.returncode is not None:
            break
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            parent = psutil.Process(process.pid)
            family |= {parent, *parent.children(recursive=True)}
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), deadline_s)
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # also if its number is another's by now
            each.kill()
    await process.wait()


async def run_all(benchmarks: Sequence[Benchmark], into: Path, kept: Path, is_quick: bool) -> list[Run]:
    """Run benchmarks in order. SIGINT, SIGTERM or SIGHUP end the one under way and leave out the rest."""
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    runs = [Run(each) for each in benchmarks]
    left = sum(each.lasts_minutes(is_quick) for each in benchmarks)
    for place, benchmark in enumerate(benchmarks):
        if interrupted.is_set():
            break
        print(f"{benchmark.name} ({place + 1} of {len(runs)}), about {left:.0f} minutes left", flush=True)
        run = await run_one(benchmark, into, is_quick, interrupted)
        left -= benchmark.lasts_minutes(is_quick)
        print(f"\r  {run.ending.value}  {run.problem}", flush=True)
        before = Result.load(kept / f"{benchmark.name}.json") if run.is_whole else None
        runs[place] = replace(run, kept=before)
        add_records(into, [run])
    return runs


def verdict(runs: Sequence[Run]) -> tuple[int, str]:
    """Return the exit code and its reasons."""

    def names(those: Iterator[Run]) -> str:
        return ", ".join(run.benchmark.name for run in those)

    endings = {each: names(run for run in runs if run.ending is each) for each in Ending}
    worse = names(run for run in runs if Change.REGRESSION in run.changes.values())
    missing = names(run for run in runs if run.is_whole and Change.MISSING in run.changes.values())
    del endings[Ending.WELL]
    reasons = {"a regression": worse} | {each.value: those for each, those in endings.items()}
    text = "; ".join(
        f"{each}: {those}" for each, those in (reasons | {"incomplete": missing}).items() if those
    )
    if endings[Ending.INTERRUPTED] or endings[Ending.NOT_RUN]:
        return INTERRUPTED, text
    if worse or endings[Ending.MISSED]:
        return 1, text
    return (2, text) if text else (0, "all well")


def page(title: str, runs: Sequence[Run]) -> str:
    """Return what runs found, in Markdown, to be read from the folder of their results."""
    return "\n".join([f"# {title}", *(line for run in runs for line in _section(run))]) + "\n"


def _section(run: Run) -> Iterator[str]:
    name, record, result = run.benchmark.name, run.record, run.result
    yield from ("", f"## {name}", "", f"{run.benchmark.answers[0].upper()}{run.benchmark.answers[1:]}", "")
    yield f"`{record.command}`" if record else f"`make bench ONLY={name}`"
    if run.problem or run.ending not in (Ending.WELL, Ending.NOT_RUN):
        yield from ("", f"**{run.ending.value}** {_plain(run.problem)}".rstrip())
    if result is None:
        return
    date = f"{record.began_at[:16].replace('T', ' ')} UTC, " if record else ""
    yield from ("", f"[{name}.json]({name}.json), {date}{result}", "")
    yield from ("| figure | measured | regression beyond | kept |", "|---|---|---|---|")
    for figure, change in run.changes.items():
        limit = f"{'÷' if figure.more_is_better else '×'} {figure.limit:g}"
        kept = f"{_value(figure, run.kept)}: {change.value}" if run.kept else ""
        yield f"| {figure.name} | {_value(figure, result)} | {limit} | {kept} |"
    remarks = {"Targets missed": result.missed, "Disturbed": result.disturbed}
    for heading, lines in (remarks | {"Not possible here": result.impossible}).items():
        if lines:
            yield from ("", f"{heading}:", "", *(f"- {_plain(line)}" for line in lines))


def _value(figure: Figure, result: Result | None) -> str:
    value = figure.read(result.values) if result else None
    if value is None:
        return "-"
    decimals = max(0, 2 - floor(log10(abs(value)))) if value else 0  # three digits that matter
    text = f"{value:,.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {figure.unit}".rstrip()


def _plain(text: str) -> str:
    """Return a text that neither ends a cell nor begins a line."""
    return " ".join(text.split()).replace("|", "\\|")


def read_records(folder: Path) -> dict[str, Record]:
    """Return a folder's records by benchmark; none if there are none, or not in this form."""
    try:
        found = json.loads((folder / RECORDS).read_text(encoding="utf-8"))
        return {name: Record(**fields) for name, fields in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def add_records(folder: Path, runs: Sequence[Run]) -> None:
    """Write records beside those of other benchmarks."""
    merged = read_records(folder) | {run.benchmark.name: run.record for run in runs if run.record}
    text = json.dumps({name: asdict(record) for name, record in sorted(merged.items())}, indent=2)
    (folder / RECORDS).write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Suite:
    """What there is to run, and where results and pictures are kept."""

    benchmarks: Sequence[Benchmark]
    kept: Path
    images: Path

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run what is asked for and return the exit code."""
        options = self._options(arguments)
        if options.list:
            for each in self.benchmarks:
                print(f"{each.name:10}{each.minutes:4g} min {' ' if each.is_default else '*'} {each.answers}")
            print("*: only when named")
            return 0
        options.into.mkdir(parents=True, exist_ok=True)
        runs = asyncio.run(run_all(options.only, options.into, self.kept, options.quick))
        code, reasons = verdict(runs)
        summary = page(f"Benchmarks: exit code {code}: {reasons}", runs)
        (options.into / "summary.md").write_text(summary, encoding="utf-8")
        Console().print(Markdown(summary))
        if options.json is not None:
            found = {"exit_code": code, "verdict": reasons, "benchmarks": [_as_json(run) for run in runs]}
            options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        if options.keep:
            self._keep(runs, options.into)
        return code

    def kept_page(self) -> str:
        """Return the page of the results that are kept."""
        records = read_records(self.kept)
        loaded = {each: Result.load(self.kept / f"{each.name}.json") for each in self.benchmarks}
        runs = [
            Run(each, result=found, record=records.get(each.name)) for each, found in loaded.items() if found
        ]
        return page("Results", runs)

    def _keep(self, runs: Sequence[Run], into: Path) -> None:
        """Put what was measured in the place of the kept results; what was disturbed as well."""
        measured = [run for run in runs if run.ending in (Ending.WELL, Ending.MISSED, Ending.DISTURBED)]
        for run in measured:
            result = f"{run.benchmark.name}.json"
            shutil.copyfile(into / result, self.kept / result)
            for picture in run.benchmark.pictures:
                (self.images / picture).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(into / picture, self.images / picture)
        add_records(self.kept, measured)
        (self.kept / "README.md").write_text(self.kept_page(), encoding="utf-8")

    def _options(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        parser = argparse.ArgumentParser(
            prog="python -m benchmarks",
            description="All benchmarks one after the other, beside the kept results of this machine kind.",
        )
        parser.add_argument("--only", metavar="A,B", help="these, not the default set (--list has the names)")
        parser.add_argument("--quick", action="store_true", help="shorter runs, of which nothing is compared")
        parser.add_argument("--into", type=Path, default="bench", metavar="DIR", help="for results and logs")
        parser.add_argument("--keep", action="store_true", help="put the new results in the kept ones' place")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary there as well")
        parser.add_argument("--list", action="store_true", help="show the benchmarks and run none")
        options = parser.parse_args(arguments)
        try:
            options.only = chosen(self.benchmarks, options.only)
        except ValueError as error:
            parser.error(str(error))
        if options.keep and options.quick:
            parser.error("--keep is for whole runs: leave out --quick")
        return options


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "name": run.benchmark.name,
        "ending": run.ending.name.lower(),
        "problem": run.problem,
        "record": asdict(run.record) if run.record else None,
        "figures": {
            figure.name: {
                "new": figure.read(run.result.values) if run.result else None,
                "kept": figure.read(run.kept.values) if run.kept else None,
                "change": change.name.lower(),
            }
            for figure, change in run.changes.items()
        },
    }
