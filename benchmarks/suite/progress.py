"""What is running, of how many, for how long, and about how long still.

A line for each benchmark that begins and ends, which also suits a log, and in a terminal a bar below. It is
drawn every few seconds and no more often, because what is measured shares this machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from benchmarks.suite.catalogue import Benchmark, total_minutes
from benchmarks.suite.runner import Run


class SuiteProgress:
    """Tells how far a run of the suite has come; a context manager around it."""

    def __init__(self, benchmarks: Sequence[Benchmark], is_quick: bool, console: Console) -> None:
        self._benchmarks = benchmarks
        self._is_quick = is_quick
        self._console = console
        self._began_s = time.monotonic()
        columns = (BarColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=console, auto_refresh=False, transient=True)
        self._bar = self._progress.add_task("", total=total_minutes(benchmarks, is_quick))

    def __enter__(self) -> SuiteProgress:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def begin(self, benchmark: Benchmark) -> None:
        """A benchmark is about to run."""
        minutes = benchmark.lasts_minutes(self._is_quick)
        number = f"{self._benchmarks.index(benchmark) + 1} of {len(self._benchmarks)}"
        self._say(
            f"[bold]{benchmark.name}[/] ({number}), about {_minutes(minutes)}: {escape(benchmark.answers)}"
        )
        self.update(benchmark, 0.0)

    def update(self, benchmark: Benchmark, passed_s: float) -> None:
        """A benchmark has run for so long."""
        index = self._benchmarks.index(benchmark)
        before = total_minutes(self._benchmarks[:index], self._is_quick)
        own = benchmark.lasts_minutes(self._is_quick)
        done = before + min(own, passed_s / 60)
        left = total_minutes(self._benchmarks, self._is_quick) - done
        passed = _minutes((time.monotonic() - self._began_s) / 60)
        text = (
            f"{index + 1} of {len(self._benchmarks)}, {benchmark.name}; "
            f"{passed} over, about {_minutes(left)} left"
        )
        self._progress.update(self._bar, completed=done, description=text, refresh=True)

    def end(self, run: Run) -> None:
        """A benchmark is over."""
        why = f": {escape(run.problem)}" if run.problem else ""
        self._say(f"  {run.ending.value} after {_minutes(run.record.seconds / 60)}{why}")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes >= 2 else f"{minutes * 60:.0f} s"
