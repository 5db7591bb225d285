"""The listening sockets: bound once by the supervisor, shared with the media workers by inheritance.

The supervisor keeps them open, so that while a worker is being replaced new connections wait in the
kernel's queue instead of being refused. With several workers each has a socket of its own on the same
port (SO_REUSEPORT) and the kernel spreads the calls.
"""

from __future__ import annotations

import errno
import socket

from actors.errors import RaymalError
from ingress.server import BACKLOG
from ingress.settings import ServerSettings


class PortError(RaymalError):
    """The port cannot be listened on."""


def bind(settings: ServerSettings) -> list[socket.socket]:
    """Return one bound, listening socket per media worker. Raises PortError."""
    sockets: list[socket.socket] = []
    port = settings.port
    try:
        if settings.media_workers > 1 and port:
            _bind(settings.host, port, shared=False).close()  # SO_REUSEPORT would hide a busy port
        for _ in range(settings.media_workers):
            sockets.append(_bind(settings.host, port, shared=settings.media_workers > 1))
            port = sockets[0].getsockname()[1]
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise PortError(_explain(settings.host, port, error)) from None
    return sockets


def _bind(host: str, port: int, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _explain(host: str, port: int, error: OSError) -> str:
    where = f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{where} is in use by another program; stop it (`ss -ltnp 'sport = :{port}'` names it) "
                "or choose another with --port"
            )
        case errno.EACCES:
            return f"{where}: not allowed for this user; choose a port above 1023 with --port"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine; choose one of its own with --host"
        case _:
            return f"{where}: {error.strerror or error}"
