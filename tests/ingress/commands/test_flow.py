"""`raymal flow`."""

from __future__ import annotations

import json
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from ingress.cli import main
from ingress.server.exit_codes import ExitCode

RESERVATION = Path(__file__).parents[3] / "examples" / "flows" / "reservation.yaml"


def test_a_check_of_a_flow_without_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    """It says what was checked."""
    assert main(["flow", "check", str(RESERVATION)]) == ExitCode.OK
    assert capsys.readouterr().out.endswith("14 steps, 5 slots, in pt, en; nothing is wrong\n")
    assert main(["flow", "check", "--json", str(RESERVATION)]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {"problems": []}


def test_a_check_of_a_flow_with_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each on a line, that editors find; as JSON for programs; exit code 1."""
    file = tmp_path / "flow.yaml"
    file.write_text("languages: en\nsteps: {a: {say: Hi., next: b}}\nx: 1\n")
    assert main(["flow", "check", str(file)]) == ExitCode.FAILED
    assert capsys.readouterr().err.splitlines() == [
        f"{file}:2:29: there is no step 'b' to go to here; known here: a, back",
        f"{file}:3:1: unknown key 'x'; known here: anywhere, failed, languages, left, slots, start, steps",
        f"raymal: 2 problems in {file}",
    ]
    assert main(["flow", "check", str(file), "--json"]) == ExitCode.FAILED
    first, _ = json.loads(capsys.readouterr().out)["problems"]
    assert (first["file"], first["line"], first["column"]) == (str(file), 2, 29)


def test_a_diagram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text for Mermaid: nodes by kind, arrows with what leads there; no prompt ends a label."""
    file = tmp_path / "flow.yaml"
    file.write_text("""
languages: en
failed: end
anywhere: [{words: operator, keys: "0", next: end}, {words: repeat, next: again}]
slots: {n: {kind: yes_no}, v: {kind: value}}
steps:
  end: {say: 'Say "no" <b>; #1', end: }
  ask: {ask: n, say: What?, next: {yes: look, no: wait}, silence: {next: again}, not_understood: {next: help}}
  help: {say: Help., next: back}
  look: {lookup: x, store: {v: a.b}, failed: end, next: decide}
  decide: {switch: v, cases: {"1": end}, next: ask}
  wait: {wait_for: return, next: drop, failed: end}
  drop: {hang_up: return, next: end}
start: ask
""")
    assert main(["flow", "draw", str(file)]) == ExitCode.OK
    drawn = capsys.readouterr().out
    assert (
        drawn
        == """\
flowchart TD
  call((call)) --> step_ask
  step_end(["end<br/>Say #quot;no#quot; #lt;b#gt;; #35;1"])
  step_ask("ask<br/>What?")
  step_help["help<br/>Help."]
  step_look{"look"}
  step_decide{"decide"}
  step_wait("wait")
  step_drop["drop"]
  step_ask -->|"yes"| step_look
  step_ask -->|"no"| step_wait
  step_ask -->|"silence"| step_ask
  step_ask -->|"not understood"| step_help
  step_help --> back
  step_look --> step_decide
  step_look -->|"failed"| step_end
  step_decide -->|"1"| step_end
  step_decide -->|"else"| step_ask
  step_wait --> step_drop
  step_wait -->|"failed"| step_end
  step_drop --> step_end
  anywhere{{anywhere}}
  anywhere -->|"operator, agent, human, key 0"| step_end
  failed{{failed}} -.-> step_end
  back([back to the question])
"""
    )


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert main(["flow", "draw", "nowhere.yaml"]) == ExitCode.CONFIGURATION
    assert capsys.readouterr().err.startswith("raymal: nowhere.yaml:1:1: there is no such file (from ")


def test_a_conversation_by_keyboard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines are what the caller says."""
    lines = ["book a table", "Maria", "/press 2125550122#", "/press 0#"]
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO("\n".join(lines).encode())))
    assert main(["flow", "chat", str(RESERVATION), "--language", "en"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "server: For which day?" in shown
    assert "RAYMAL_RESULT=" in shown


def test_a_flow_with_look_ups_needs_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how it is tried then."""
    file = tmp_path / "flow.yaml"
    file.write_text("languages: en\nsteps: {a: {lookup: stock, failed: b, next: b}, b: {end: x}}\n")
    assert main(["flow", "chat", str(file)]) == ExitCode.CONFIGURATION
    assert "the flow needs the look-ups stock: run `raymal chat --config" in capsys.readouterr().err
