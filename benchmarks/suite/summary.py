"""What a run of the suite amounts to: figures beside kept ones, what was missed, and one exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import Machine
from benchmarks.suite.catalogue import Benchmark
from benchmarks.suite.comparison import Change, Comparison, compare
from benchmarks.suite.results import Result, ResultError
from benchmarks.suite.runner import Ending, Run

INTERRUPTED = 130
_UNMEASURED = (Ending.NOT_MEASURED, Ending.DISTURBED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One benchmark of the run."""

    run: Run
    kept: Result | None
    comparisons: tuple[Comparison, ...]
    """Empty if nothing was measured."""

    @classmethod
    def of(cls, run: Run, kept_folder: Path) -> Entry:
        """Compare a run with what is kept."""
        try:
            kept = Result.load(kept_folder / run.benchmark.result)
        except ResultError:
            kept = None
        if run.result is None:
            return cls(run, kept, ())
        figures = run.benchmark.figures
        return cls(run, kept, tuple(compare(each, run.result, kept, run.record.is_quick) for each in figures))

    @property
    def regressions(self) -> tuple[Comparison, ...]:
        """Figures that got worse."""
        return tuple(each for each in self.comparisons if each.change is Change.REGRESSION)

    @property
    def is_whole(self) -> bool:
        """Whether every headline was measured; a quick run need not have all."""
        is_missing = any(each.change is Change.MISSING for each in self.comparisons)
        return self.run.record.is_quick or not is_missing


@dataclass(frozen=True, slots=True)
class Summary:
    """One run of the suite."""

    machine: Machine
    began_at: str
    """ISO 8601, UTC."""
    command: str
    entries: tuple[Entry, ...]
    not_run: tuple[Benchmark, ...] = ()
    """Because it was interrupted before."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return fsum(entry.run.record.seconds for entry in self.entries)

    @property
    def is_interrupted(self) -> bool:
        """Whether it did not come to its end."""
        return bool(self.not_run) or any(entry.run.ending is Ending.INTERRUPTED for entry in self.entries)

    @property
    def exit_code(self) -> int:
        """0 all well; 1 a target missed or a regression; 2 disturbed or not measured; 130 interrupted."""
        if self.is_interrupted:
            return INTERRUPTED
        endings = [entry.run.ending for entry in self.entries]
        if Ending.MISSED in endings or any(entry.regressions for entry in self.entries):
            return 1
        is_whole = all(entry.is_whole for entry in self.entries)
        return 0 if is_whole and not any(ending in _UNMEASURED for ending in endings) else 2

    def verdict(self) -> str:
        """Return the exit code's reasons as a sentence."""
        return "; ".join(self._reasons()) or "all well"

    def as_json(self) -> dict[str, Any]:
        """Return everything that the page says."""
        return {
            "machine": asdict(self.machine),
            "began_at": self.began_at,
            "seconds": round(self.seconds, 1),
            "command": self.command,
            "exit_code": self.exit_code,
            "verdict": self.verdict(),
            "benchmarks": [_as_json(entry) for entry in self.entries],
            "not_run": [each.name for each in self.not_run],
        }

    def _reasons(self) -> Iterator[str]:
        if self.is_interrupted:
            yield "interrupted"
        if regressions := sum(len(entry.regressions) for entry in self.entries):
            yield f"{regressions} {'regressions' if regressions > 1 else 'regression'}"
        for ending, text in (
            (Ending.MISSED, "a target missed"),
            (Ending.DISTURBED, "disturbed"),
            (Ending.NOT_MEASURED, "not measured"),
        ):
            if names := _names(self.entries, ending):
                yield f"{text}: {', '.join(names)}"
        if partial := [entry.run.benchmark.name for entry in self.entries if not entry.is_whole]:
            yield f"a figure is missing: {', '.join(partial)}"


def _names(entries: Sequence[Entry], ending: Ending) -> list[str]:
    return [entry.run.benchmark.name for entry in entries if entry.run.ending is ending]


def _as_json(entry: Entry) -> dict[str, Any]:
    run, result = entry.run, entry.run.result
    return {
        "name": run.benchmark.name,
        "ending": run.ending.name.lower(),
        "problem": run.problem,
        **asdict(run.record),
        "result": run.benchmark.result if result else None,
        "missed": list(result.missed) if result else [],
        "disturbed": list(result.disturbed) if result else [],
        "impossible": list(result.impossible) if result else [],
        "figures": [
            {
                "name": each.figure.name,
                "unit": each.figure.unit,
                "place": str(each.figure.place),
                "better": each.figure.better.value,
                "limit": each.figure.limit,
                "new": each.new,
                "kept": each.kept,
                "ratio": each.ratio,
                "change": each.change.name.lower(),
                "problem": each.problem,
            }
            for each in entry.comparisons
        ],
    }
