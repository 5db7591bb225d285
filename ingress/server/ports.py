"""The listening sockets: bound by the supervisor, passed to the media workers (`ingress.server.media_feed`).

Every media worker has one for each extension; several on the same port (SO_REUSEPORT) share the calls. The
supervisor keeps them open: while a worker is being replaced new connections wait in the kernel's queue.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import psutil

from actors.errors import PortError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import DEFAULT_EXTENSION, Extension
from ingress.configuration.settings import AgiSettings, ServerSettings, Settings, WebSettings
from ingress.media.acceptor import BACKLOG


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """The listening sockets of one extension: one for each media worker, all on the same port."""

    host: str
    """As it was set."""
    sockets: tuple[socket.socket, ...]

    @property
    def port(self) -> int:
        """The port, also where the system chose it."""
        return int(self.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Close them."""
        for listener in self.sockets:
            listener.close()


class Ports:
    """The listening sockets of all extensions that have some."""

    def __init__(self, server: ServerSettings, taken_over: Mapping[str, Listening] | None = None) -> None:
        """`taken_over`: of the server that this one replaces."""
        self._server = server
        self.listening: Mapping[str, Listening] = dict(taken_over or {})

    def numbers(self) -> dict[str, int]:
        """Return the port of each extension that has one."""
        return {name: listening.port for name, listening in self.listening.items()}

    def plan(self, book: ExtensionBook) -> tuple[dict[str, Listening], dict[str, str]]:
        """Return what each extension is to listen on, and why others cannot. Nothing closes yet.

        An extension keeps its sockets where they fit; those that another one gives up are taken over, with
        the connections that wait on them.
        """
        planned: dict[str, Listening] = {}
        problems: dict[str, str] = {}
        for name, extension in book.extensions.items():
            own = self.listening.get(name)
            if own is not None and self._fits(own, extension):
                planned[name] = own
        free = [each for each in self.listening.values() if each not in planned.values()]
        for name, extension in book.extensions.items():
            if name in planned or extension.port is None:
                continue
            left = (each for each in free if extension.port and self._fits(each, extension))
            try:
                planned[name] = next(left, None) or self._bind(extension)
            except PortError as error:
                problems[name] = str(error)
        return planned, problems

    def commit(self, planned: Mapping[str, Listening]) -> None:
        """Close the sockets that are not in the plan."""
        before, self.listening = self.listening, dict(planned)
        _close_all(before, planned)

    def discard(self, planned: Mapping[str, Listening]) -> None:
        """Close the sockets that only the plan has."""
        _close_all(planned, self.listening)

    def close(self) -> None:
        """Close all."""
        self.commit({})

    def _fits(self, listening: Listening, extension: Extension) -> bool:
        is_port = extension.port == 0 or extension.port == listening.port
        is_enough = len(listening.sockets) == self._server.media_workers
        return is_port and is_enough and listening.host == self._host(extension)

    def _host(self, extension: Extension) -> str:
        return extension.host or self._server.host

    def _bind(self, extension: Extension) -> Listening:
        """Return new sockets. Raises PortError."""
        host, port = self._host(extension), extension.port
        assert port is not None
        sockets = _bind_all(host, port, self._server.media_workers, extension.name)
        return Listening(host, tuple(sockets))


def bind_doors(settings: Settings, taken_over: Mapping[str, Listening]) -> dict[str, Listening]:
    """Return what the web process listens on, `web` first, then `agi`, one socket each. Raises PortError.

    `taken_over`: of the server that this one replaces; those that do not fit are closed.
    """
    doors: dict[str, Listening] = {}
    for name, (host, port) in _doors(settings).items():
        taken = taken_over.get(name)
        if taken is not None and taken.host == host and port in (0, taken.port):
            doors[name] = taken
            continue
        try:
            doors[name] = Listening(host, (_bind(host, port, shared=False),))
        except OSError as error:
            _close_all(doors, taken_over)
            raise PortError(_explain(host, port, f"{name}.port", error)) from error
    _close_all(taken_over, doors)
    return doors


def door_problems(settings: Settings) -> Iterator[str]:
    """Yield why the web process's ports could not be listened on now. No port opens."""
    for name, (host, port) in _doors(settings).items():
        found = problem(host, port, f"{name}.port")
        if found is not None:
            yield found


def _doors(settings: Settings) -> dict[str, tuple[str, int]]:
    """Return address and port of what the web process listens on."""
    if not settings.web.enabled:
        return {}
    sections: dict[str, WebSettings | AgiSettings] = {"web": settings.web, "agi": settings.agi}
    return {
        name: (section.host, door_port(settings, section))
        for name, section in sections.items()
        if section.enabled
    }


def door_port(settings: Settings, section: WebSettings | AgiSettings) -> int:
    """Return a section's port; 0, the system chooses, is also the default of a server that is started so."""
    is_default = "port" not in section.model_fields_set
    return 0 if is_default and settings.server.port == 0 else section.port


def problems(server: ServerSettings, book: ExtensionBook, own: Collection[int] = ()) -> Iterator[str]:
    """Yield why an extension's port could not be listened on now. No port opens: a caller finds none.

    `own`: ports of the server that runs with this configuration's port; it will reload or restart with it.
    """
    for extension in book.extensions.values():
        port = extension.port
        if port is None or port in own:
            continue
        found = problem(extension.host or server.host, port, _setting(extension.name))
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


def _close_all(these: Mapping[str, Listening], but: Mapping[str, Listening]) -> None:
    for listening in set(these.values()) - set(but.values()):
        listening.close()


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
            flag = "--host" if setting == "--port" else setting.removesuffix("port") + "host"
            return f"{host} is not an address of this machine; choose one of its own with {flag}"
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
