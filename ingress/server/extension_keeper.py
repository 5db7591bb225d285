"""The owner of a server's extensions: their book, their ports, and what the other processes know of them.

A change is taken whole or refused whole, in this order: the book is checked, new ports are opened, the
gateway takes the book, then the media workers get the sockets and what is no longer needed is closed. So no
call comes for an extension that the gateway does not know.

| a port that cannot be opened | |
|---|---|
| at the start, the server's own | the server does not start |
| at the start, of another extension | that one takes no calls; it is tried again every few seconds |
| at a change | the change is refused |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from actors.errors import ConfigurationError, PortError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.configuration.settings import ServerSettings
from ingress.media.acceptor import describe
from ingress.server.extension_source import ExtensionSource
from ingress.server.media_feed import MediaFeed, Offer
from ingress.server.ports import Listening, PortName, Ports

RETRY_S = 2.0
"""Between two tries to open the port of an extension."""

log = logging.getLogger(__name__)


class ExtensionKeeper:
    """Keeps the extensions of one server."""

    def __init__(
        self,
        book: ExtensionBook,
        server: ServerSettings,
        taken_over: Mapping[PortName, Listening] | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the ports. Raises PortError if the server's own cannot be.

        `taken_over`: the sockets of the server that this one replaces. `on_change`: called after a change.
        """
        self.book = book
        self.on_change = on_change
        self.ports = Ports(server, taken_over)
        self.feeds = [MediaFeed() for _ in range(server.media_workers)]
        planned, self.problems = self.ports.plan(book)
        if DEFAULT_EXTENSION in self.problems:
            self.ports.discard(planned)
            self.close()
            raise PortError(self.problems[DEFAULT_EXTENSION])
        self.ports.commit(planned)
        for name, problem in self.problems.items():
            log.error("extension %s takes no calls: %s; tried again every %g s", name, problem, RETRY_S)
        for port, listening in self.ports.listening.items():
            _log_opened(port, listening)
        self._source: ExtensionSource | None = None
        self._changing = asyncio.Lock()

    def serve(self) -> None:
        """Have the media workers take calls. They may be started later."""
        for index, feed in enumerate(self.feeds):
            feed.offer(
                {
                    name: Offer(extension, self.ports.of_worker(extension, index))
                    for name, extension in self.book.extensions.items()
                }
            )

    def leave(self, deadline_s: float) -> None:
        """Have the media workers close their sockets: another server has them. Calls may end until then."""
        for feed in self.feeds:
            feed.offer({})
            feed.drain_within(deadline_s)

    async def follow(self, newer: ExtensionBook) -> list[str]:
        """Have new calls served as a newer configuration says; return what waits for a restart.

        Raises ConfigurationError: nothing has changed then.
        """
        async with self._changing:
            book, waiting = self.book.updated(newer)
            if book is self.book:
                return waiting
            planned, problems = self.ports.plan(book)
            refused = [problems[name] for name in problems if not self._was_a_problem(name, book)]
            if not refused:
                problem = await self._offer(book, problems)
                refused = [problem] if problem is not None else []
            if refused:
                self.ports.discard(planned)
                raise ConfigurationError("\n".join(refused))
            self._take(book, planned, problems)
            return waiting

    async def run(self, gateway_socket: Path) -> None:
        """Keep every gateway informed, and try again what could not be opened, until cancelled."""
        self._source = ExtensionSource(self.book, gateway_socket)
        self._source.problems = self.problems
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._source.run(), name="extensions")
            tasks.create_task(self._keep_trying(), name="ports")

    def close(self) -> None:
        """Close all sockets of this process."""
        self.ports.close()
        for feed in self.feeds:
            feed.close()

    async def _keep_trying(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            if self.problems:
                await self._try_again()

    async def _try_again(self) -> None:
        async with self._changing:
            planned, problems = self.ports.plan(self.book)
            if problems.keys() == self.problems.keys():
                self.ports.discard(planned)
                return
            await self._offer(self.book, problems)
            self._take(self.book, planned, problems)

    async def _offer(self, book: ExtensionBook, problems: Mapping[str, str]) -> str | None:
        return await self._source.offer(book, problems) if self._source is not None else None

    def _take(
        self, book: ExtensionBook, planned: Mapping[PortName, Listening], problems: dict[str, str]
    ) -> None:
        before, self.book, self.problems = self.ports.listening, book, problems
        for port, listening in planned.items():
            if before.get(port) is not listening:
                _log_opened(port, listening)
        for name, leg in before.keys() - planned.keys():
            what = "port" if leg == "caller" else "return port"
            log.info("extension %s has no %s any more; its running calls go on", name, what)
        self.ports.commit(planned)
        self.serve()
        self.on_change()

    def _was_a_problem(self, name: str, book: ExtensionBook) -> bool:
        """Whether that extension had no port before, and asks for the same one again."""
        if name not in self.problems:
            return False
        before, after = self.book.extensions[name], book.extensions[name]
        return all(
            getattr(before, setting) == getattr(after, setting) for setting in ("host", "port", "return_port")
        )


def _log_opened(port: PortName, listening: Listening) -> None:
    name, leg = port
    what = "extension" if leg == "caller" else "return legs of extension"
    log.info("listening on %s for %s %s", describe(listening.sockets[0]), what, name)
