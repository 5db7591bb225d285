"""The listening sockets: bound once by the supervisor, shared with the media workers by inheritance.

Every media worker has one for each extension; several on the same port (SO_REUSEPORT) share the calls. The
supervisor keeps them open: while a worker is being replaced new connections wait in the kernel's queue.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterator

import psutil

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


def problems(server: ServerSettings, book: ExtensionBook, own: Collection[int] = ()) -> Iterator[str]:
    """Yield why an extension's port could not be listened on now. No port opens: a caller finds none.

    `own`: ports of the server that runs with this configuration's port; it will reload or restart with it.
    """
    for extension in book.extensions.values():
        if extension.port not in own:
            found = problem(server.host, extension.port, _setting(extension.name))
            if found is not None:
                yield found


def problem(host: str, port: int, setting: str) -> str | None:
    """Return why a port, set by `setting`, could not be listened on now; None: it could. No port opens."""
    try:
        with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as `socket.create_server`
            probe.bind((host, port))
    except OSError as error:
        return _explain(host, port, setting, error)
    return None


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
        raise PortError(_explain(host, port, _setting(extension), error)) from error
    return sockets


def _setting(extension: str) -> str:
    return "--port" if extension == DEFAULT_EXTENSION else f"extensions.{extension}.port"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bind(host: str, port: int, shared: bool) -> socket.socket:
    family = _family(host)
    listener = socket.create_server(
        (host, port),
        family=family,
        backlog=BACKLOG,
        reuse_port=shared,
        dualstack_ipv6=family is socket.AF_INET6,
    )
    listener.setblocking(False)
    return listener


def _explain(host: str, port: int, setting: str, error: OSError) -> str:
    where = f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{where} is in use by another program{_user_of(port)}; stop it "
                f"(`ss -ltnp 'sport = :{port}'` names it) or choose another with {setting}"
            )
        case errno.EACCES:
            return f"{where}: not allowed for this user; choose a port above 1023 with {setting}"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine; choose one of its own with --host"
        case _:
            return f"{where}: {error.strerror or error}"


def _user_of(port: int) -> str:
    """Return the program that listens on a port, as far as this user may know."""
    try:
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.pid and found.laddr[1:] == (port,):
                return f" ({psutil.Process(found.pid).name()}, process {found.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
