"""Read the settings: a TOML file, then the environment, then flags, and check them whole.

Every mistake is one ConfigurationError that says where (file, variable or flag), what is wrong and what
would be right. Nothing is opened, loaded or imported for it beyond the file itself.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actors.errors import ConfigurationError
from actors.plugins.mistakes import mistakes
from ingress.configuration.extensions import DEFAULT_EXTENSION, Extension, extensions
from ingress.configuration.settings import Settings
from ingress.dialogs.own_tables import check_tables
from ingress.dialogs.registry import check

ENVIRONMENT = {
    "MAX_CONCURRENT_TRANSCRIPTIONS": "fleet.max_concurrent_transcriptions",
    "MAX_CONCURRENT_SYNTHESIS": "fleet.max_concurrent_synthesis",
    "RAY_ADDRESS": "fleet.ray_address",
}
"""Variables that are read, and the setting that each one sets."""

EXTENSION_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def load_settings(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, tuple[str, Any]]
) -> Settings:
    """Return the checked settings.

    Args:
        file: a TOML file, or None.
        environment: usually os.environ.
        flags: dotted setting to (flag as the user wrote it, value).

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
        raise ConfigurationError(_explain(error, source, file)) from None
    check_tables(settings)
    _check_host(settings.server.host)
    _check_extensions(settings)
    return settings


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: no such configuration file") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read as TOML: {error}") from None


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
            ) from None


def _check_extensions(settings: Settings) -> None:
    """Raise ConfigurationError for names, ports and dialogs of extensions that cannot be."""
    problems = [
        f"extensions.{name!r}: {problem}"
        for name in settings.extensions
        if (problem := _name_problem(name)) is not None
    ]
    ports: dict[int, str] = {}
    for extension in extensions(settings).values():
        setting = _port_setting(extension)
        if extension.port and extension.port in ports:
            problems.append(
                f"{setting} = {extension.port}: the same as {ports[extension.port]}; "
                "every extension has a port of its own"
            )
        ports.setdefault(extension.port, setting)
    for name, extension in extensions(settings).items():
        is_shared = extension.dialog == settings.dialog
        try:
            check(extension.dialog, "dialog" if is_shared else f"extensions.{name}.dialog")
        except ConfigurationError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))


def _name_problem(name: str) -> str | None:
    if name == DEFAULT_EXTENSION:
        return "this is the name of the server's own port; set [server], [dialog] and [speech] instead"
    if not EXTENSION_NAME.fullmatch(name):
        return "an extension's name is made of letters, digits, '_', '.' and '-'"
    return None


def _port_setting(extension: Extension) -> str:
    return "server.port" if extension.name == DEFAULT_EXTENSION else f"extensions.{extension.name}.port"
