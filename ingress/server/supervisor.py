"""`raymal serve`: starts the processes of one PBX, restarts what dies, stops in order.

Order of start: listening sockets, media workers (callers hear a waiting tone from then on), a private Ray
if none was named, the gateway. Order of stop: media workers first, which refuse new calls and let running
ones finish while the gateway still serves them; then the gateway; then Ray.

A server that replaces another one (`ingress.server.handover`) starts Ray and the gateway first, and takes
calls once they can be served; the other one then stops in the order above, without listening.

When a file of the configuration changes, on SIGHUP, and when asked to (`ingress.server.control`), all of it
is read again. What it says of extensions holds for new calls; the rest waits for the next start.
A configuration with a mistake changes nothing. The same goes for extensions of a database, at each change of
theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Set
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from actors.cluster.ray_head import DIALOG_SECRET_VARIABLES, SECRET_VARIABLES, RayHead
from actors.errors import ConfigurationError, LinkError
from actors.liveness.threads import in_thread
from ingress.access.tokens import VARIABLE as TOKEN_VARIABLE
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.settings import Settings
from ingress.link import listener
from ingress.link.status import ServerStatus
from ingress.server import handover, observer
from ingress.server.child import Child
from ingress.server.configuration_keeper import ConfigurationKeeper
from ingress.server.control import Control
from ingress.server.exit_codes import ExitCode
from ingress.server.extension_keeper import ExtensionKeeper
from ingress.server.handover import Handover
from ingress.server.media_feed import MediaFeed
from ingress.server.ports import Listening
from ingress.server.retention import keep_retention
from ingress.server.runtime_directory import RuntimeDirectory
from ingress.server.watching import watch

if TYPE_CHECKING:
    from ingress.server.extension_database import ExtensionDatabase

GATEWAY_STOP_S = 10.0
RAY_STOP_S = 20.0
WEB_STOP_S = 5.0
SECOND_SIGNAL_AFTER_S = 0.5
"""Between the two signals that end a media worker's calls at once: the first one must have been handled."""
MEDIA_STOP_MARGIN_S = 10.0
"""Beyond the drain deadline, for the last calls to be ended."""
MEDIA_START_S = 30.0
"""For the media workers of a server that replaces another one to reach its gateway."""
POLL_S = 0.1
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy's small products on all cores cost more than they save: its threads spin while they wait, a quarter
of the CPU time of a transcription. Engines have threads of their own (`speech.*.threads`)."""
CREDENTIALS = struct.Struct("3i")
"""Process, user, group of the other side (SO_PEERCRED, unix(7))."""
RAY_PLACES = ("", "2", "3", "4")
"""Of a private Ray in the runtime folder: servers that still drain have theirs."""

log = logging.getLogger(__name__)


class Supervisor:
    """The processes of one server."""

    def __init__(
        self,
        settings: Settings,
        extensions: ExtensionKeeper,
        doors: Mapping[str, Listening],
        runtime: RuntimeDirectory,
        configuration: ConfigurationKeeper,
        lock: IO[bytes],
        taken: Handover | None,
        database: ExtensionDatabase | None,
    ) -> None:
        self.has_runtime = taken is None
        """Whether the runtime folder is ours: the server that we replace has left, and no other came."""
        self.was_replaced = False
        self._extensions = extensions
        self._configuration = configuration
        self._runtime = runtime
        self._lock = lock
        self._taken = taken
        self._database = database
        self._doors = doors
        self._recording = settings.recording
        self._drain_deadline_s = settings.server.drain_deadline_s
        self._terminated = asyncio.Event()
        self._reloads: set[asyncio.Task[None]] = set()
        self._start_deadline_s = settings.fleet.worker_start_deadline_s
        self._head: RayHead | None = None
        book = extensions.book
        if book.has_speech_workers and settings.fleet.backend == "ray" and settings.fleet.ray_address is None:
            self._head = RayHead.plan(_ray_place(runtime, taken is not None), settings.fleet)
            self._head.prepare()
            fleet = settings.fleet.model_copy(update={"ray_address": self._head.address})
            settings = settings.model_copy(update={"fleet": fleet})

        def write_files() -> None:
            runtime.write(settings, extensions.book)
            ports = extensions.ports
            returns = {f"{name} (return)": port for name, port in ports.numbers("return").items()}
            runtime.write_ports(ports.numbers() | returns)

        self._write_files = write_files
        extensions.on_change = self._write_changed
        # The token is for HTTP, the secrets of dialogs are for the gateway. With `api.enabled` it has both:
        # it opens the cluster's door with the token.
        needed_by_gateway = DIALOG_SECRET_VARIABLES | ({TOKEN_VARIABLE} if settings.api.enabled else set())
        command = [sys.executable, "-m", "ingress"]
        self._media = [
            Child(
                f"media worker {index}",
                [*command, "media-worker", str(runtime.path), str(index), str(feed.inherited.fileno())],
                _environment(),
                before_start=partial(self._media_starts, feed),
                inherited=[feed.inherited.fileno()],
            )
            for index, feed in enumerate(extensions.feeds)
        ]
        self._gateway = Child(
            "gateway",
            [*command, "gateway", str(runtime.path)],
            _environment(needed_by_gateway)
            | (self._head.driver_environment if self._head is not None else {}),
            before_start=write_files,
        )
        self._web: Child | None = None
        if doors:
            listening = [door.sockets[0].fileno() for door in doors.values()]
            self._web = Child(
                "web",
                [*command, "web", str(runtime.path), *map(str, listening)],
                _environment({TOKEN_VARIABLE}),
                before_start=write_files,
                inherited=listening,
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
        """Run until SIGTERM or SIGINT, or until a process ends because its configuration cannot work.

        Raises LinkError if the server that is replaced could not be.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        # Not the loop's: that would let it end the process from the loop's end on.
        signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(self._reload_soon))
        keepers: list[asyncio.Task[int]] = []
        beside: list[asyncio.Task[None]] = []
        stop: asyncio.Task[Any] = asyncio.create_task(self._terminated.wait())
        try:
            speech_side = (*filter(None, (self._ray,)), self._gateway)
            if self._taken is not None:
                keepers += _kept(*speech_side)
                beside.append(replacing := asyncio.create_task(self._wait_for_speech()))
                await asyncio.wait((stop, replacing, *keepers), return_when=asyncio.FIRST_COMPLETED)
                if replacing.done():
                    replacing.result()
            if not any(task.done() for task in (stop, *keepers)):
                # Not earlier: where a server is replaced its gateway had the socket.
                following = self._extensions.run(self._runtime.gateway_socket)
                beside.append(_watched(following, "extensions"))
                beside.append(_watched(keep_retention(self._recording), "retention"))
                if self._database is not None:
                    reading = self._database.run(self._configuration.follow_database)
                    beside.append(_watched(reading, "database"))
                self._extensions.serve()
                keepers += _kept(*self._media, *filter(None, (self._web,)))
                if self._taken is None:
                    keepers += _kept(*speech_side)
                beside.append(asyncio.create_task(self._be_reachable()))
                waited = (stop, beside[-1], *keepers)
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if beside[-1].done():
                    beside[-1].result()  # raises what keeps the server that is replaced from leaving
            code = ExitCode.OK
            for keeper in keepers:
                if keeper.done() and not self._terminated.is_set():
                    log.error("%s cannot run with this configuration; stopping", keeper.get_name())
                    code = ExitCode(keeper.result())
        except (LinkError, OSError):
            await self._end(keepers, [stop, *beside], 0.0)
            raise
        await self._end(keepers, [stop, *beside], 0.0 if code else self._drain_deadline_s)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return code

    async def _end(
        self, keepers: list[asyncio.Task[int]], beside: list[asyncio.Task[Any]], drain_deadline_s: float
    ) -> None:
        for task in beside:
            task.cancel()
        await self._stop(drain_deadline_s)
        await asyncio.gather(*keepers)
        await asyncio.gather(*beside, return_exceptions=True)

    # Replacing another server, and being replaced

    async def _wait_for_speech(self) -> None:
        """Return once our gateway can serve a turn. Raises LinkError."""
        await self._wait_for_gateway(lambda status: status.is_ready, self._start_deadline_s)

    async def _be_reachable(self) -> None:
        """Have the server that we replace leave, if there is one; then listen on our sockets until cancelled.

        Raises LinkError.
        """
        if self._taken is not None:
            count = len(self._media)
            await self._wait_for_gateway(lambda status: len(status.media_workers) == count, MEDIA_START_S)
            await in_thread(self._taken.finish)
            self.has_runtime = True
            log.info("the server that ran before takes no more calls; it ends with its last one")
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._wait_for_successor())]
        if files := self._configuration.files.paths:
            tasks.append(asyncio.create_task(watch(files, partial(self._reload_soon, is_asked=False))))
        if self._taken is not None:  # a file may have changed since it was read
            self._reload_soon(is_asked=False)
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait_for_gateway(self, has: Callable[[ServerStatus], bool], deadline_s: float) -> None:
        """Return once our own gateway's status is such. Raises LinkError."""
        detail = "the gateway does not answer yet"
        try:
            async with asyncio.timeout(deadline_s):
                while True:
                    with contextlib.suppress(LinkError):
                        name, status = await observer.status_at(self._runtime.gateway_socket)
                        if name.endswith(f"-{self._gateway.pid}"):  # not the one that still runs
                            detail = status.detail
                            if has(status):
                                return
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise LinkError(
                f"this server is not ready within {deadline_s:g} s ({detail}); the one that runs goes on"
            ) from error

    async def _listen(self) -> None:
        control, name = Control(self, self._runtime.control_socket), "supervisor"
        server = await listener.serve(control.path, control.handle, name, "supervisor")
        await listener.keep_listening(server, control.path, control.handle, name, "supervisor")

    async def _wait_for_successor(self) -> None:
        channel, drain_deadline_s = await handover.offer(
            self._runtime.handover_socket,
            lambda: self._extensions.ports.listening,
            self._doors,
            self._lock,
            self._not_replaced,
        )
        log.info("another server has taken over; running calls go on here")
        self.was_replaced, self.has_runtime = True, False
        if drain_deadline_s is not None:
            self._drain_deadline_s = drain_deadline_s
        for child in filter(None, (self._gateway, self._ray)):
            child.start_no_more()  # it would take the other server's socket
        self._extensions.leave(self._drain_deadline_s)
        self._extensions.ports.close()
        if self._web is not None:
            self._web.start_no_more()
            self._web.signal(signal.SIGTERM)
        for door in self._doors.values():
            door.close()
        self._terminated.set()
        handover.say_left(channel)

    def _not_replaced(self) -> None:
        """The newer server has ended before it served: have our gateway listen where it did again."""
        log.warning("another server began to take over and ended; this one goes on")
        if _listening_process(self._runtime.gateway_socket) != self._gateway.pid:
            self._runtime.gateway_socket.unlink(missing_ok=True)
        self._write_changed()

    def _media_starts(self, feed: MediaFeed) -> None:
        self._write_files()
        feed.worker_starts()

    def _write_changed(self) -> None:
        """Write what processes and commands read. They start again with what is written then."""
        try:
            self._write_files()
        except (OSError, ConfigurationError) as error:
            log.error("%s: cannot be written: %s", self._runtime.path, error)

    # What is asked of a running server (`Controlled`)

    @property
    def book(self) -> ExtensionBook:
        """The extensions now."""
        return self._extensions.book

    @property
    def port_numbers(self) -> dict[str, int]:
        """The port of each extension that has one."""
        return self._extensions.ports.numbers()

    @property
    def return_port_numbers(self) -> dict[str, int]:
        """The return port of each extension that has one."""
        return self._extensions.ports.numbers("return")

    @property
    def problems(self) -> dict[str, str]:
        """Why an extension takes no calls."""
        return self._extensions.problems

    @property
    def source_problem(self) -> str | None:
        """Why the extensions of the database are not followed."""
        if self._database is None or self._database.problem is None:
            return None
        return f"{self._database.place}: {self._database.problem}"

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """What is set for each extension."""
        return self._configuration.tables

    async def put_extension(self, name: str, settings: Mapping[str, Any]) -> list[str]:
        """Add or replace an extension, also in its file. Raises ConfigurationError."""
        return await self._changed(self._configuration.put, name, settings)

    async def remove_extension(self, name: str) -> list[str]:
        """Remove an extension, also from its file. Raises ConfigurationError."""
        return await self._changed(self._configuration.remove, name)

    async def reload(self) -> list[str]:
        """Read the configuration again. Raises ConfigurationError."""
        if self._database is not None:
            self._database.read_again()
        return await self._changed(self._configuration.reload)

    def drain(self, deadline_s: float | None) -> None:
        """Let running calls end, then stop."""
        if deadline_s is not None and not self._terminated.is_set():
            self._drain_deadline_s = deadline_s
        self._terminated.set()

    async def _changed(self, change: Callable[..., Awaitable[list[str]]], *arguments: object) -> list[str]:
        self._check_running()
        try:
            return await change(*arguments)
        except ConfigurationError:
            self._check_running()  # it was refused since the ports have gone
            raise

    def _check_running(self) -> None:
        if self._terminated.is_set():
            raise ConfigurationError("the server is stopping: nothing is changed any more")

    def _reload_soon(self, is_asked: bool = True) -> None:
        async def reload() -> None:
            with contextlib.suppress(ConfigurationError):  # has been logged
                if self._database is not None:
                    self._database.read_again()
                await self._configuration.reload(is_asked)

        if len(self._reloads) < 2:  # one reads, the next will read what is written by then
            self._reloads.add(task := asyncio.create_task(reload()))
            task.add_done_callback(self._reloads.discard)

    async def _stop(self, drain_deadline_s: float) -> None:
        media_stop_s = drain_deadline_s + MEDIA_STOP_MARGIN_S
        for feed in self._extensions.feeds:
            feed.drain_within(drain_deadline_s)
        stopping = asyncio.gather(*(child.stop(media_stop_s) for child in self._media))
        if not drain_deadline_s:
            await asyncio.sleep(SECOND_SIGNAL_AFTER_S)
            self._end_calls()
        await stopping
        if self._web is not None:
            await self._web.stop(WEB_STOP_S)
        await self._gateway.stop(GATEWAY_STOP_S)
        if self._ray is not None:
            await self._ray.stop(RAY_STOP_S)
        if self._head is not None:
            self._head.remove()
            with contextlib.suppress(OSError):  # not empty: it is the server's own
                self._head.folder.parent.rmdir()

    def _on_signal(self) -> None:
        """First: stop in order. Again: do not wait for running calls."""
        if self._terminated.is_set():
            log.warning("second signal: ending running calls now")
            self._end_calls()
        self._terminated.set()

    def _end_calls(self) -> None:
        """Have the media workers, which are stopping, end running calls."""
        for child in self._media:
            child.signal(signal.SIGINT)


