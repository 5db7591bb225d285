"""Where the gateway gets a changed extension book from."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from ingress.configuration.extension_book import ExtensionBook
from ingress.link.client import LinkClient
from ingress.link.messages import LINK_VERSION, ExtensionsChanged, ExtensionsTaken, Hello, Message

ANSWER_DEADLINE_S = 3.0
"""A gateway that hangs gets the book when it is replaced."""


class ExtensionSource:
    """Holds the newest book and sees to it that every gateway has it."""

    def __init__(self, book: ExtensionBook, gateway_socket: Path) -> None:
        self.book = book
        self.problems: Mapping[str, str] = {}
        """Why an extension takes no calls, by its name."""
        hello = Hello(version=LINK_VERSION, role="supervisor", name="supervisor")
        self._link = LinkClient(gateway_socket, hello, self._receive, self._gone)
        self._asked: tuple[int, asyncio.Future[ExtensionsTaken | None]] | None = None
        """The version that was offered, and its answer: one of another version is about an older offer."""

    async def offer(self, book: ExtensionBook, problems: Mapping[str, str]) -> str | None:
        """Hand out a newer book; return why the gateway cannot serve by it: then the older one stays.

        A gateway that is away gets it when it is back.
        """
        taken: ExtensionsTaken | None = None
        answer: asyncio.Future[ExtensionsTaken | None] = asyncio.get_running_loop().create_future()
        self._asked = book.version, answer
        if self._link.send(ExtensionsChanged(book=book, problems=dict(problems))):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_DEADLINE_S):
                    taken = await answer
        self._asked = None
        if taken is not None and taken.problem is not None:
            return taken.problem
        self.book, self.problems = book, problems
        return None

    async def run(self) -> None:
        """Keep a link to the gateway up until cancelled."""
        await self._link.run()

    def _receive(self, message: Message) -> None:
        match message:
            case ExtensionsChanged():  # a gateway begins with the book that it has
                self._link.send(ExtensionsChanged(book=self.book, problems=dict(self.problems)))
            case ExtensionsTaken(version=version) if self._asked is not None and version == self._asked[0]:
                self._answer(message)

    def _gone(self) -> None:
        self._answer(None)

    def _answer(self, taken: ExtensionsTaken | None) -> None:
        if self._asked is not None and not self._asked[1].done():
            self._asked[1].set_result(taken)
