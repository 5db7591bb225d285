"""One address that is asked over HTTP: signed, within deadlines, and tried again only where that is safe.

| what happens | then |
|---|---|
| no connection; 502, 503 | tried again while the deadline lasts: the program was not reached |
| any other status, a redirect too; another kind of content; an answer that is too long or cut | a failure |
| the deadline passes (504: a proxy's); the connection breaks meanwhile | a failure: it may have been done |
| the dialog is closed (an interruption, the end of the call) | the connection is closed at once |

Each try of one request has the same `webhook-id`, and a time stamp of its own. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from ingress.dialogs.http_clients import check_not_compressed, client_options, limited, log_no_requests
from ingress.dialogs.webhook.answer import JSON, JSON_LINES, WebhookError
from ingress.dialogs.webhook.circuit import PAUSE_S, Circuit
from ingress.dialogs.webhook.signature import signed_headers

MAXIMUM_BYTES = 256 * 1024
"""Of an answer, whole or in lines."""
TRY_AGAIN = (502, 503)
"""A proxy's words for: the program behind was not reached, or is not up."""
CHECK_DEADLINE_S = 3.0
"""For a connection that is only tried, and again for its TLS."""
PAUSE_BETWEEN_TRIES_S = 0.2
"""Twice as long after each further try."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go, and how."""

    url: str
    key: bytes
    headers: Mapping[str, str]
    deadline_s: float
    """For an answer to come, all tries together; and between two lines of one in lines."""
    retries: int
    tls: ssl.SSLContext
    """Verifies certificates."""


class Client:
    """Asks one address for all calls. Nothing is to be closed.

    Each try has a connection of its own: on one that is kept, a request is lost if the receiver closes it
    just then, and it is unknown whether it was read.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._circuit = Circuit()
        log_no_requests()
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)  # no request waits
        self._http = httpx2.AsyncClient(**client_options(limits, address.tls))

    def unreachable(self) -> str | None:
        """Connect and send nothing, for no call has begun; return why that cannot be. May take seconds."""
        url = httpx2.URL(self._address.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            with socket.create_connection((url.host, port), CHECK_DEADLINE_S) as connection:
                if url.scheme == "https":
                    self._address.tls.wrap_socket(connection, server_hostname=url.host).close()
        except OSError as error:
            return f"no connection to {url.host}, port {port}: {_cause(error)}"
        return None

    @asynccontextmanager
    async def ask(self, message_id: str, body: bytes, *, may_be_slow: bool = False) -> AsyncIterator[Reply]:
        """Send a request and give its reply. Raises WebhookError, also where the reply is read.

        The connection is closed when the block is left before the reply has ended. `may_be_slow`: no caller
        waits for it, so that its failure says nothing about the next request.
        """
        loop = asyncio.get_running_loop()
        if not self._circuit.may_ask(loop.time()):
            raise WebhookError(f"not asked: the last requests failed; it is tried again every {PAUSE_S:g} s")
        response: httpx2.Response | None = None
        deadline_s = loop.time() + self._address.deadline_s
        try:
            async with asyncio.timeout_at(deadline_s):
                response = await self._response(message_id, body)
            yield Reply(response, deadline_s, self._address.deadline_s)
        except (WebhookError, TimeoutError, OSError, httpx2.HTTPError, httpx2.StreamError) as error:
            is_down = response is not None and response.status_code in TRY_AGAIN
            if isinstance(error, WebhookError) and not is_down:
                self._circuit.succeeded()  # with a mistake: it costs this call its answer, and no time
            elif not may_be_slow:
                self._circuit.failed(loop.time())
            raise WebhookError(_reason(error, self._address.deadline_s)) from None
        else:
            self._circuit.succeeded()
        finally:
            if response is not None:
                await response.aclose()

    async def _response(self, message_id: str, body: bytes) -> httpx2.Response:
        """Return the first response that is not to be tried again; the last one in any case."""
        for number in range(self._address.retries + 1):
            is_last = number == self._address.retries
            try:
                response = await self._try(message_id, body)
            except httpx2.ConnectError:
                if is_last:
                    raise
            else:
                if response.status_code not in TRY_AGAIN or is_last:
                    return response
                await response.aclose()
            await asyncio.sleep(PAUSE_BETWEEN_TRIES_S * 2**number)
        raise AssertionError("the last try returns or raises")

    async def _try(self, message_id: str, body: bytes) -> httpx2.Response:
        address = self._address
        signed = signed_headers(message_id, int(datetime.now(UTC).timestamp()), body, address.key)
        headers = {
            **address.headers,
            "Content-Type": JSON,
            "Accept": f"{JSON}, {JSON_LINES[0]}",
            "User-Agent": "raymal",
            **signed,
        }
        request = self._http.build_request("POST", address.url, content=body, headers=headers)
        return await self._http.send(request, stream=True)


class Reply:
    """An answer while it comes."""

    def __init__(self, response: httpx2.Response, deadline_s: float, gap_s: float) -> None:
        """`deadline_s`: for the whole, or its first line, on the loop's clock; `gap_s`: between lines."""
        status = response.status_code
        if 300 <= status < 400:
            raise WebhookError(f"answered {status}: redirects are not followed; set the address it leads to")
        if not 200 <= status < 300:
            raise WebhookError(f"answered {status}")
        check_not_compressed(response, WebhookError)
        kind = response.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        self.is_lines = kind in JSON_LINES
        if kind != JSON and not self.is_lines and status != 204:
            raise WebhookError(f"the answer is not {JSON} nor {JSON_LINES[0]}")
        self._response = response
        self._deadline_s = deadline_s
        self._gap_s = gap_s

    async def body(self) -> bytes:
        """Return the whole answer."""
        async with asyncio.timeout_at(self._deadline_s):
            return b"".join([piece async for piece in self._pieces()])

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the lines that are not empty, each as soon as it is whole."""
        loop = asyncio.get_running_loop()
        begun: list[bytes] = []
        deadline_s = self._deadline_s
        async with aclosing(self._pieces()) as pieces:
            is_whole = False
            while not is_whole:
                async with asyncio.timeout_at(deadline_s):
                    piece = await anext(pieces, None)
                is_whole = piece is None
                first, *others = (b"\n" if piece is None else piece).split(b"\n")
                begun.append(first)
                for other in others:
                    line, begun = b"".join(begun), [other]
                    if line.strip():
                        yield line
                        deadline_s = loop.time() + self._gap_s

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        async with (
            aclosing(self._response.aiter_raw()) as pieces,
            aclosing(limited(pieces, MAXIMUM_BYTES, WebhookError)) as within,
        ):
            async for piece in within:
                yield piece


def _reason(error: Exception, deadline_s: float) -> str:
    """Return why a request failed; a library's words may hold addresses and headers."""
    if isinstance(error, WebhookError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"no answer within {deadline_s:g} s"
    if isinstance(error, httpx2.ConnectError):
        return f"no connection: {_cause(error)}"
    return f"no whole answer: {type(error).__name__}"


def _cause(error: BaseException) -> str:
    """Return what is behind an error of the library, in the system's words."""
    while inner := error.__cause__ or error.__context__:
        error = inner.exceptions[0] if isinstance(inner, BaseExceptionGroup) else inner
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is refused: {error.verify_message} (see dialog.webhook.ca_file)"
        case ssl.SSLError():
            return f"TLS failed ({error.reason})"
        case socket.gaierror():
            return f"its name is not found: {error.strerror}"
        case TimeoutError():
            return "nothing answers"
        case OSError(errno=int(number)):
            return os.strerror(number)
    return type(error).__name__
