"""The command line: every error says something, and has its exit code."""

from __future__ import annotations

import argparse
import os
import sys

import pytest

from actors.errors import CallError, ConfigurationError, EngineError, LinkError, PortError
from ingress import cli
from ingress.commands import status
from ingress.server.exit_codes import ExitCode


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError(), ExitCode.CONFIGURATION),
        (PortError(), ExitCode.UNREACHABLE),
        (LinkError(" "), ExitCode.UNREACHABLE),
        (CallError(), ExitCode.UNREACHABLE),
        (EngineError(), ExitCode.FAILED),
        (TimeoutError(), ExitCode.FAILED),
        (OSError(), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_without_words_is_named(
    error: Exception, code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its kind and the command: a line that ends after `raymal:` helps no one."""

    def fail(arguments: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(status, "run", fail)
    assert cli.main(["status"]) == code
    assert capsys.readouterr().err == f"raymal: {type(error).__name__} in `raymal status`\n"


@pytest.mark.parametrize("size", [10, 1_000_000], ids=["at the end", "in the middle"])
def test_a_reader_that_has_gone_is_no_fault_to_report(
    size: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`raymal status --json | head`: the exit code says that not all was read, and nothing is printed."""

    def long_answer(arguments: argparse.Namespace) -> int:
        print("x" * size)
        return ExitCode.OK

    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(status, "run", long_answer)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert cli.main(["status"]) == ExitCode.FAILED
    assert capfd.readouterr().err == ""


def test_another_broken_pipe_is_reported(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A connection that broke is an error as any other."""

    def fail(arguments: argparse.Namespace) -> int:
        raise BrokenPipeError("the connection broke")

    monkeypatch.setattr(status, "run", fail)
    assert cli.main(["status"]) == ExitCode.FAILED
    assert capfd.readouterr().err == "raymal: the connection broke\n"


@pytest.mark.parametrize("command", ["call", "status", "capacity"])
@pytest.mark.parametrize("port", ["99999", "0", "-1", "abc", "²"])
def test_a_port_that_cannot_be_is_a_wrong_argument(
    command: str, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a line, before anything is done."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, f"--port={port}"])
    assert stopped.value.code == ExitCode.CONFIGURATION
    assert f"{port!r} is no port" in capsys.readouterr().err


def test_a_time_limit_that_is_no_number_is_a_wrong_argument(capsys: pytest.CaptureFixture[str]) -> None:
    """Its message speaks of seconds, not of our functions."""
    with pytest.raises(SystemExit):
        cli.main(["call", "--time-limit", "abc"])
    assert "'abc' is no number of seconds above 0 and up to 3600" in capsys.readouterr().err
