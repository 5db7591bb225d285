"""The listening sockets: bound once by the supervisor, shared with the media workers by inheritance.

Every media worker has one for each extension; several on the same port (SO_REUSEPORT) share the calls. The
supervisor keeps them open: while a worker is being replaced new connections wait in the kernel's queue.
"""

from __future__ import annotations

import errno
import socket

from actors.errors import PortError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.configuration.settings import ServerSettings
from ingress.media.acceptor import BACKLOG, Listeners


def bind(server: ServerSettings, book: ExtensionBook) -> list[Listeners]:
    """Return the bound, listening sockets of each media worker. Raises PortError."""
    workers: list[Listeners] = [{} for _ in range(server.media_workers)]
    try:
        for extension in book.extensions.values():
            sockets = _bind_all(server.host, extension.port, server.media_workers, extension.name)
            for listeners, bound in zip(workers, sockets, strict=True):
                listeners[extension.name] = bound
    except PortError:
        close(workers)
        raise
    return workers


def close(workers: list[Listeners]) -> None:
    """Close the sockets of all media workers."""
    for listeners in workers:
        for listener in listeners.values():
            listener.close()


def _bind_all(host: str, port: int, count: int, extension: str) -> list[socket.socket]:
    """Return so many sockets on one port; port 0 is chosen by the first of them."""
    sockets: list[socket.socket] = []
    try:
        if count > 1 and port:
            _bind(host, port, shared=False).close()  # SO_REUSEPORT would hide a busy port
        for _ in range(count):
            sockets.append(_bind(host, port, shared=count > 1))
            port = sockets[0].getsockname()[1]
    except OSError as error:
        for bound in sockets:
            bound.close()
        setting = "--port" if extension == DEFAULT_EXTENSION else f"extensions.{extension}.port"
        raise PortError(_explain(host, port, setting, error)) from error
    return sockets


def _bind(host: str, port: int, shared: bool) -> socket.socket:
    is_ipv6 = ":" in host
    listener = socket.create_server(
        (host, port),
        family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
        backlog=BACKLOG,
        reuse_port=shared,
        dualstack_ipv6=is_ipv6,
    )
    listener.setblocking(False)
    return listener


def _explain(host: str, port: int, setting: str, error: OSError) -> str:
    where = f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{where} is in use by another program; stop it (`ss -ltnp 'sport = :{port}'` names it) "
                f"or choose another with {setting}"
            )
        case errno.EACCES:
            return f"{where}: not allowed for this user; choose a port above 1023 with {setting}"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine; choose one of its own with --host"
        case _:
            return f"{where}: {error.strerror or error}"
