"""Read the settings: a TOML file, then the environment, then flags.

Every mistake is one ConfigurationError that says where (file, variable or flag), what is wrong and what
would be right. What the extensions and engines are is checked above (`ingress.server.checking`).
"""

from __future__ import annotations

import ipaddress
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actors.errors import ConfigurationError
from actors.plugins.mistakes import mistakes
from ingress.configuration.contradictions import contradictions
from ingress.configuration.settings import Settings

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
            return tomllib.load(stream)
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
        except OSError as error:
            raise ConfigurationError(
                f"server.host: {host!r} is not an address of this machine ({error}); "
                "use 127.0.0.1 or the address of the private interface"
            ) from error
