"""Runs benchmarks one after the other, never two at once: each needs the machine to itself.

One that fails, hangs or was disturbed does not stop the others. An old result of the same name is removed
first, so that what is read afterwards is of this run or not there.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from benchmarks.suite.catalogue import Benchmark
from benchmarks.suite.child import has_ended, running
from benchmarks.suite.interruption import Interruption
from benchmarks.suite.records import Record
from benchmarks.suite.results import Result, ResultError

LOOK_S = 5.0
"""Between two words about progress: they cost time on the machine that is measured."""
HANGS_AFTER = 3.0
"""Times as long as it should take, and some minutes for a slow start."""
SLOW_START_MINUTES = 5.0
LAST_WORDS = 300
"""Characters of a log that are quoted."""


class Ending(Enum):
    """How a benchmark ended."""

    WELL = "well"
    MISSED = "a target missed"
    DISTURBED = "disturbed"
    NOT_MEASURED = "not measured"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark, run once."""

    benchmark: Benchmark
    record: Record
    ending: Ending
    result: Result | None
    problem: str = ""
    """Why nothing was measured, in the benchmark's own words if it had some."""


class Watcher(Protocol):
    """Is told how far it is."""

    def begin(self, benchmark: Benchmark) -> None:
        """A benchmark is about to run."""

    def update(self, benchmark: Benchmark, passed_s: float) -> None:
        """A benchmark has run for so long."""

    def end(self, run: Run) -> None:
        """A benchmark is over."""


def run_in_turn(
    benchmarks: Sequence[Benchmark], into: Path, is_quick: bool, watcher: Watcher, interruption: Interruption
) -> Iterator[Run]:
    """Run them one after the other. An interruption ends the one under way and leaves out the rest."""
    for benchmark in benchmarks:
        if interruption.has_come:
            return
        watcher.begin(benchmark)
        run = _run(benchmark, into, is_quick, watcher, interruption)
        watcher.end(run)
        yield run


def log_of(benchmark: Benchmark) -> str:
    """Return the name of the file with its output."""
    return f"{benchmark.name}.log"


def _run(
    benchmark: Benchmark, into: Path, is_quick: bool, watcher: Watcher, interruption: Interruption
) -> Run:
    file, log = into / benchmark.result, into / log_of(benchmark)
    file.unlink(missing_ok=True)
    command = benchmark.command(into, is_quick)
    began_at, began_s = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    limit_s = 60.0 * (HANGS_AFTER * benchmark.lasts_minutes(is_quick) + SLOW_START_MINUTES)
    problem = ""
    with running(command, log) as process:
        while not has_ended(process, LOOK_S, [interruption.wakes]) and not interruption.has_come:
            passed_s = time.monotonic() - began_s
            watcher.update(benchmark, passed_s)
            if passed_s > limit_s:
                problem = f"stopped: not over after {passed_s / 60:.0f} minutes"
                break
    record = Record(
        command=shlex.join(["python", *command[1:]]),
        began_at=began_at,
        seconds=round(time.monotonic() - began_s, 1),
        exit_code=process.returncode,
        is_quick=benchmark.is_quick(is_quick),
    )
    if interruption.has_come:
        return Run(benchmark, record, Ending.INTERRUPTED, None)
    if problem:
        return Run(benchmark, record, Ending.NOT_MEASURED, None, problem)
    try:
        result = Result.load(file)
    except ResultError as error:
        said = last_words(log)
        why = f"exit code {process.returncode}, {error}" + (f"; {said}" if said else "")
        return Run(benchmark, record, Ending.NOT_MEASURED, None, why)
    ending, problem = judged(process.returncode, result)
    return Run(benchmark, record, ending, result, problem)


def judged(exit_code: int, result: Result) -> tuple[Ending, str]:
    """Return how a benchmark that wrote a result ended, and what was wrong with that."""
    if exit_code == 0:
        return Ending.WELL, ""
    if exit_code == 1 and result.missed:
        return Ending.MISSED, ""
    if exit_code == 2 and result.disturbed:
        return Ending.DISTURBED, ""
    return Ending.NOT_MEASURED, f"exit code {exit_code}, for which its result has no reason"


def last_words(log: Path) -> str:
    """Return why a benchmark says that it did not measure, or else the last line of its output."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    text = " ".join(line for line in lines if line)
    reason = text.rfind("not measured:")
    last = text[reason:] if reason >= 0 else next((line for line in reversed(lines) if line), "")
    return last[:LAST_WORDS]
