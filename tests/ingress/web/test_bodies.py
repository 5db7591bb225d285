"""Bodies of requests: small, and in time. How long heads may take is tested on a server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.responses import Response

from ingress.web import bodies
from ingress.web.bodies import MAXIMUM_BODY_BYTES, MAXIMUM_DISCARDED_BYTES, Bodies

PIECE = b"x" * 60_000


class Exchange:
    """One request to an application that answers with its body's length."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.taken_bytes = 0
        self.sent: list[dict[str, Any]] = []
        self._scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}

    async def run(self, *pieces: bytes, is_whole: bool = True) -> int:
        """Send these pieces, then nothing more; return the status of the answer."""
        rest = list(pieces)

        async def receive() -> dict[str, Any]:
            if not rest:
                await asyncio.Event().wait()
            piece = rest.pop(0)
            self.taken_bytes += len(piece)
            return {"type": "http.request", "body": piece, "more_body": bool(rest) or not is_whole}

        async def send(message: Any) -> None:
            self.sent.append(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            message = await receive()
            assert not message["more_body"]
            await Response(str(len(message["body"])))(scope, receive, send)

        await Bodies(app)(self._scope, receive, send)
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        """What was answered."""
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.mark.parametrize(
    ("pieces", "status", "answer"),
    [
        ([b"1", b"", b"234"], 200, b"4"),
        ([b"x" * MAXIMUM_BODY_BYTES], 200, b"65536"),
        ([b"x" * MAXIMUM_BODY_BYTES, b"y"], 413, b"larger than 65536 bytes"),
        ([PIECE] * 200, 413, b"larger than 65536 bytes"),
    ],
)
async def test_a_body_is_whole_or_too_large(pieces: list[bytes], status: int, answer: bytes) -> None:
    """Whatever its pieces."""
    exchange = Exchange([(b"transfer-encoding", b"chunked")])
    assert await exchange.run(*pieces) == status
    assert answer in exchange.body


async def test_who_sends_without_end_is_not_listened_to() -> None:
    """Some of it is discarded, so that the answer is read; not all of it."""
    exchange = Exchange([(b"content-length", b"99999999999")])
    assert await exchange.run(*[PIECE] * 1_000) == 413
    assert exchange.taken_bytes <= MAXIMUM_DISCARDED_BYTES + len(PIECE)
    assert (b"connection", b"close") in exchange.sent[0]["headers"]


async def test_a_body_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it has come."""
    monkeypatch.setattr(bodies, "BODY_DEADLINE_S", 0.05)
    exchange = Exchange([(b"content-length", b"10")])
    assert await exchange.run(b"1", b"2", is_whole=False) == 408
    assert json.loads(exchange.body)["title"] == "Request Timeout"
