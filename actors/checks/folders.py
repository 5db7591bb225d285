"""Whether a folder can be written, found out without leaving anything in it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from actors.errors import ConfigurationError


def expanded(path: str, setting: str) -> Path:
    """Return a path of the settings, `~` and `~user` replaced. Raises ConfigurationError."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{setting} = {path!r}: there is no such home folder; write the whole path"
        ) from error


def file_obstacle(path: Path) -> str | None:
    """Return why a file, which need not exist, cannot be written; None: it can be."""
    try:
        if path.is_dir():
            return "this is a folder"
        if path.exists():
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK))
            return None
        folder = Path(os.path.realpath(path)).parent  # of what a link names
        if path.is_symlink() and Path(os.path.realpath(path)).is_symlink():
            return "it is a link that leads to itself"
        if not folder.is_dir():
            return f"there is no folder {str(folder)!r}; make it"
        return obstacle(folder)
    except OSError as error:
        return f"it cannot be written: {error.strerror or type(error).__name__}"


def shortage(folder: Path) -> str | None:
    """Return why nothing more fits into a folder, or into the first one above it that exists; None: it does.

    Apart from `obstacle`, because it passes: a server may start without the files that it can do without.
    """
    try:
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(b"\0")
        return None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"{folder} cannot be written: {error.strerror}" if full else None


def obstacle(folder: Path) -> str | None:
    """Return why a folder, or the first one above it that exists, cannot be written; None: it can be."""
    try:
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            return f"{folder} is no folder"
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or type(error).__name__}"
