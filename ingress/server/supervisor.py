"""`raymal serve`: starts the processes of one PBX, restarts what dies, stops in order.

Order of start: listening sockets, media workers (callers hear a waiting tone from then on), a private Ray
if none was named, the gateway. Order of stop: media workers first, which refuse new calls and let running
ones finish while the gateway still serves them; then the gateway; then Ray.

SIGHUP has the configuration read again. What it says of the extensions holds for new calls; the rest, and
ports, wait for the next start. A configuration with a mistake changes nothing. The same goes for extensions
of a database, at each change of theirs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from actors.cluster.ray_head import RayHead
from actors.errors import ConfigurationError
from actors.liveness.threads import in_thread
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extension_tables import Tables, with_extensions
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.configuration.settings import Settings
from ingress.media.acceptor import Listeners, describe
from ingress.server import database_address
from ingress.server.checking import check
from ingress.server.child import Child
from ingress.server.exit_codes import ExitCode
from ingress.server.extension_source import ExtensionSource
from ingress.server.ports import bind, close
from ingress.server.runtime_directory import RuntimeDirectory

if TYPE_CHECKING:
    from ingress.server.extension_database import ExtensionDatabase

GATEWAY_STOP_S = 10.0
RAY_STOP_S = 20.0
SECOND_SIGNAL_AFTER_S = 0.5
"""Between the two signals that end a media worker's calls at once: the first one must have been handled."""
MEDIA_STOP_MARGIN_S = 10.0
"""Beyond the drain deadline, for the last calls to be ended."""
RELOAD_DEADLINE_S = 30.0
"""For a configuration to be read and checked: its disk, or a hub, may never answer."""
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy's small products on all cores cost more than they save: its threads spin while they wait, a quarter
of the CPU time of a transcription. Engines have threads of their own (`speech.*.threads`)."""

OF_EXTENSIONS: dict[str, Any] = {
    "extensions": True,
    "dialog": True,
    "barge_in": True,
    "server": {"port"},
    "speech": {"language"},
}
"""Settings that become an extension's (`ingress.configuration.extensions`)."""

log = logging.getLogger(__name__)


