"""What the commands of all benchmarks have in common: options, console, errors, result, exit code.

| exit code | meaning |
|---|---|
| 0 | every criterion met |
| 1 | a criterion missed |
| 2 | disturbed, or not measured |
| 130 | interrupted |
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from actors.errors import RaymalError
from benchmarks.harness.machine import Machine
from benchmarks.harness.outcomes import Outcomes, exit_code, outcome_table

LEAST_WIDTH = 140
"""Of the tables, in a file or a pipe as well."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark found."""

    outcomes: Outcomes
    figures: Mapping[str, object] = field(default_factory=dict)
    """For the JSON, beside machine, command and outcomes."""
    invalid: Sequence[str] = ()
    """Measurements that say nothing, and why: with one of them the exit code is 2."""

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return 2 if self.invalid else exit_code(row for rows in self.outcomes.values() for row in rows)


def parser(program: str, documentation: str) -> argparse.ArgumentParser:
    """Return a parser for `python -m program` that knows `--json`."""
    made = argparse.ArgumentParser(prog=f"python -m {program}", description=documentation.partition("\n")[0])
    made.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    return made


def numbers(most: int) -> Callable[[str], tuple[int, ...]]:
    """Return a type of option: whole numbers of 1 to `most`, with commas between."""

    def parse(text: str) -> tuple[int, ...]:
        found = tuple(sorted({int(part) for part in text.split(",")}))
        if not all(1 <= number <= most for number in found):
            raise argparse.ArgumentTypeError(f"1 to {most}, with commas between: 2,8,32")
        return found

    return parse


def progress_bar(console: Console) -> Progress:
    """Return a progress bar that is drawn only when it is refreshed: the cores belong to what is measured."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, auto_refresh=False)


def run(
    program: str,
    packages: Sequence[str],
    measure: Callable[[Console], Report],
    json_file: Path | None,
    arguments: Sequence[str] | None,
) -> int:
    """Measure, show and write the report; return the exit code."""
    console = Console(width=max(LEAST_WIDTH, Console().width))
    try:
        machine = Machine.this(packages)
        console.print(str(machine), highlight=False)
        report = measure(console)
    except (RaymalError, TimeoutError) as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is ended")
        return 130
    console.print(outcome_table(report.outcomes))
    for line in report.invalid:
        console.print(f"[red]INVALID[/] {line}", highlight=False)
    if json_file:
        found = {
            "machine": asdict(machine),
            "command": ["python", "-m", program, *(sys.argv[1:] if arguments is None else arguments)],
            "exit_code": report.exit_code,
            "outcomes": [
                {"test": test, **asdict(row), "verdict": row.verdict.name}
                for test, rows in report.outcomes.items()
                for row in rows
            ],
            **report.figures,
        }
        json_file.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return report.exit_code
