"""The other end of a link to a gateway of the same process, without a socket file."""

from __future__ import annotations

import asyncio
import socket
from typing import TypeVar

from actors.errors import LinkError
from ingress.gateway.gateway import Gateway
from ingress.link.link import Link
from ingress.link.messages import LINK_VERSION, Hello, Message, Role

M = TypeVar("M", bound=Message)


class LinkEnd:
    """Sends what a media worker or an observer would send, and keeps what it receives."""

    def __init__(self, link: Link, serving: asyncio.Task[None]) -> None:
        self.link = link
        self.received: list[Message] = []
        self._serving = serving
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, gateway: Gateway, name: str = "media-0", role: Role = "media") -> LinkEnd:
        """Link a peer of that name to the gateway."""
        near, far = socket.socketpair()
        theirs = Link(*await asyncio.open_connection(sock=far))
        theirs.peer = Hello(version=LINK_VERSION, role=role, name=name)
        ours = Link(*await asyncio.open_connection(sock=near))
        return cls(ours, asyncio.create_task(_serve(gateway, theirs)))

    def say(self, *messages: Message) -> None:
        """Send messages, all at once."""
        for message in messages:
            self.link.send(message)

    async def next(self, kind: type[M]) -> M:
        """Return the next message of a type; those before it are forgotten."""
        while True:
            for message in self.received:
                if isinstance(message, kind):
                    del self.received[: self.received.index(message) + 1]
                    return message
            await asyncio.sleep(0.001)

    def stop_reading(self) -> None:
        """Leave what comes in the socket from now on."""
        self._listening.cancel()

    async def dropped(self) -> None:
        """Return once the gateway has broken the link."""
        await self._serving
        await self.link.close()

    async def hang_up(self) -> None:
        """Break the link and wait until the gateway has noticed."""
        await self.link.close()
        await asyncio.gather(self._listening, self._serving)

    async def _listen(self) -> None:
        try:
            while True:
                self.received.append(await self.link.receive())
        except LinkError:
            return


async def _serve(gateway: Gateway, link: Link) -> None:
    try:
        await gateway.handle(link)
    except LinkError:
        pass
    finally:
        await link.close()
