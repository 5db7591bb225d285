"""One link between two processes of a server, over a Unix socket.

Both ends are bounded. A sender never waits for the other side: when more than `MAXIMUM_UNSENT_BYTES` are
waiting the link is dropped, and made anew (`ingress.link.client`), because the calls know how to ask again.
"""

from __future__ import annotations

import asyncio

from actors.errors import LinkError
from ingress.link.framing import Decoder, encode
from ingress.link.messages import LINK_VERSION, Hello, Message

MAXIMUM_UNSENT_BYTES = 16 * 1024 * 1024
"""Some 17 minutes of audio: the other side does not read."""
READ_BYTES = 256 * 1024
HELLO_DEADLINE_S = 5.0
CLOSE_DEADLINE_S = 1.0
"""For unsent bytes; after it they are dropped."""


class Link:
    """One connected link, either side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self.peer: Hello | None = None

    def send(self, message: Message) -> None:
        """Queue a message; never waits. Raises LinkError when the other side is gone or does not read."""
        transport = self._writer.transport
        if transport.is_closing():
            raise LinkError("the link is closed")
        unsent_bytes = transport.get_write_buffer_size()
        if unsent_bytes > MAXIMUM_UNSENT_BYTES:
            transport.abort()
            raise LinkError(f"the other side left {unsent_bytes} bytes unread; link dropped")
        self._writer.write(encode(message))

    async def receive(self) -> Message:
        """Return the next message. Raises LinkError when the link is gone or what came is no message."""
        while (message := self._decoder.next()) is None:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError as error:
                raise LinkError(f"the link is gone: {type(error).__name__}") from error
            if not data:
                raise LinkError("the link is gone: closed by the other side")
            self._decoder.feed(data)
        return message

    async def greet(self, hello: Hello) -> None:
        """Exchange hellos. Raises LinkError on silence, on anything else, on another version."""
        self.send(hello)
        try:
            async with asyncio.timeout(HELLO_DEADLINE_S):
                answer = await self.receive()
        except TimeoutError as error:
            raise LinkError(f"no hello within {HELLO_DEADLINE_S:.0f} s") from error
        if not isinstance(answer, Hello):
            raise LinkError(f"expected Hello, got {answer.kind}")
        if answer.version != LINK_VERSION:
            raise LinkError(
                f"{answer.role} {answer.name} speaks link version {answer.version}, "
                f"we speak {LINK_VERSION}: restart both with the same raymal version"
            )
        self.peer = answer

    async def drain(self) -> None:
        """Wait until the other side keeps up. Raises LinkError when it is gone."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise LinkError(f"the link is gone: {type(error).__name__}") from error

    async def close(self) -> None:
        """Send what is unsent, for `CLOSE_DEADLINE_S` at most, and close the socket; idempotent."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await asyncio.shield(self._writer.wait_closed())
        except OSError:  # TimeoutError is one
            self._writer.transport.abort()