async def serve(settings: Settings, read_again: Callable[[], Settings]) -> ExitCode:
    """Run the server until SIGTERM or Ctrl-C. Raises ConfigurationError or PortError before it starts.

    `read_again` returns the settings as they are written now, or raises ConfigurationError.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to change
    book, database = await _begin(settings)
    workers = bind(settings.server, book)
    runtime = RuntimeDirectory.of_port(workers[0][DEFAULT_EXTENSION].getsockname()[1])
    try:
        runtime.create()
        with runtime.lock():
            try:
                supervisor = Supervisor(settings, book, workers, runtime, read_again, database)
                for extension, listener in workers[0].items():
                    log.info("listening on %s for extension %s", describe(listener), extension)
                return await supervisor.run()
            finally:
                runtime.remove()
    finally:
        close(workers)


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


class Supervisor:
    """The processes of one server."""

    def __init__(
        self,
        settings: Settings,
        book: ExtensionBook,
        workers: list[Listeners],
        runtime: RuntimeDirectory,
        read_again: Callable[[], Settings],
        database: ExtensionDatabase | None,
    ) -> None:
        self._settings = settings
        """As they were read at the start."""
        self._newest = settings
        """As they were read last."""
        self._database = database
        self._tables: Tables = database.taken if database is not None else {}
        """Extensions of the database."""
        self._read_again = read_again
        self._reloading = asyncio.Lock()
        self._drain_deadline_s = settings.server.drain_deadline_s
        self._head: RayHead | None = None
        if book.has_speech_workers and settings.fleet.backend == "ray" and settings.fleet.ray_address is None:
            self._head = RayHead.plan(runtime.path, settings.fleet)
            self._head.prepare()
            fleet = settings.fleet.model_copy(update={"ray_address": self._head.address})
            settings = settings.model_copy(update={"fleet": fleet})
        self._extensions = ExtensionSource(book, runtime.gateway_socket)

        ports = {extension: listener.getsockname()[1] for extension, listener in workers[0].items()}

        def write_files() -> None:
            runtime.write(settings, self._extensions.book)
            runtime.write_ports(ports)

        environment = ONE_BLAS_THREAD | os.environ
        command = [sys.executable, "-m", "ingress"]
        self._media: list[Child] = []
        for index, listeners in enumerate(workers):
            descriptors = {extension: listener.fileno() for extension, listener in listeners.items()}
            pairs = [f"{extension}={descriptor}" for extension, descriptor in descriptors.items()]
            self._media.append(
                Child(
                    f"media worker {index}",
                    [*command, "media-worker", str(runtime.path), str(index), *pairs],
                    environment,
                    before_start=write_files,
                    inherited=list(descriptors.values()),
                )
            )
        self._gateway = Child(
            "gateway",
            [*command, "gateway", str(runtime.path)],
            environment | (self._head.driver_environment if self._head is not None else {}),
            before_start=write_files,
        )
        self._ray: Child | None = None
        if self._head is not None:
            self._ray = Child(
                "Ray",
                # All of Ray inherits it: its server processes, its workers, the manager.
                [sys.executable, "-m", "actors.machine.rank", str(settings.server.nice), *self._head.argv],
                self._head.environment,
                # A new head is a new cluster: a gateway that runs has to start over with it.
                before_start=lambda: self._gateway.signal(signal.SIGTERM),
                output=asyncio.subprocess.DEVNULL,
            )

    async def run(self) -> ExitCode:
        """Run until SIGTERM or SIGINT, or until a process ends because its configuration cannot work."""
        terminated = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, terminated)
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            if len(reloads) < 2:  # one reads, the next will read what is written by then
                reloads.add(task := asyncio.create_task(self._reload()))
                task.add_done_callback(reloads.discard)

        # Not the loop's: that would let it end the process from the loop's end on.
        signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reload))
        children = [*self._media, *([self._ray] if self._ray else []), self._gateway]
        keepers = [asyncio.create_task(child.keep_running(), name=child.name) for child in children]
        stop = asyncio.create_task(terminated.wait())
        beside = [asyncio.create_task(self._extensions.run(), name="extensions")]
        if self._database is not None:
            beside.append(asyncio.create_task(self._database.run(self._follow), name="database"))
        await asyncio.wait((stop, *keepers), return_when=asyncio.FIRST_COMPLETED)
        code = ExitCode.OK
        for keeper in keepers:
            if keeper.done() and not terminated.is_set():
                log.error("%s cannot run with this configuration; stopping", keeper.get_name())
                code = ExitCode(keeper.result())
        stop.cancel()
        for task in beside:
            task.cancel()
        await self._stop(0.0 if code else self._drain_deadline_s)
        await asyncio.gather(*keepers)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return code

    async def _reload(self) -> None:
        """Read the configuration again and have new calls served by it."""
        try:
            await self._take(self._read_again, None)
        except ConfigurationError as error:
            log.error("the configuration is not reloaded: %s", error)
            return
        log.info("the configuration is reloaded; new calls are served by it")
        if self._database is not None:
            self._database.read_again()

    async def _follow(self, tables: Tables) -> None:
        """Have new calls served by these extensions of the database. Raises ConfigurationError."""
        await self._take(lambda: self._newest, tables)
        log.info("the extensions of the database are taken; new calls are served by them")

    async def _take(self, read: Callable[[], Settings], tables: Tables | None) -> None:
        """Have new calls served by these settings, and these extensions of the database; None: as they are.

        Raises ConfigurationError.
        """
        async with self._reloading:
            tables = self._tables if tables is None else tables
            try:
                async with asyncio.timeout(RELOAD_DEADLINE_S):
                    settings, newer = await in_thread(_read_and_check, read, tables)
            except TimeoutError:
                raise ConfigurationError(f"reading it takes longer than {RELOAD_DEADLINE_S:g} s") from None
            book, waiting = self._extensions.book.updated(newer)
            self._newest, self._tables = settings, tables
            waiting += [f"{setting} has changed" for setting in _changed(self._settings, settings)]
            if book.version != self._extensions.book.version:
                self._extensions.change(book)
            if waiting:
                log.warning("only the next start takes this up: %s", "; ".join(waiting))

    async def _stop(self, drain_deadline_s: float) -> None:
        media_stop_s = drain_deadline_s + MEDIA_STOP_MARGIN_S
        stopping = asyncio.gather(*(child.stop(media_stop_s) for child in self._media))
        if not drain_deadline_s:
            await asyncio.sleep(SECOND_SIGNAL_AFTER_S)
            self._end_calls()
        await stopping
        await self._gateway.stop(GATEWAY_STOP_S)
        if self._ray is not None:
            await self._ray.stop(RAY_STOP_S)
        if self._head is not None:
            self._head.remove()

    def _on_signal(self, terminated: asyncio.Event) -> None:
        """First: stop in order. Again: do not wait for running calls."""
        if terminated.is_set():
            log.warning("second signal: ending running calls now")
            self._end_calls()
        terminated.set()

    def _end_calls(self) -> None:
        """Send the media workers, which are stopping, the second signal: it ends running calls."""
        for child in self._media:
            child.signal(signal.SIGTERM)


def _read_and_check(read: Callable[[], Settings], tables: Tables) -> tuple[Settings, ExtensionBook]:
    settings = read()
    return settings, check(with_extensions(settings, tables))


def _changed(before: Settings, after: Settings) -> list[str]:
    """Return the settings that differ and are not those of extensions."""
    old, new = (_flat(settings.model_dump(exclude=OF_EXTENSIONS)) for settings in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat
