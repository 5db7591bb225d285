"""Read the settings: a TOML file, then the environment, then flags.

Every mistake is one ConfigurationError that says where (file, variable or flag), what is wrong and what
would be right. What the extensions and engines are is checked above (`ingress.server.checking`).
"""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actors.errors import ConfigurationError
from actors.plugins.mistakes import mistakes
from ingress.configuration.contradictions import contradictions
from ingress.configuration.settings import Settings

MAXIMUM_FILE_BYTES = 1024 * 1024
"""Of a configuration; a device may have no end."""
ENVIRONMENT = {
    "MAX_CONCURRENT_TRANSCRIPTIONS": "fleet.max_concurrent_transcriptions",
    "MAX_CONCURRENT_SYNTHESIS": "fleet.max_concurrent_synthesis",
    "RAY_ADDRESS": "fleet.ray_address",
}
"""Variables that are read, and the setting that each one sets."""


def load_settings(
    file: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, tuple[str, Any]],
    drafts: Mapping[Path, str] | None = None,
) -> Settings:
    """Return the checked settings. `flags`: dotted setting to (flag as written, value).

    `drafts`: texts to read in place of what files hold. Raises ConfigurationError.
    """
    drafts = drafts or {}
    values: dict[str, Any] = {}
    source: dict[str, str] = {}
    if file is not None:
        values = _read_toml(file, drafts.get(file))
    chosen = flags.get("extensions_source.file")
    extensions_file = _file(chosen[1]) if chosen is not None else extensions_file_of(values)
    if extensions_file is not None:
        for name in _put_extensions(values, extensions_file, drafts.get(extensions_file)):
            source[f"extensions.{name}"] = str(extensions_file)
    for variable, setting in ENVIRONMENT.items():
        if environment.get(variable):
            _put(values, setting, environment[variable])
            source[setting] = f"environment variable {variable}"
    for setting, (flag, value) in flags.items():
        _put(values, setting, value)
        source[setting] = flag

    def where(setting: str) -> str:
        """Return the flag, variable or file that a setting is in."""
        extension = ".".join(setting.split(".")[:2])
        return source.get(setting) or source.get(extension) or str(file or "configuration")

    unreadable = [f"{where(setting)}: {line}" for setting, line in _unreadable(values)]
    if unreadable:
        raise ConfigurationError("\n".join(unreadable))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        lines = (f"{where(setting)}: {line}" for setting, line in mistakes(error, Settings))
        raise ConfigurationError("\n".join(lines)) from error
    if problems := list(contradictions(settings)):
        raise ConfigurationError("\n".join(f"{where(line.split(' ', 1)[0])}: {line}" for line in problems))
    _check_host("server.host", settings.server.host)
    for name, extension in settings.extensions.items():
        if extension.host is not None:
            _check_host(f"extensions.{name}.host", extension.host)
    return settings


def extensions_file_of(values: Mapping[str, Any]) -> Path | None:
    """Return `extensions_source.file` of settings that are not checked yet."""
    section = values.get("extensions_source")
    return _file(section.get("file")) if isinstance(section, dict) else None


def _file(value: object) -> Path | None:
    """Return the path, if it can be one; else validation will say what is wrong."""
    return Path(value) if isinstance(value, str) and value and "\0" not in value else None


def _put_extensions(values: dict[str, Any], file: Path, draft: str | None) -> Collection[str]:
    """Add the extensions of their own file, which need not exist yet; return their names."""
    if draft is None and is_missing(file):
        return ()
    found = _read_toml(file, draft)
    for other in found.keys() - {"extensions"}:
        raise ConfigurationError(f"{file}: {other}: only tables [extensions.NAME] belong in this file")
    extensions, present = found.get("extensions", {}), values.setdefault("extensions", {})
    if not isinstance(extensions, dict) or not isinstance(present, dict):
        raise ConfigurationError(f"{file}: extensions: tables [extensions.NAME] are needed")
    for name, table in extensions.items():
        own = present.get(name)
        if own is not None:
            raise ConfigurationError(
                f"{file}: extensions.{name}: it is in the configuration as well; remove it from one of them"
            )
        present[name] = table
    return extensions.keys()


def _read_toml(file: Path, draft: str | None = None) -> dict[str, Any]:
    if draft is not None:
        try:
            return tomllib.loads(draft)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{file}: cannot be read as TOML: {error}") from error
    try:
        return tomllib.loads(read_text(file))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{file}: no such configuration file") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read as TOML: {error}") from error


def is_missing(file: Path) -> bool:
    """Whether there is no such file; a link that leads nowhere, and what may not be read, is there."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def read_text(file: Path) -> str:
    """Return what a configuration's file holds. Raises ConfigurationError, OSError or UnicodeDecodeError.

    A pipe is none: there may be no writer, and it is empty when the configuration is read again.
    """
    with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as stream:
        if stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
            raise ConfigurationError(f"{file}: this is a pipe; a file is needed, it is read again")
        content = stream.read(MAXIMUM_FILE_BYTES + 1) or b""
    if len(content) > MAXIMUM_FILE_BYTES:
        raise ConfigurationError(f"{file}: longer than {MAXIMUM_FILE_BYTES} bytes: this is no configuration")
    return content.decode()


def _put(values: dict[str, Any], setting: str, value: Any) -> None:
    *sections, key = setting.split(".")
    for section in sections:
        nested = values.setdefault(section, {})
        if not isinstance(nested, dict):
            return  # the file holds a plain value here; validation will say so
        values = nested
    values[key] = value


def _unreadable(value: Any, setting: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings with text that no file, address or message can hold: zero bytes, half characters."""
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= char <= "\udfff" for char in value)):
        yield setting, f"{setting!a} = {value!a}: text without zero bytes, in UTF-8, is needed"
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _unreadable(key, setting or "a section")
            yield from _unreadable(item, f"{setting}.{key}" if setting else key)
    if isinstance(value, list):
        for item in value:
            yield from _unreadable(item, setting)


def _check_host(setting: str, host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            socket.getaddrinfo(host, None, family=socket.AF_INET)
        except (OSError, UnicodeError) as error:  # the latter for a name with an empty or too long part
            raise ConfigurationError(
                f"{setting}: {host!r} is not an address of this machine ({error}); "
                "use 127.0.0.1 or the address of the private interface"
            ) from error
