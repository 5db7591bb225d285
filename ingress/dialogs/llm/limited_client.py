"""An HTTP client for answers of a limited size. Imported only when an endpoint is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

from ingress.dialogs.http_clients import check_not_compressed, client_options, limited

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
        super().__init__(**client_options(limits))

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; its answer's stream is limited."""
        response = await super().send(request, **options)
        try:
            check_not_compressed(response, httpx2.ReadError)
        except httpx2.ReadError:
            await response.aclose()
            raise
        if isinstance(response.stream, httpx2.AsyncByteStream) and not response.is_closed:
            response.stream = _Limited(response.stream)
        return response


class _Limited(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return limited(self._stream, MAXIMUM_ANSWER_BYTES, httpx2.ReadError)

    async def aclose(self) -> None:
        await self._stream.aclose()
