"""Outcomes as a table for people and as JSON for the rest."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from benchmarks.faults.verdicts import Outcome, Verdict, exit_code
from benchmarks.harness.machine import Machine

_COLOURS = {Verdict.PASS: "green", Verdict.MISS: "red", Verdict.DISTURBED: "yellow"}


def outcome_table(outcomes: Mapping[str, Sequence[Outcome]]) -> Table:
    """Show every criterion, by test."""
    table = Table("test", "criterion", "limit", "measured", "", show_lines=False)
    for test, rows in outcomes.items():
        for row in rows:
            colour = _COLOURS.get(row.verdict)
            verdict = f"[{colour}]{row.verdict.value}[/]" if colour else row.verdict.value
            first, last = row is rows[0], row is rows[-1]
            table.add_row(
                test if first else "",
                *map(escape, (row.criterion, row.limit, row.measured)),
                verdict,
                end_section=last,
            )
    return table


def as_json(outcomes: Mapping[str, Sequence[Outcome]]) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    return [
        {
            "test": test,
            "criterion": row.criterion,
            "limit": row.limit,
            "measured": row.measured,
            "verdict": row.verdict.name,
        }
        for test, rows in outcomes.items()
        for row in rows
    ]


def write_figures(
    file: Path,
    machine: Machine,
    program: str,
    arguments: Sequence[str] | None,
    outcomes: Mapping[str, Sequence[Outcome]],
    **more: object,
) -> None:
    """Write a run as JSON: what it ran on, how to repeat it, how it ended, and `more` figures."""
    figures = {
        "machine": asdict(machine),
        "command": ["python", "-m", program, *(sys.argv[1:] if arguments is None else arguments)],
        "exit_code": exit_code(row for rows in outcomes.values() for row in rows),
        "outcomes": as_json(outcomes),
        **more,
    }
    file.write_text(json.dumps(figures) + "\n", encoding="utf-8")
