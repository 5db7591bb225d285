"""Read the settings: a TOML file, then the environment, then flags.

Every mistake is one ConfigurationError that says where (file, variable or flag), what is wrong and what
would be right. What the extensions and engines are is checked above (`ingress.server.checking`).
"""

from __future__ import annotations

import ipaddress
import socket
import tomllib
from collections.abc import Iterator, Mapping
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
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, tuple[str, Any]]
) -> Settings:
    """Return the checked settings. `flags`: dotted setting to (flag as written, value).

    Raises ConfigurationError.
    """
    values: dict[str, Any] = {}
    source: dict[str, str] = {}
    if file is not None:
        values = _read_toml(file)
    for variable, setting in ENVIRONMENT.items():
        if environment.get(variable):
            _put(values, setting, environment[variable])
            source[setting] = f"environment variable {variable}"
    for setting, (flag, value) in flags.items():
        _put(values, setting, value)
        source[setting] = flag
    unreadable = [
        f"{source.get(setting, file or 'configuration')}: {line}" for setting, line in _unreadable(values)
    ]
    if unreadable:
        raise ConfigurationError("\n".join(unreadable))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, source, file)) from error
    if problems := list(contradictions(settings)):
        elsewhere = str(file) if file else "configuration"
        lines = (f"{source.get(line.split(' ', 1)[0], elsewhere)}: {line}" for line in problems)
        raise ConfigurationError("\n".join(lines))
    _check_host(settings.server.host)
    return settings


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAXIMUM_FILE_BYTES + 1)
        if len(content) > MAXIMUM_FILE_BYTES:
            raise ConfigurationError(
                f"{file}: longer than {MAXIMUM_FILE_BYTES} bytes: this is no configuration"
            )
        return tomllib.loads(content.decode())
    except FileNotFoundError as error:
        raise ConfigurationError(f"{file}: no such configuration file") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read as TOML: {error}") from error


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


def _explain(error: ValidationError, source: Mapping[str, str], file: Path | None) -> str:
    """Return a line for each mistake, after the flag, variable or file that it is in."""
    elsewhere = str(file) if file else "configuration"
    lines = (f"{source.get(setting, elsewhere)}: {line}" for setting, line in mistakes(error, Settings))
    return "\n".join(lines)


def _check_host(host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            socket.getaddrinfo(host, None, family=socket.AF_INET)
        except (OSError, UnicodeError) as error:  # the latter for a name with an empty or too long part
            raise ConfigurationError(
                f"server.host: {host!r} is not an address of this machine ({error}); "
                "use 127.0.0.1 or the address of the private interface"
            ) from error
