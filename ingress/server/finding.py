"""Find the running server that listens on a port: its own, or one of its extensions'."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from actors.errors import LinkError
from ingress.server.runtime_directory import PORTS, RuntimeDirectory

SERVICE_FOLDER = Path("/run/raymal")
"""RAYMAL_RUNTIME of the service (deploy/raymal.service)."""


def find(port: int, service_folder: Path = SERVICE_FOLDER) -> RuntimeDirectory:
    """Return the folder of the server that listens on `port`. Raises LinkError, with where it was sought.

    The environment's place comes first, then the other places of this user, then the service's.
    """
    places = list(_places(port, service_folder))
    locked: list[Path] = []
    for place in places:
        try:
            if place.path.exists() and place.gateway_socket.exists():
                return place
        except PermissionError:
            locked.append(place.path)
    for folder in dict.fromkeys(place.path.parent for place in places):
        with suppress(OSError):
            files = [ports for ports in folder.glob(f"*/{PORTS}") if _listens(ports, port)]
            if files:  # an older one is of a server that was killed
                return RuntimeDirectory(max(files, key=lambda ports: ports.stat().st_mtime).parent)
            servers = (path for path in folder.iterdir() if path.name.isdecimal())  # named after their ports
            locked += [path for path in servers if not os.access(path, os.X_OK, effective_ids=True)]
    raise LinkError(_not_found(port, places, locked))


def _places(port: int, service_folder: Path) -> Iterator[RuntimeDirectory]:
    yield RuntimeDirectory.of_port(port)
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base:
        yield RuntimeDirectory(Path(base) / f"raymal-{port}")
    yield RuntimeDirectory(Path(tempfile.gettempdir()) / f"raymal-{os.getuid()}-{port}")
    yield RuntimeDirectory(service_folder / str(port))


def _listens(ports: Path, port: int) -> bool:
    """Whether the server of that file has an extension on `port`; the file may be half written."""
    try:
        return port in json.loads(ports.read_text()).values()
    except (OSError, ValueError, AttributeError):
        return False


def _not_found(port: int, places: list[RuntimeDirectory], locked: list[Path]) -> str:
    sought = ", ".join(str(path) for path in dict.fromkeys(place.path for place in places))
    if locked:
        return (
            f"no gateway that this user may ask for port {port}: {locked[0]} is another user's; ask as that "
            "user or as root"
        )
    return (
        f"no gateway at port {port}, its own or an extension's; sought in {sought}: start `raymal serve`, or "
        "ask on its machine, as its user or root, with RAYMAL_RUNTIME set as it is for the server"
    )
