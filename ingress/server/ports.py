"""The listening sockets: bound by the supervisor, passed to the media workers (`ingress.server.media_feed`).

Of each port there are as many as media workers, on the same port (SO_REUSEPORT). Each worker has one of them,
so that they share the calls. Those of an extension with a return port are all in one worker, where both legs
of a call meet: the one that its name falls to. The supervisor keeps them open: while a worker is being
replaced, or an extension goes over to another one, new connections wait in the kernel's queue.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

import psutil

from actors.errors import PortError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import DEFAULT_EXTENSION, Extension
from ingress.configuration.settings import AgiSettings, ServerSettings, Settings, WebSettings
from ingress.link.messages import LegName
from ingress.media.acceptor import BACKLOG

PortName = tuple[str, LegName]
"""One port of an extension: of its callers, or of return legs."""


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """The listening sockets of one port: as many as media workers."""

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

    def __init__(
        self, server: ServerSettings, taken_over: Mapping[PortName, Listening] | None = None
    ) -> None:
        """`taken_over`: of the server that this one replaces."""
        self._server = server
        self.listening: Mapping[PortName, Listening] = dict(taken_over or {})

    def numbers(self, leg: LegName = "caller") -> dict[str, int]:
        """Return the port of each extension that has one."""
        return {name: each.port for (name, of), each in self.listening.items() if of == leg}

    def of_worker(self, extension: Extension, worker: int) -> tuple[tuple[LegName, socket.socket], ...]:
        """Return the sockets on which a media worker serves an extension, each with its leg."""
        ports = [(leg, self.listening.get((extension.name, leg))) for leg in _ports_of(extension)]
        there = [(leg, listening.sockets) for leg, listening in ports if listening is not None]
        if extension.return_port is None:
            return tuple((leg, sockets[worker]) for leg, sockets in there)
        if worker != crc32(extension.name.encode()) % self._server.media_workers:
            return ()
        return tuple((leg, listener) for leg, sockets in there for listener in sockets)

    def plan(self, book: ExtensionBook) -> tuple[dict[PortName, Listening], dict[str, str]]:
        """Return what each extension is to listen on, and why others cannot. Nothing closes yet.

        An extension keeps its sockets where they fit; those that another one gives up are taken over, with
        the connections that wait on them. One that cannot have both its ports has none.
        """
        wanted: dict[PortName, tuple[str, int]] = {
            (name, leg): (extension.host or self._server.host, port)
            for name, extension in book.extensions.items()
            for leg, port in _ports_of(extension).items()
        }
        planned: dict[PortName, Listening] = {}
        problems: dict[str, str] = {}
        for key, place in wanted.items():
            own = self.listening.get(key)
            if own is not None and self._fits(own, *place):
                planned[key] = own
        free = [each for each in self.listening.values() if each not in planned.values()]
        for key, place in wanted.items():
            if key in planned:
                continue
            left = (each for each in free if place[1] and self._fits(each, *place))
            try:
                planned[key] = next(left, None) or self._bind(*place, _setting(*key))
            except PortError as error:
                problems.setdefault(key[0], str(error))
        self.discard({key: planned.pop(key) for key in list(planned) if key[0] in problems})
        return planned, problems

    def commit(self, planned: Mapping[PortName, Listening]) -> None:
        """Close the sockets that are not in the plan."""
        before, self.listening = self.listening, dict(planned)
        _close_all(before, planned)

    def discard(self, planned: Mapping[PortName, Listening]) -> None:
        """Close the sockets that only the plan has."""
        _close_all(planned, self.listening)

    def close(self) -> None:
        """Close all."""
        self.commit({})

    def _fits(self, listening: Listening, host: str, port: int) -> bool:
        is_enough = len(listening.sockets) == self._server.media_workers
        return port in (0, listening.port) and is_enough and listening.host == host

    def _bind(self, host: str, port: int, setting: str) -> Listening:
        """Return new sockets. Raises PortError."""
        return Listening(host, tuple(_bind_all(host, port, self._server.media_workers, setting)))


def _ports_of(extension: Extension) -> dict[LegName, int]:
    """Return the ports that an extension is to have."""
    ports: dict[LegName, int | None] = {"caller": extension.port, "return": extension.return_port}
    return {leg: port for leg, port in ports.items() if port is not None}


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
        for leg, port in _ports_of(extension).items():
            if port in own:
                continue
            found = problem(extension.host or server.host, port, _setting(extension.name, leg))
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


Name = TypeVar("Name", str, PortName)


def _close_all(these: Mapping[Name, Listening], but: Mapping[Name, Listening]) -> None:
    for listening in set(these.values()) - set(but.values()):
        listening.close()


def _bind_all(host: str, port: int, count: int, setting: str) -> list[socket.socket]:
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
        raise PortError(_explain(host, port, setting, error)) from error
    return sockets


def _setting(extension: str, leg: LegName) -> str:
    if leg == "return":
        return f"extensions.{extension}.return_port"
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
            flag = "--host" if setting == "--port" else f"{setting.rpartition('.')[0]}.host"
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
