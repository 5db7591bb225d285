"""What `raymal demo` makes of a finished conversation, and of what it cannot run with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ingress.caller.transcript import SpokenLine
from ingress.cli import main
from ingress.commands.demo_conversation import report
from ingress.commands.script_call import ScriptCall
from ingress.link.records import CallOutcome
from ingress.server.exit_codes import ExitCode
from tests.ingress.caller.test_outcome import ANSWERED, record, result, turn

LINES = [
    SpokenLine(0.1, "caller", "raymal", "Good [evening].", was_interrupted=True),
    SpokenLine(3.0, "return", "person", "Yes.", "yes"),
    SpokenLine(4.0, "return", "raymal", "I open."),
]
KNOWN = record(turn(), outcome=CallOutcome(reason="booked", variables={"PEOPLE": "4"}))
WRONG = "RAYMAL_VAR_PEOPLE: expected 5, and got 4"


@pytest.mark.parametrize("problems", [[], [WRONG]])
def test_what_is_not_as_expected_fails_the_demo(
    problems: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the line that says why; on a terminal and in JSON."""
    output = io.StringIO()
    placed = ScriptCall(result(ANSWERED), KNOWN, LINES, problems)
    console = Console(file=output, width=80)
    assert report(placed, (Path("answer.wav"), Path("server.log")), False, console) == bool(problems)
    printed = output.getvalue()
    assert "Good [evening]. (interrupted)" in printed
    assert "raymal to return leg" in printed
    assert "the dialplan gets: RAYMAL_RESULT=ended, RAYMAL_REASON=booked" in printed
    assert ("the demo FAILED" in printed, "the demo succeeded" in printed) == (bool(problems), not problems)
    assert (WRONG in printed) == bool(problems)
    assert report(placed, (Path("answer.wav"),), True, console) == bool(problems)
    summary = json.loads(capsys.readouterr().out)
    assert (summary["succeeded"], summary["problems"]) == (not problems, problems)
    assert [line["at_s"] for line in summary["conversation"]] == [0.1, 3.0, 4.0]


def test_a_voice_that_is_not_there_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, with what to do."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["demo", "--language", "pt", "--folder", str(tmp_path / "demo")]) == ExitCode.CONFIGURATION
    [line] = capsys.readouterr().err.splitlines()
    assert "run `raymal voices install pt`" in line


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--dialog", "flow", "--say", "Hello."], "a conversation has a script"),
        (["--expect", "hello"], "a conversation has a script"),
        (["--language", "pt", "--say", "Bom dia."], "--language is for the conversation"),
    ],
)
def test_flags_that_would_do_nothing_are_refused(
    flags: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and nothing is started or made."""
    folder = tmp_path / "demo"
    assert main(["demo", "--folder", str(folder), *flags]) == ExitCode.CONFIGURATION
    [line] = capsys.readouterr().err.splitlines()
    assert why in line
    assert not folder.exists()


def test_a_return_port_without_a_script_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody would call it."""
    assert main(["call", "--return-port", "9202"]) == ExitCode.CONFIGURATION
    assert "--return-port is for --script" in capsys.readouterr().err
