"""The address of the database with extensions, and the password for it, which no message ever holds."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from actors.checks.folders import expanded, obstacle
from actors.errors import ConfigurationError
from ingress.configuration.settings import ExtensionsSourceSettings

SCHEMES = ("postgresql", "postgres")
PASSWORD_LIMIT_BYTES = 4_096
ELSEWHERE = "write the password into a file and name it in extensions_source.password_file, or set PGPASSWORD"


def problems(settings: ExtensionsSourceSettings) -> Iterator[str]:
    """Yield what is wrong with the settings of the database; it is not asked."""
    if settings.url is None:
        return
    problem = _url_problem(settings.url)
    if problem is not None:
        yield f"extensions_source.url: {problem}"
    try:
        password(settings)
        copy = settings.local_copy
        if copy and (problem := _copy_problem(expanded(copy, "extensions_source.local_copy"))) is not None:
            yield f"extensions_source.local_copy = {copy!r}: {problem}"
    except ConfigurationError as error:
        yield str(error)


def exposure(settings: ExtensionsSourceSettings) -> str | None:
    """Return that all users of this machine can read the password; None: they cannot."""
    if settings.password_file is None:
        return None
    try:
        mode = expanded(settings.password_file, "extensions_source.password_file").stat().st_mode
    except (OSError, ConfigurationError):  # `password` says it
        return None
    if not mode & stat.S_IROTH:
        return None
    return f"extensions_source.password_file = {settings.password_file!r} can be read by all users: chmod 600"


def shown(url: str) -> str:
    """Return the URL without its parameters."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def password(settings: ExtensionsSourceSettings) -> str | None:
    """Return what is in `password_file`, as it is now; None: none is set. Raises ConfigurationError."""
    if settings.password_file is None:
        return None
    path = expanded(settings.password_file, "extensions_source.password_file")
    try:
        with Path(path).open("rb") as file:
            content = file.read(PASSWORD_LIMIT_BYTES + 1)
        found = content.decode().strip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise ConfigurationError(
            f"extensions_source.password_file = {settings.password_file!r}: {reason}"
        ) from None
    if not found or len(content) > PASSWORD_LIMIT_BYTES or any(end in found for end in "\n\r\0"):
        raise ConfigurationError(
            f"extensions_source.password_file = {settings.password_file!r}: "
            "it has to hold the password, on one line, and nothing else"
        )
    return found


def _copy_problem(path: Path) -> str | None:
    """Return why a file cannot be replaced by another; None: it can."""
    try:
        if path.exists() and not path.is_file():
            return "this is no file"
        return obstacle(path.parent)
    except OSError as error:
        return f"it cannot be written: {error.strerror or type(error).__name__}"


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        parameters = parse_qs(parts.query)
        _ = parts.port if "," not in parts.netloc else None  # several hosts have no one port
    except ValueError:
        return "this is no URL; write postgresql://USER@HOST:PORT/DATABASE"
    if parts.scheme not in SCHEMES or "://" not in url:
        return "write postgresql://USER@HOST:PORT/DATABASE"
    if parts.password is not None or "password" in parameters:
        return f"it holds a password, which others could read here; {ELSEWHERE}"
    return None
