"""The operator's token: where it is kept, and whether what a client sent is it.

Of a token only its SHA-256 is kept, so neither `repr`, a log nor a dump of settings can show it, and the
comparison takes the same time wherever two differ (`hmac.compare_digest`).

| `RAYMAL_TOKEN` | `web.token_file` | the token |
|---|---|---|
| set | any | the variable's: it wins, as for other settings |
| unset or empty | set | the file's; only its owner may read it |
| unset or empty | unset | none |
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from actors.errors import ConfigurationError
from ingress.access.private_files import MAXIMUM_BYTES, private_content

VARIABLE = "RAYMAL_TOKEN"
MINIMUM_CHARACTERS = 16
TOKEN_BYTES = 32
"""Of a new token: 256 random bits, 43 characters."""


class Token:
    """A token that is known by its digest alone."""

    __slots__ = ("_digest",)

    def __init__(self, text: str) -> None:
        self._digest = _digest(text)

    def __repr__(self) -> str:
        return "<Token>"

    @property
    def digest(self) -> str:
        """Its SHA-256, in hexadecimal digits: that may go to other machines."""
        return self._digest.hex()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a token does not leave its process")

    def matches(self, given: str) -> bool:
        """Return whether this is the token, in the same time whether it is or not."""
        return hmac.compare_digest(_digest(given), self._digest)


def configured_token(token_file: str | None, environment: Mapping[str, str]) -> Token | None:
    """Return the token that clients must send; None if none is configured.

    `token_file`: `web.token_file`. Raises ConfigurationError, which never holds the token.
    """
    if environment.get(VARIABLE):
        return Token(_checked(environment[VARIABLE], f"environment variable {VARIABLE}"))
    if token_file is None:
        return None
    return Token(read_token(token_file))


def read_token(token_file: str) -> str:
    """Return the token in a file. Raises ConfigurationError if it is not there, not private or no token."""
    where = f"web.token_file = {token_file!r}"
    content = private_content(token_file, where, "token", f"`raymal token --file {token_file}` makes it")
    try:
        return _checked(content.decode(), where)
    except UnicodeDecodeError:  # its words would hold the token
        raise ConfigurationError(f"{where}: {_DEFECT}") from None


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def write_token(path: Path, token: str, may_replace: bool) -> None:
    """Write a token into a file that its owner alone can read; whole, or not at all.

    Folders that are missing are made, private. Raises FileExistsError unless `may_replace`, or OSError.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:  # not of the token
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from error
    written = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(descriptor)
        if may_replace:
            written.replace(path)
        else:
            os.link(written, path)  # fails if there is one
    finally:
        with suppress(FileNotFoundError):
            written.unlink()


_DEFECT = (
    f"a token is {MINIMUM_CHARACTERS} to {MAXIMUM_BYTES} characters of ASCII without spaces; "
    "`raymal token` makes one"
)


def _checked(text: str, where: str) -> str:
    """Return a token without the space around it. Raises ConfigurationError, without the token."""
    token = text.strip()
    is_one_word = token.isascii() and token.isprintable() and " " not in token
    if not MINIMUM_CHARACTERS <= len(token) <= MAXIMUM_BYTES or not is_one_word:
        raise ConfigurationError(f"{where}: {_DEFECT}")
    return token


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()
