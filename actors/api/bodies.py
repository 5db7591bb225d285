"""Bodies of requests: read whole, never more than a limit, never later than a deadline."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import Message, Receive

from actors.api.errors import ApiError

BODY_DEADLINE_S = 30.0
"""For a body to arrive."""


def bounded(request: Request, limit_bytes: int) -> Request:
    """Return the request with a body that ends in an ApiError beyond its limit or its deadline."""
    announced = request.headers.get("content-length", "0")
    if not announced.isascii() or not announced.isdecimal():
        raise ApiError(400, "Content-Length: a number of bytes is needed")
    if len(announced) > 15 or int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    return Request(request.scope, _bounded(request.receive, limit_bytes))


async def read(request: Request, limit_bytes: int) -> bytes:
    """Return a whole body. Raises ApiError."""
    return await bounded(request, limit_bytes).body()


def _bounded(receive: Receive, limit_bytes: int) -> Receive:
    deadline_s = asyncio.get_running_loop().time() + BODY_DEADLINE_S
    read_bytes = 0

    async def receive_next() -> Message:
        nonlocal read_bytes
        try:
            async with asyncio.timeout_at(deadline_s):
                message = await receive()
        except TimeoutError:
            raise ApiError(408, f"the body did not arrive within {BODY_DEADLINE_S:g} s") from None
        read_bytes += len(message.get("body", b""))
        if read_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        return message

    return receive_next


def _too_large(limit_bytes: int) -> ApiError:
    return ApiError(413, f"the body is larger than {limit_bytes} bytes, the limit")
