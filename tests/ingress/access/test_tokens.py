"""The token: private in its file, compared by digest, never shown."""

from __future__ import annotations

import logging
import os
import pickle
import stat
from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from ingress.access.tokens import Token, configured_token, new_token, read_token, write_token

SECRET = "a-token-of-24-characters"


def private(path: Path, content: str | bytes = SECRET) -> str:
    """Write a file that its owner alone can read; return its name."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return str(path)


def test_a_token_matches_itself_alone() -> None:
    """And whatever a client sends is compared, in whatever letters."""
    token = Token(SECRET)
    assert token.matches(SECRET)
    for other in ("", SECRET[:-1], SECRET + " ", SECRET.upper(), "\udcff", "ключ" * 10):
        assert not token.matches(other)


def test_a_token_is_never_shown() -> None:
    """Not by printing, logging or pickling it."""
    token = Token(SECRET)
    assert SECRET not in f"{token!r} {token} {[token]}"
    assert SECRET not in logging.Formatter().format(
        logging.LogRecord("test", logging.INFO, __file__, 1, "%s", (token,), None)
    )
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_the_file_is_trimmed(tmp_path: Path) -> None:
    """An editor's last line end is no part of it."""
    token = configured_token(private(tmp_path / "token", f"  {SECRET}\n"), {})
    assert token is not None
    assert token.matches(SECRET)


def test_the_environment_wins(tmp_path: Path) -> None:
    """Empty it is as if it were not set; without either there is none."""
    file = private(tmp_path / "token")
    from_variable = configured_token(file, {"RAYMAL_TOKEN": new_token()})
    assert from_variable is not None
    assert not from_variable.matches(SECRET)
    from_file = configured_token(file, {"RAYMAL_TOKEN": ""})
    assert from_file is not None
    assert from_file.matches(SECRET)
    assert configured_token(None, {}) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    """The message says how to close it."""
    file = private(tmp_path / "token")
    os.chmod(file, mode)
    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}.*chmod 600"):
        read_token(file)


@pytest.mark.parametrize(
    "content", ["", "too short", "x" * 5_000, "two words of a sentence", "ünlesbares Zeichen", b"\xff" * 32]
)
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, content: str | bytes) -> None:
    """An error goes to a log."""
    file = private(tmp_path / "token", content)
    with pytest.raises(ConfigurationError, match="16 to 4096 characters") as caught:
        read_token(file)
    assert not content or str(content) not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_variable_that_is_no_token_is_refused(tmp_path: Path) -> None:
    """Without repeating it."""
    with pytest.raises(ConfigurationError, match="environment variable RAYMAL_TOKEN") as caught:
        configured_token(None, {"RAYMAL_TOKEN": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe that nobody writes to, a folder, nothing at all."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path, said in ((pipe, "no file"), (tmp_path, "no file"), (tmp_path / "none", "raymal token --file")):
        with pytest.raises(ConfigurationError, match=said):
            read_token(str(path))


def test_a_written_token_is_private_and_whole(tmp_path: Path) -> None:
    """It is not replaced by accident, not through a link either, and nothing else is left in the folder."""
    file = tmp_path / "folder" / "token"
    write_token(file, SECRET, may_replace=False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert read_token(str(file)) == SECRET
    with pytest.raises(FileExistsError):
        write_token(file, new_token(), may_replace=False)
    assert read_token(str(file)) == SECRET
    link = tmp_path / "folder" / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_token(link, SECRET, may_replace=False)
    replaced = new_token()
    write_token(file, replaced, may_replace=True)
    assert read_token(str(file)) == replaced
    assert sorted(path.name for path in file.parent.iterdir()) == ["link", "token"]
