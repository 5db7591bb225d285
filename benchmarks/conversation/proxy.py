"""A proxy on the loopback in front of a model's server: it passes bytes on, and notes when.

It sees what no end of the call sees: when the last token came, and when an endpoint was given up.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BLOCK_BYTES = 65_536
_EVENT, _LAST = b"data: ", b"data: [DONE]"
_REQUEST = b"POST "


@dataclass(slots=True)
class Answer:
    """One answer of the model. Times are of the monotonic clock."""

    asked_s: float
    tokens_s: list[float] = field(default_factory=list)
    """When each piece of text came."""
    text: str = ""
    is_complete: bool = False
    given_up_s: float | None = None
    """When the other side closed the connection before the end; None: it did not."""
    _rest: bytes = b""

    def take(self, block: bytes, now_s: float) -> None:
        """Note what came from the model's server."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            if line.startswith(_LAST):
                self.is_complete = True
            elif line.startswith(_EVENT) and (words := _words(line[len(_EVENT) :])):
                self.text += words
                self.tokens_s.append(now_s)


class ModelProxy:
    """Notes every answer, in the order of the questions."""

    def __init__(self, base_url: str) -> None:
        self.answers: list[Answer] = []
        address = urlsplit(base_url)
        assert address.hostname is not None
        self._host, self._port = address.hostname, address.port

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Take connections for the time of the body; yield the address to use in place of the model's."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"

    async def _pass_on(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        model, to_model = await asyncio.open_connection(self._host, self._port)
        current: list[Answer] = []
        """Of this connection: the newest one is under way."""

        async def questions() -> None:
            while block := await client.read(BLOCK_BYTES):
                if block.startswith(_REQUEST):
                    current.append(Answer(time.monotonic()))
                    self.answers.append(current[-1])
                to_model.write(block)
                await to_model.drain()
            if current and not current[-1].is_complete:
                current[-1].given_up_s = time.monotonic()

        async def answers() -> None:
            while block := await model.read(BLOCK_BYTES):
                if current:
                    current[-1].take(block, time.monotonic())
                to_client.write(block)
                await to_client.drain()

        tasks = [asyncio.create_task(questions()), asyncio.create_task(answers())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for writer in (to_client, to_model):
                writer.close()
            with suppress(OSError):
                await asyncio.gather(*tasks, return_exceptions=True)


def _words(event: bytes) -> str:
    """Return the text in one event of a stream, empty if it has none."""
    try:
        return json.loads(event)["choices"][0]["delta"].get("content") or ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
