"""A small HTTP server for tests: what it answers, when, and whether the client is still there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case; of one that comes twice both values, as in a list (RFC 9110, 5.3)."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Answering:
    """One connection's answer, in pieces."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def begin(self, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Send the head; the connection's end is the answer's."""
        lines = [f"HTTP/1.1 {status} Status", f"Content-Type: {kind}", "Transfer-Encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        await self._writer.drain()

    async def send(self, piece: bytes) -> None:
        """Send a piece of the body."""
        self._writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await self._writer.drain()

    async def end(self) -> None:
        """End the body in order; without it the answer is cut."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def json(self, value: Any, status: int = 200, **headers: str) -> None:
        """Send a whole answer."""
        await self.begin(status, **headers)
        await self.send(json.dumps(value).encode())
        await self.end()


Answer = Callable[[Asked, Answering], Awaitable[None]]


@dataclass
class HttpPeer:
    """A server on a free port; each request has a connection of its own."""

    answer: Answer
    asked: list[Asked] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A client closed its connection before its answer was whole."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Its address, without a path."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.splitlines()
            headers: dict[str, str] = {}
            for name, _, value in (line.partition(":") for line in lines if line):
                former = headers.get(name.lower())
                headers[name.lower()] = value.strip() if former is None else f"{former}, {value.strip()}"
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = first.split(" ")
            asked = Asked(method, path, headers, body)
            self.asked.append(asked)
            answering = asyncio.create_task(self.answer(asked, Answering(writer)))
            leaving = asyncio.create_task(reader.read())  # ends when the client goes
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            if not answering.done():
                self.left.set()
                answering.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.left.set()
        finally:
            self._tasks.discard(task)
            writer.close()
