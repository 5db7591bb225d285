"""Where the gateway, and the media workers through it, get a changed extension book from."""

from __future__ import annotations

from pathlib import Path

from ingress.configuration.extension_book import ExtensionBook
from ingress.link.client import LinkClient
from ingress.link.messages import LINK_VERSION, ExtensionsChanged, Hello, Message


class ExtensionSource:
    """Holds the newest book and sees to it that every gateway has it."""

    def __init__(self, book: ExtensionBook, gateway_socket: Path) -> None:
        self.book = book
        hello = Hello(version=LINK_VERSION, role="supervisor", name="supervisor")
        self._link = LinkClient(gateway_socket, hello, self._receive, lambda: None)

    def change(self, book: ExtensionBook) -> None:
        """Hand out a newer book. A gateway that is away gets it when it is back."""
        self.book = book
        self._link.send(ExtensionsChanged(book=book))

    async def run(self) -> None:
        """Keep a link to the gateway up until cancelled."""
        await self._link.run()

    def _receive(self, message: Message) -> None:
        """A gateway begins with the book that it has."""
        if isinstance(message, ExtensionsChanged) and message.book.version < self.book.version:
            self._link.send(ExtensionsChanged(book=self.book))
