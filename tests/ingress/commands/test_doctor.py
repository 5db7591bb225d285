"""`raymal doctor` on this machine."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from ingress.cli import main
from ingress.server.doctor.examination import LOOKS
from ingress.server.doctor.finding import Finding, Verdict
from ingress.server.exit_codes import ExitCode

QUIET = ("doctor", "--no-ray", "--port", "0", "--dialog", "tone")
ELSEWHERE = {"ray", "asterisk", "order"}
"""Subjects that depend on what else runs on this machine."""


def found(printed: str) -> list[Finding]:
    """Return the findings of `--json`."""
    return [Finding.model_validate(finding) for finding in json.loads(printed)["findings"]]


def test_this_machine_is_looked_at(capsys: pytest.CaptureFixture[str], runtime_folder: Path) -> None:
    """Every subject has something to say, and the exit code is the worst of it."""
    code = main([*QUIET, "--json"])
    findings = found(capsys.readouterr().out)
    is_fine = not any(finding.verdict is Verdict.WRONG for finding in findings)
    assert code == (ExitCode.OK if is_fine else ExitCode.FAILED)
    assert not [it for it in findings if it.verdict is Verdict.WRONG and it.subject not in ELSEWHERE]
    assert not [it for it in findings if "could not be looked at" in it.what]
    assert set(LOOKS) - {it.subject for it in findings} <= {"disk", "kernel", "shared memory"}


def test_a_taken_port_is_wrong(capsys: pytest.CaptureFixture[str], runtime_folder: Path) -> None:
    """The table says so for people, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["doctor", "--no-ray", "--port", str(port), "--dialog", "tone"]) == ExitCode.FAILED
    printed = " ".join(capsys.readouterr().out.split())
    assert f"127.0.0.1:{port} is in use" in printed
    assert "→" in printed


def test_a_configuration_that_cannot_be_read_is_a_finding_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], runtime_folder: Path
) -> None:
    """The machine is looked at all the same."""
    file = tmp_path / "raymal.toml"
    file.write_text("[server]\nprot = 1\n")
    assert main(["doctor", "--config", str(file), "--json"]) == ExitCode.FAILED
    findings = found(capsys.readouterr().out)
    assert "prot" in findings[0].what
    assert {"cpu", "clock", "memory"} <= {finding.subject for finding in findings}
