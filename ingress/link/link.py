"""The wire between media workers and the gateway: a Unix socket, length-prefixed msgpack.

Both ends are bounded. A sender never waits for the other side on the audio path: what does not fit in
the send buffer breaks the link, and a broken link is made anew, because a peer that reads nothing for
megabytes is as good as dead and the calls know how to ask again. A received length above the limit
breaks the link too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from actors.errors import LinkError
from ingress.link.messages import LINK_VERSION, Hello, Message, decode, encode

LENGTH = struct.Struct(">I")
MAXIMUM_MESSAGE_BYTES = 4 * 1024 * 1024
"""A 30 s utterance is 480 KB; a call's record, a few hundred KB at most."""
MAXIMUM_UNSENT_BYTES = 16 * 1024 * 1024
"""Some 17 minutes of audio nobody read: the other side is not there."""
HELLO_DEADLINE_S = 5.0
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 1.0

log = logging.getLogger(__name__)


class Link:
    """One connected link, either side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.peer: Hello | None = None

    @property
    def unsent_bytes(self) -> int:
        """Bytes accepted by `send` that the kernel has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def send(self, message: Message) -> None:
        """Queue a message; never waits. Raises LinkError when the other side is gone or does not read."""
        if self._writer.transport.is_closing():
            raise LinkError("the link is closed")
        if self.unsent_bytes > MAXIMUM_UNSENT_BYTES:
            self._writer.transport.abort()
            raise LinkError(f"the other side left {self.unsent_bytes} bytes unread; link dropped")
        data = encode(message)
        if len(data) > MAXIMUM_MESSAGE_BYTES:
            raise LinkError(f"a {message.type} message of {len(data)} bytes is too large for the link")
        self._writer.write(LENGTH.pack(len(data)) + data)

    async def receive(self) -> Message:
        """Return the next message. Raises LinkError when the link is gone or speaks nonsense."""
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            if length > MAXIMUM_MESSAGE_BYTES:
                raise LinkError(f"a message of {length} bytes was announced; the limit is lower")
            return decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise LinkError(f"the link is gone: {type(error).__name__}") from None

    async def greet(self, hello: Hello) -> Hello:
        """Exchange hellos. Raises LinkError on silence, on anything else, on another version."""
        self.send(hello)
        try:
            async with asyncio.timeout(HELLO_DEADLINE_S):
                answer = await self.receive()
        except TimeoutError:
            raise LinkError(f"no hello within {HELLO_DEADLINE_S:.0f} s") from None
        if not isinstance(answer, Hello):
            raise LinkError(f"expected hello, got {answer.type}")
        if answer.version != LINK_VERSION:
            raise LinkError(
                f"{answer.role} {answer.name} speaks link version {answer.version}, "
                f"we speak {LINK_VERSION}: restart both with the same raymal version"
            )
        self.peer = answer
        return answer

    async def drain(self) -> None:
        """Wait until the other side keeps up. Raises LinkError when it is gone."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise LinkError(f"the link is gone: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close the socket; idempotent."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def connect(path: Path, hello: Hello) -> Link:
    """Connect to the gateway's socket and exchange hellos. Raises LinkError."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError as error:
        raise LinkError(f"no gateway at {path}: {error.strerror or error}") from None
    link = Link(reader, writer)
    try:
        await link.greet(hello)
    except LinkError:
        await link.close()
        raise
    return link


class LinkClient:
    """A media worker's end: connects, and connects again, for as long as it runs."""

    def __init__(
        self,
        path: Path,
        hello: Hello,
        on_message: Callable[[Message], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._path = path
        self._hello = hello
        self._on_message = on_message
        self._on_gone = on_gone
        self._link: Link | None = None

    def send(self, message: Message) -> bool:
        """Send now or not at all; False when there is no link. Never waits."""
        if self._link is None:
            return False
        try:
            self._link.send(message)
        except LinkError as error:
            log.warning("link: %s", error)
            return False
        return True

    async def run(self) -> None:
        """Keep a link up until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                self._link = await connect(self._path, self._hello)
            except LinkError as error:
                log.debug("link: %s; trying again in %.1f s", error, retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(LAST_RETRY_S, retry_s * 2)
                continue
            retry_s = FIRST_RETRY_S
            try:
                while True:
                    self._on_message(await self._link.receive())
            except LinkError as error:
                log.warning("gateway lost: %s; calls go on, trying to reach it again", error)
            finally:
                link, self._link = self._link, None
                self._on_gone()
                await link.close()


async def serve(path: Path, handle: Callable[[Link], Awaitable[None]], name: str) -> asyncio.Server:
    """Listen on a Unix socket; `handle` runs once per link, after the hellos, until it returns."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        try:
            await link.greet(Hello(version=LINK_VERSION, role="gateway", name=name))
            await handle(link)
        except LinkError as error:
            log.debug("link closed: %s", error)
        finally:
            await link.close()

    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # left by a gateway that was killed
    return await asyncio.start_unix_server(accept, path=str(path))
