"""The one token of the HTTP doors, from the environment or a file; never in a log, an error or a setting."""

from __future__ import annotations

from collections.abc import Mapping

from actors.checks.folders import expanded
from actors.errors import ConfigurationError

VARIABLE = "RAYMAL_TOKEN"
SHORTEST = 16
"""Characters: fewer could be guessed."""
MAXIMUM_FILE_BYTES = 4_096


def configured_token(file: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the token of the environment, else of `file` (`web.token_file`); None if there is neither.

    Raises ConfigurationError for a file that cannot be read, or that other users may read, and for a token
    that could be guessed.
    """
    if environment.get(VARIABLE):
        return _checked(environment[VARIABLE], f"environment variable {VARIABLE}")
    if file is None:
        return None
    where = f"web.token_file = {file!r}"
    path = expanded(file, "web.token_file")
    try:
        with path.open("rb") as stream:
            mode = path.stat().st_mode
            content = stream.read(MAXIMUM_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{where}: {error.strerror or type(error).__name__}") from None
    if mode & 0o077:
        raise ConfigurationError(f"{where}: other users may read it: chmod 600 {path}")
    if len(content) > MAXIMUM_FILE_BYTES:
        raise ConfigurationError(f"{where}: longer than {MAXIMUM_FILE_BYTES} bytes: this is no token")
    return _checked(content.decode(errors="replace"), where)


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            f"{where}: a token is {SHORTEST} characters or more, ASCII, without spaces: run `raymal token`"
        )
    return token
