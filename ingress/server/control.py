"""The supervisor's Unix socket: questions and orders of the web process and of commands."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from actors.errors import ConfigurationError, LinkError
from ingress.configuration.extension_book import ExtensionBook
from ingress.link.link import Link
from ingress.link.messages import (
    ControlReply,
    DrainRequest,
    ExtensionsRequest,
    Message,
    PutExtension,
    ReloadRequest,
    RemoveExtension,
)

MAXIMUM_CLIENTS = 32
"""One more is turned away. All are processes of this server's user, or of root."""

log = logging.getLogger(__name__)


class Controlled(Protocol):
    """What can be asked of the supervisor. Each raises ConfigurationError with what cannot be."""

    @property
    def book(self) -> ExtensionBook:
        """The extensions now."""

    @property
    def port_numbers(self) -> dict[str, int]:
        """The port of each extension that has one."""

    @property
    def return_port_numbers(self) -> dict[str, int]:
        """The return port of each extension that has one."""

    @property
    def problems(self) -> dict[str, str]:
        """Why an extension takes no calls, by its name."""

    @property
    def source_problem(self) -> str | None:
        """Why the extensions of the database are not followed."""

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """What is set for each extension, as in its table `[extensions.NAME]`."""

    async def put_extension(self, name: str, settings: Mapping[str, Any]) -> list[str]:
        """Add or replace an extension, also in its file; return what waits for a restart."""

    async def remove_extension(self, name: str) -> list[str]:
        """Remove an extension, also from its file; return what waits for a restart."""

    async def reload(self) -> list[str]:
        """Read the configuration again; return what waits for a restart."""

    def drain(self, deadline_s: float | None) -> None:
        """Let running calls end, then stop."""


class Control:
    """Answers on the control socket."""

    def __init__(self, server: Controlled, path: Path) -> None:
        self.path = path
        self._server = server
        self._clients = 0

    async def handle(self, link: Link) -> None:
        """Serve one link until it breaks. Raises LinkError."""
        if self._clients >= MAXIMUM_CLIENTS:
            raise LinkError(f"{MAXIMUM_CLIENTS} others are linked already")
        self._clients += 1
        try:
            while True:
                link.send(await self._answer(await link.receive()))
                await link.drain()
        finally:
            self._clients -= 1

    async def _answer(self, question: Message) -> ControlReply:
        problem: str | None = None
        waiting: list[str] = []
        server = self._server
        try:
            match question:
                case ExtensionsRequest():
                    pass
                case PutExtension(name=name, settings=settings):
                    waiting = await server.put_extension(name, settings)
                case RemoveExtension(name=name):
                    waiting = await server.remove_extension(name)
                case ReloadRequest():
                    waiting = await server.reload()
                case DrainRequest(deadline_s=deadline_s):
                    server.drain(deadline_s)
                case _:
                    raise LinkError(f"a supervisor does not take {question.kind}")
        except ConfigurationError as error:
            problem = str(error)
        return ControlReply(
            problem=problem,
            waiting=tuple(waiting),
            book=server.book,
            ports=server.port_numbers,
            return_ports=server.return_port_numbers,
            problems=server.problems,
            tables=server.tables,
            source_problem=server.source_problem,
        )
