"""The command line: every error says something, and has its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from types import ModuleType

import pytest
from rich.console import Console

from actors.errors import CallError, ConfigurationError, EngineError, LinkError, PortError
from ingress import cli
from ingress.commands import status
from ingress.server.exit_codes import ExitCode


@pytest.mark.parametrize("command", ["call", "status"])
@pytest.mark.parametrize("port", ["0", "-1", "65536", "9" * 5_000, "x"])
def test_a_port_that_can_be_none(command: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Is a wrong argument, and no traceback."""
    with pytest.raises(SystemExit) as ended:
        cli.main([command, f"--port={port}"])
    assert ended.value.code == ExitCode.CONFIGURATION
    assert "is no port: 1 to 65535" in capsys.readouterr().err


def test_a_call_is_not_placed_if_it_could_not_be_saved(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the call: nothing listens there."""
    assert cli.main(["call", "--port", "1", "--save", "/nosuch/a.wav"]) == ExitCode.CONFIGURATION
    assert "--save /nosuch/a.wav: there is no folder '/nosuch'; make it" in capsys.readouterr().err


def test_an_engine_that_ends_the_command_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever code it ends it with: the command did not do what it is for."""

    def ended(arguments: argparse.Namespace) -> int:
        sys.exit(0)

    monkeypatch.setattr(status, "run", ended)
    assert cli.main(["status"]) == ExitCode.FAILED
    assert "raymal: ended by sys.exit at " in capsys.readouterr().err


def test_an_interrupt_while_a_command_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes a second: Ctrl-C then is no traceback."""

    def interrupted(name: str) -> ModuleType:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    assert cli.main(["status"]) == ExitCode.INTERRUPTED


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


@pytest.mark.parametrize("is_rich", [False, True], ids=["plain", "rich"])
@pytest.mark.parametrize("size", [10, 1_000_000], ids=["at the end", "in the middle"])
def test_a_reader_that_has_gone_is_no_fault_to_report(
    size: int, is_rich: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`raymal status | head`: the exit code says that not all was read, and nothing is printed."""

    def long_answer(arguments: argparse.Namespace) -> int:
        if is_rich:
            Console().out("x" * size, highlight=False)
        else:
            print("x" * size)
        return ExitCode.OK

    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(status, "run", long_answer)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert cli.main(["status"]) == ExitCode.FAILED
    assert capfd.readouterr().err == ""


def test_a_table_whose_reader_has_gone_is_no_fault_to_report(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`raymal status | head`: rich, which prints tables, ends the program by itself."""

    def table(arguments: argparse.Namespace) -> int:
        Console().print("a table")
        return ExitCode.OK

    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(status, "run", table)
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
