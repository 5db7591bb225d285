"""Criteria and verdicts: what the exit code, the table and the file make of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from actors.errors import RaymalError
from benchmarks.harness import command
from benchmarks.harness.command import Report
from benchmarks.harness.outcomes import (
    Outcome,
    Verdict,
    exit_code,
    impossible,
    judged,
    outcome_table,
    shown,
)

ROWS = [
    judged("loss", "0", "1 [of 3]", is_met=True),
    impossible("quota", "no control group"),
    shown("CPU", "9 %"),
]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ((Verdict.PASS,), 0),
        ((Verdict.PASS, Verdict.SHOWN, Verdict.IMPOSSIBLE), 0),
        ((Verdict.PASS, Verdict.DISTURBED), 2),
        ((Verdict.DISTURBED, Verdict.MISS), 1),
        ((), 2),
    ],
)
def test_the_exit_code_is_the_worst_verdict(verdicts: tuple[Verdict, ...], code: int) -> None:
    """A miss is 1, a disturbed measurement or none at all is 2, what this machine cannot do is no failure."""
    rows = [Outcome("", "", "", verdict) for verdict in verdicts]
    assert exit_code(rows) == Report({"test": rows}).exit_code == code
    assert Report({"test": rows}, invalid=["late"]).exit_code == 2


def test_a_disturbed_measurement_still_passes() -> None:
    """Disturbance only makes things worse, so it takes nothing from a criterion that was met."""
    assert judged("c", "l", "m", is_met=True, is_disturbed=True).verdict is Verdict.PASS
    assert judged("c", "l", "m", is_met=False, is_disturbed=True).verdict is Verdict.DISTURBED
    assert judged("c", "l", "m", is_met=False).verdict is Verdict.MISS


def test_the_table_and_the_file_hold_every_row(tmp_path: Path) -> None:
    """Brackets are no markup; the file has how to repeat the run, how it ended, and the further figures."""
    console = Console(width=160)
    with console.capture() as capture:
        console.print(outcome_table({"X1 loss": ROWS}))
    for expected in ("X1 loss", "PASS", "not possible here", "shown", "1 [of 3]"):
        assert expected in capture.get()
    file = tmp_path / "result.json"
    report = Report({"X1 loss": ROWS}, figures={"limit": 3}, invalid=["late"])
    assert command.run("benchmarks.faults", ("numpy",), lambda _: report, file, ["--quick"]) == 2
    kept = json.loads(file.read_text())
    assert kept["command"] == ["python", "-m", "benchmarks.faults", "--quick"]
    assert (kept["exit_code"], kept["limit"]) == (2, 3)
    assert [row["verdict"] for row in kept["outcomes"]] == ["PASS", "IMPOSSIBLE", "SHOWN"]
    assert kept["outcomes"][0]["test"] == "X1 loss"


@pytest.mark.parametrize(("error", "code"), [(RaymalError("no core"), 2), (KeyboardInterrupt(), 130)])
def test_what_could_not_be_measured_has_an_exit_code_of_its_own(error: BaseException, code: int) -> None:
    """Never that of a missed criterion."""

    def measure(console: Console) -> Report:
        raise error

    assert command.run("benchmarks.faults", ("numpy",), measure, None, sys.argv) == code
