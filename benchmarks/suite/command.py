"""The command line of the suite: which benchmarks, where to, what to keep.

Exit code 0: all well; 1: a target was missed, or a figure fell behind the kept one beyond its limit; 2:
something could not be measured or was disturbed; 130: interrupted.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.harness.machine import Machine
from benchmarks.suite.catalogue import Benchmark, chosen, total_minutes
from benchmarks.suite.interruption import Interruption
from benchmarks.suite.keeping import keep, write_page
from benchmarks.suite.page import run_page
from benchmarks.suite.progress import SuiteProgress
from benchmarks.suite.records import add_records
from benchmarks.suite.runner import Run, run_in_turn
from benchmarks.suite.summary import Entry, Summary
from benchmarks.suite.table import benchmark_table, summary_table

INTO = Path("bench")
PAGE = "summary.md"
PACKAGES = ("faster-whisper", "hibari-tts", "ray", "uvloop")
"""Whose versions head the summary; each result has its own."""
LEAST_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Suite:
    """What there is to run, and where results and pictures are kept."""

    benchmarks: tuple[Benchmark, ...]
    kept: Path
    images: Path

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run what is asked for and return the exit code."""
        options = self._options(arguments)
        console = Console(width=max(LEAST_WIDTH, Console().width))
        if options.list:
            console.print(benchmark_table(self.benchmarks))
            return 0
        if options.summary_of is not None:
            page = write_page(options.summary_of, self.benchmarks)
            console.print(f"written: {page}", highlight=False, soft_wrap=True)
            return 0
        command = shlex.join(
            ["python", "-m", "benchmarks", *(sys.argv[1:] if arguments is None else arguments)]
        )
        with Interruption() as interruption:
            summary = self._run(options, command, console, interruption)
        for each in summary_table(summary):
            console.print(each, highlight=False, soft_wrap=isinstance(each, str))
        into: Path = options.into
        (into / PAGE).write_text(run_page(summary), encoding="utf-8")
        if options.json is not None:
            options.json.write_text(json.dumps(summary.as_json(), indent=2) + "\n", encoding="utf-8")
        console.print(f"written: {into / PAGE}", highlight=False, soft_wrap=True)
        if options.keep:
            names = keep([entry.run for entry in summary.entries], into, self.kept, self.images)
            write_page(self.kept, self.benchmarks)
            console.print(f"kept: {', '.join(names) or 'nothing'}", highlight=False)
        return summary.exit_code

    def _run(
        self, options: argparse.Namespace, command: str, console: Console, interruption: Interruption
    ) -> Summary:
        benchmarks: tuple[Benchmark, ...] = options.only
        into: Path = options.into
        machine = Machine.this(PACKAGES)
        began_at = datetime.now(UTC).isoformat(timespec="seconds")
        console.print(
            f"{machine}; about {total_minutes(benchmarks, options.quick):.0f} minutes", highlight=False
        )
        runs: list[Run] = []
        with SuiteProgress(benchmarks, options.quick, console) as progress:
            for run in run_in_turn(benchmarks, into, options.quick, progress, interruption):
                runs.append(run)
                add_records(into, {run.benchmark.name: run.record})
        entries = tuple(Entry.of(run, self.kept) for run in runs)
        return Summary(machine, began_at, command, entries, benchmarks[len(runs) :])

    def _options(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        parser = argparse.ArgumentParser(
            prog="python -m benchmarks",
            description="All benchmarks one after the other, beside the kept results of this machine kind.",
        )
        parser.add_argument("--only", metavar="A,B", help="these, not the default set (--list has the names)")
        parser.add_argument(
            "--quick", action="store_true", help="shorter runs; most figures are not compared"
        )
        parser.add_argument(
            "--into", type=Path, default=INTO, metavar="DIR", help=f"results and logs ({INTO})"
        )
        parser.add_argument("--keep", action="store_true", help="put the new results in the kept ones' place")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary there as well")
        parser.add_argument("--list", action="store_true", help="show the benchmarks and run none")
        parser.add_argument(
            "--summary-of",
            type=Path,
            metavar="DIR",
            help="render DIR/README.md from its results and run none",
        )
        options = parser.parse_args(arguments)
        try:
            options.only = chosen(self.benchmarks, options.only)
        except ValueError as error:
            parser.error(str(error))
        if options.keep and options.quick:
            parser.error("--keep is for whole runs: leave out --quick")
        options.into = _from_here(options.into)
        if options.keep and options.into.is_absolute():
            parser.error(
                "--keep: --into must be inside the working directory; results say where they were written"
            )
        if options.summary_of is not None and not options.summary_of.is_dir():
            parser.error(f"--summary-of {options.summary_of}: no such folder")
        if not (options.list or options.summary_of):
            options.into.mkdir(parents=True, exist_ok=True)
        return options


def _from_here(folder: Path) -> Path:
    """Return a folder's name from the working directory, if it is inside."""
    absolute = folder.resolve()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute
