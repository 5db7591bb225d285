"""Bodies of requests: read whole before anything looks at them, small, and in time."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingress.web.problems import problem_response

MAXIMUM_BODY_BYTES = 64 * 1024
BODY_DEADLINE_S = 5.0
"""From the request's head to the last byte of its body."""
MAXIMUM_DISCARDED_BYTES = 16 * 1024 * 1024
"""Of a body that is too large: who still sends would not read the answer."""

CLOSE = {"Connection": "close"}


class Bodies:
    """Middleware: answers 413 or 408, or passes the request on with its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then pass the request on."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        received_bytes = 0
        try:
            async with asyncio.timeout(BODY_DEADLINE_S):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return  # the client is gone
                    received_bytes += len(message["body"])
                    if received_bytes <= MAXIMUM_BODY_BYTES:
                        body += message["body"]
                    if not message.get("more_body") or received_bytes > MAXIMUM_DISCARDED_BYTES:
                        break
        except TimeoutError:
            detail = f"the body did not come within {BODY_DEADLINE_S:g} s"
            await problem_response(408, detail, headers=CLOSE)(scope, receive, send)
            return
        if received_bytes > MAXIMUM_BODY_BYTES:
            detail = f"the body is larger than {MAXIMUM_BODY_BYTES} bytes"
            await problem_response(413, detail, headers=CLOSE)(scope, receive, send)
            return
        is_read = False

        async def receive_whole() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()  # waits for the client to go
            is_read = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, receive_whole, send)


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
