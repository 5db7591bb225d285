"""Secrets that lie in files: tokens, keys, passwords. Read whole, and only if the file is private.

Errors name the file and what to do, and hold nothing of what is in it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from actors.errors import ConfigurationError

MAXIMUM_BYTES = 4_096
FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_content(file: str, where: str, what: str, when_missing: str) -> bytes:
    """Return what a file holds. Raises ConfigurationError if it is not there or not private.

    `where`: the setting, `what`: the kind of secret, both for messages; `when_missing`: what to do then.
    Of a file that is too long one byte more than `MAXIMUM_BYTES` is returned.
    """
    try:
        path = Path(file).expanduser()
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe may never open
    except FileNotFoundError as error:
        raise ConfigurationError(f"{where}: no such file; {when_missing}") from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"{where}: cannot be read ({reason}); the server's user must own it"
        ) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigurationError(f"{where}: this is no file; name one that holds the {what} alone")
        if mode & FOR_OTHERS:
            raise ConfigurationError(
                f"{where}: others than its owner have access (mode {stat.S_IMODE(mode):04o}); "
                f"`chmod 600 {file}`, and make a new {what} if other users could have read it"
            )
        return os.read(descriptor, MAXIMUM_BYTES + 1)
    finally:
        os.close(descriptor)


def header_secret(file: str, where: str, what: str) -> str:
    """Return a secret that can stand in an HTTP header: one line of ASCII. Raises ConfigurationError."""
    content = private_content(file, where, what, f"write the {what} into it").strip()
    # Bytes beyond ASCII become characters that are not ASCII either; no error may quote them.
    text = content.decode("latin-1")
    if not text or len(text) > MAXIMUM_BYTES or not text.isascii() or not text.isprintable():
        raise ConfigurationError(
            f"{where}: a {what} is one line of at most {MAXIMUM_BYTES} characters of ASCII"
        )
    return text
