"""Whether a folder can be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from other_user import without_permission

from actors.checks.folders import expanded, obstacle
from actors.errors import ConfigurationError


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    """Also one that is not there yet."""
    assert obstacle(tmp_path) is None
    assert obstacle(tmp_path / "new" / "newer") is None
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    """A file, or missing rights, here or above."""
    (tmp_path / "file").write_text("")
    assert obstacle(tmp_path / "file" / "new") == f"{tmp_path / 'file'} is no folder"
    closed = tmp_path / "closed"
    closed.mkdir()
    with without_permission(closed, 0o555):
        assert obstacle(closed / "new") == f"{closed} cannot be written: Permission denied"


def test_a_home_that_is_not_there_is_an_error() -> None:
    """With the setting's name."""
    assert expanded("~", "here") == Path.home()
    with pytest.raises(ConfigurationError, match="here = '~nosuch/x': there is no such home folder"):
        expanded("~nosuch/x", "here")
