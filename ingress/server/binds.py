"""The addresses that the settings have this server listen on."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from actors.settings import Section
from ingress.configuration.settings import Settings


def hosts(settings: Settings) -> dict[str, str]:
    """Return the address of each setting that binds one: of every section and extension with a `host`.

    A name is resolved as the listener will resolve it; this may ask a name server.
    """
    return {setting: _resolved(host) for setting, host in _written(settings)}


def _written(settings: Settings) -> Iterator[tuple[str, str]]:
    sections: dict[str, object] = dict(settings)
    sections |= {f"extensions.{name}": extension for name, extension in settings.extensions.items()}
    for name, section in sections.items():
        host = getattr(section, "host", None) if isinstance(section, Section) else None
        if isinstance(host, str) and getattr(section, "enabled", True):
            yield f"{name}.host", host


def _resolved(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, None, family=socket.AF_INET)[0][4][0])
    except (OSError, UnicodeError):
        return host
