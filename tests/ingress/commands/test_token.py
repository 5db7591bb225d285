"""`raymal token`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ingress.access.tokens import read_token
from ingress.cli import main
from ingress.server.exit_codes import ExitCode


def test_a_token_is_made_and_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed says where it is and what to write into the configurations."""
    file = tmp_path / "token"
    assert main(["token", "--file", str(file)]) == ExitCode.OK
    token = read_token(str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    printed = capsys.readouterr()
    assert token not in printed.out + printed.err
    for said in (f'token_file = "{file}"', f"credentials_file: {file}", "Bearer"):
        assert said in printed.err


def test_a_token_is_replaced_and_shown_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise an error says what stays."""
    file = tmp_path / "token"
    assert main(["token", "--file", str(file)]) == ExitCode.OK
    first = read_token(str(file))
    assert main(["token", "--file", str(file)]) == ExitCode.CONFIGURATION
    assert "--replace" in capsys.readouterr().err
    assert read_token(str(file)) == first
    assert main(["token", "--file", str(file), "--replace", "--show"]) == ExitCode.OK
    assert capsys.readouterr().out == read_token(str(file)) + "\n" != first + "\n"
    assert main(["token", "--file", str(file), "--replace", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {"file": str(file)}
    assert main(["token", "--file", str(file), "--replace", "--json", "--show"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {"file": str(file), "token": read_token(str(file))}


def test_the_place_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If none is named."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["token"]) == ExitCode.OK
    assert read_token(str(tmp_path / "raymal" / "token"))


def test_a_place_that_cannot_be_written_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no token is left anywhere."""
    (tmp_path / "file").write_text("")
    assert main(["token", "--file", str(tmp_path / "file" / "token")]) == ExitCode.CONFIGURATION
    assert "--file" in capsys.readouterr().err
