"""An HTTP client for answers of a limited size. Imported only when an endpoint is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

from ingress.dialogs.http_clients import no_cookies, usual_tls

MAXIMUM_ANSWER_BYTES = 4 * 1024 * 1024
"""Of one stream: thousands of pieces of 500 bytes. An endpoint out of order may send without an end."""
KEEP_ALIVE_S = 60.0
"""A connection waits so long for the next turn: a new one costs two to three round trips."""
MOST_CONNECTIONS = 1_000
"""One for each answer that is being written; one more waits."""


class LimitedClient(httpx2.AsyncClient):
    """Follows no redirects, takes no cookies; an answer that is too long fails as a lost connection does."""

    def __init__(self) -> None:
        limits = httpx2.Limits(
            max_connections=MOST_CONNECTIONS, max_keepalive_connections=100, keepalive_expiry=KEEP_ALIVE_S
        )
        # Each step of a request has its deadline where it is asked.
        super().__init__(
            timeout=None,
            trust_env=False,  # a proxy of the environment, or a password in .netrc, is for other programs
            follow_redirects=False,
            limits=limits,
            verify=usual_tls(),
            cookies=no_cookies(),
            headers={"Accept-Encoding": "identity"},  # a short answer could become one of any length
        )

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; its answer's stream is limited."""
        response = await super().send(request, **options)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.ReadError("the answer is compressed, which was not asked for")
        if isinstance(response.stream, httpx2.AsyncByteStream) and not response.is_closed:
            response.stream = _Limited(response.stream)
        return response


class _Limited(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > MAXIMUM_ANSWER_BYTES:
                raise httpx2.ReadError(f"the answer is longer than {MAXIMUM_ANSWER_BYTES} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