def _environment(secrets: Set[str] = frozenset()) -> dict[str, str]:
    """Return what a child inherits, with the secrets that it needs alone."""
    kept = {name: os.environ[name] for name in os.environ if name in secrets or name not in SECRET_VARIABLES}
    return ONE_BLAS_THREAD | kept


def _kept(*children: Child) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(child.keep_running(), name=child.name) for child in children]


def _watched(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Return the task of work that goes on until it is cancelled; a defect that ends it is logged."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: nothing does this any more until the next start", name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    return task


def _listening_process(path: Path) -> int | None:
    """Return the process that listens on a Unix socket, without waiting for it; None: there is none."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.setblocking(False)
        try:
            asking.connect(str(path))
            pid, _, _ = CREDENTIALS.unpack(
                asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
            )
        except OSError:
            return None
        return int(pid)


def _ray_place(runtime: RuntimeDirectory, is_beside_another: bool) -> Path:
    """Return the folder for a private Ray: its own, where another server still has one."""
    if not is_beside_another:
        return runtime.path
    free = (runtime.path / name for name in RAY_PLACES if not (runtime.path / name / "ray").exists())
    place = next(free, None)
    if place is None:
        raise ConfigurationError(
            f"{runtime.path}: {len(RAY_PLACES)} servers drain here already; wait for one, or end its calls"
        )
    place.mkdir(mode=0o700, exist_ok=True)
    return place
