"""The start of a server: what it holds is checked and opened, or taken over, and released when it has ended.

| held | from | released |
|---|---|---|
| listening sockets: of extensions, of web | bound, or those of the server that is replaced | at the end |
| the runtime folder and its lock | made, or that server's | by the last server that has them |
"""

from __future__ import annotations

import logging
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actors.errors import ConfigurationError, PortError
from ingress.access.networks import public_binds
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extension_tables import Tables, with_extensions
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.configuration.settings import Settings
from ingress.media.acceptor import describe
from ingress.media.scheduling import allow_descriptors
from ingress.server import database_address
from ingress.server.binds import hosts
from ingress.server.checking import check
from ingress.server.configuration_keeper import ConfigurationKeeper, ReadAgain
from ingress.server.exit_codes import ExitCode
from ingress.server.extension_keeper import ExtensionKeeper
from ingress.server.handover import Handover
from ingress.server.ports import bind_doors, problem
from ingress.server.runtime_directory import RuntimeDirectory
from ingress.server.supervisor import Supervisor

if TYPE_CHECKING:
    from ingress.server.extension_database import ExtensionDatabase

DESCRIPTORS = 65_536
"""Open files: each extension is a socket for each media worker. Not more: Ray inherits the limit."""
DOORS = {"web": "the live page is at http://%s/", "agi": "the dialplan may ask agi://%s/begin"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Take the place of the server that runs on the same port, if there is one."""

    drain_deadline_s: float | None = None
    """For that one's calls; None: its own setting."""


async def serve(
    settings: Settings,
    read_again: ReadAgain,
    configuration: Path | None = None,
    replaces: Replacement | None = None,
) -> ExitCode:
    """Run the server until SIGTERM or Ctrl-C. Raises ConfigurationError or PortError before it starts.

    `configuration`: the file that the settings are in. Raises LinkError if the server that it `replaces`
    does not let it.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to change
    allow_descriptors(DESCRIPTORS)
    book, database = await _begin(settings)
    for public in public_binds(hosts(settings)):
        log.warning("%s", public.describe())
    if settings.api.enabled and settings.fleet.ray_address is None and replaces is None:
        busy = problem(settings.api.host, settings.api.port, "api.port")
        if busy is not None:
            raise PortError(busy)
    taken: Handover | None = None
    with ExitStack() as opened:
        if replaces is not None:
            runtime = RuntimeDirectory.of_port(settings.server.port)
            taken = Handover.begin(runtime.handover_socket, replaces.drain_deadline_s)
            if taken is None:
                log.info("no server to replace runs on port %d", settings.server.port)
            else:
                opened.callback(taken.close)
                _check_workers(settings, taken)
        extensions = ExtensionKeeper(book, settings.server, taken.listening if taken is not None else None)
        opened.callback(extensions.close)
        doors = bind_doors(settings, taken.doors if taken is not None else {})
        for name, door in doors.items():
            opened.callback(door.close)
            log.info(DOORS[name], describe(door.sockets[0]))
        runtime = RuntimeDirectory.of_port(extensions.ports.numbers()[DEFAULT_EXTENSION])
        runtime.create()
        lock = opened.enter_context(taken.lock if taken is not None else runtime.lock())
        if recorded := [it.name for it in book.extensions.values() if it.recording.keeps_anything]:
            log.info("calls are recorded: extensions %s (recording.folder)", ", ".join(recorded))
        configurations = ConfigurationKeeper(settings, configuration, read_again, extensions, database)
        try:
            supervisor = Supervisor(
                settings, extensions, doors, runtime, configurations, lock, taken, database
            )
        except BaseException:
            if taken is None:
                runtime.remove()
            raise
        try:
            return await supervisor.run()
        finally:
            if supervisor.has_runtime:
                runtime.remove()
            elif not supervisor.was_replaced:
                runtime.gateway_socket.unlink(missing_ok=True)  # that of the server that goes on comes back
    raise AssertionError("not reached: nothing above swallows an error")


async def _begin(settings: Settings) -> tuple[ExtensionBook, ExtensionDatabase | None]:
    """Return the first book, and the database that has a part of it. Raises ConfigurationError."""
    source = settings.extensions_source
    if source.url is None or any(database_address.problems(source)):
        return check(settings), None
    from ingress.server.extension_database import ExtensionDatabase  # imports asyncpg

    database = ExtensionDatabase(source, settings.server.port)
    books: list[ExtensionBook] = []

    async def take(tables: Tables) -> None:
        books.append(check(with_extensions(settings, tables)))

    await database.start(take)
    return books[-1], database


def _check_workers(settings: Settings, taken: Handover) -> None:
    """Raise ConfigurationError if the media workers could not share the sockets that were taken over."""
    count = len(taken.listening[DEFAULT_EXTENSION, "caller"].sockets)
    if count != settings.server.media_workers:
        raise ConfigurationError(
            f"server.media_workers = {settings.server.media_workers}: the running server has {count}, and a "
            "server that replaces it needs as many; stop it and start again to change that"
        )
