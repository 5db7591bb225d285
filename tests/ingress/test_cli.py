"""The command line: every error says something, and has its exit code."""

from __future__ import annotations

import argparse

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
