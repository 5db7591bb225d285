"""The token of the HTTP doors, from a file or the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from ingress.access.configured_token import MAXIMUM_FILE_BYTES, VARIABLE, configured_token

TOKEN = "correct-horse-battery-staple"


def written(folder: Path, content: bytes, mode: int = 0o600) -> str:
    file = folder / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """Neither is no token; space around it is none of it."""
    file = written(tmp_path, f" {TOKEN}-of-file\n".encode())
    assert configured_token(None, {}) is None
    assert configured_token(None, {VARIABLE: ""}) is None
    assert configured_token(file, {}) == f"{TOKEN}-of-file"
    assert configured_token(file, {VARIABLE: TOKEN}) == TOKEN


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (b"", 0o600, "16 characters"),
        (b"short\n", 0o600, "16 characters"),
        (f"{TOKEN} and more".encode(), 0o600, "without spaces"),
        ("ölölölölölölölölöl".encode(), 0o600, "ASCII"),
        (b"\xff" * 40, 0o600, "ASCII"),
        (b"x" * (MAXIMUM_FILE_BYTES + 1), 0o600, "no token"),
        (TOKEN.encode(), 0o640, "chmod 600"),
        (TOKEN.encode(), 0o604, "chmod 600"),
    ],
)
def test_what_is_no_token(tmp_path: Path, content: bytes, mode: int, words: str) -> None:
    """The error says where and what to do, and never what is in the file."""
    with pytest.raises(ConfigurationError) as raised:
        configured_token(written(tmp_path, content, mode), {})
    assert words in str(raised.value)
    assert "web.token_file" in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Not there, a folder, a device without an end."""
    for path in (tmp_path / "none", tmp_path, Path(os.devnull)):
        with pytest.raises(ConfigurationError, match=r"web\.token_file"):
            configured_token(str(path), {})


def test_a_weak_token_of_the_environment_is_not_quoted() -> None:
    """It may be the beginning of a strong one."""
    with pytest.raises(ConfigurationError) as raised:
        configured_token(None, {VARIABLE: "weak"})
    assert VARIABLE in str(raised.value)
    assert "weak" not in str(raised.value)
