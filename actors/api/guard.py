"""Who may ask the door for what, decided before anything of a request's body is read.

| request | needs |
|---|---|
| `/healthz`, `/readyz` | nothing |
| reading (GET, HEAD) | the token, if one is configured |
| anything else | the token; without a configured one it is refused |

On loopback the Host must be a name of loopback: a page in a browser may have any name point there (DNS
rebinding). A request that is not for reading, and that a browser sends from a page, must come from a page of
the door itself. Wrong tokens are answered late, counted and never logged.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.api.errors import ApiError
from actors.api.services import Services
from actors.api.tokens import is_right
from actors.checks.hosts import is_loopback

OPEN_PATHS = {"/healthz", "/readyz"}
READING = {"GET", "HEAD"}
WRONG_TOKEN_PAUSE_S = 0.5
MAXIMUM_PAUSES = 32
"""Requests with a wrong token that wait at a time; the next is refused at once."""

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

NO_TOKEN = (
    "no token is configured, so only reading is open: run `raymal token`, name its file in web.token_file "
    "or put it into RAYMAL_TOKEN, and start the server again"
)


class Guard:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, services: Services, token_digest: str | None) -> None:
        self._app = app
        self._services = services
        self._token_digest = token_digest
        self._checks_host = is_loopback(services.settings.host)
        self._pausing = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        if scope["type"] == "http":
            try:
                await self._check(scope)
            except ApiError as error:
                await error.response(scope["path"])(scope, receive, send_safely)
                return
        await self._app(scope, receive, send_safely)

    async def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._checks_host and not is_loopback(_name(host)):
            raise ApiError(421, "the door is on loopback: ask for it by 127.0.0.1 or localhost")
        is_reading = scope["method"] in READING
        origin = headers.get("origin")
        if not is_reading and origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise ApiError(403, "a page of another origin may not ask for this")
        if scope["path"] in OPEN_PATHS:
            return
        if self._token_digest is None:
            if not is_reading:
                raise ApiError(403, NO_TOKEN)
        elif not is_right(headers.get("authorization"), self._token_digest):
            if "authorization" in headers:
                await self._slow_down()
            raise ApiError(401, "give the token: Authorization: Bearer TOKEN", code="invalid_api_key")

    async def _slow_down(self) -> None:
        self._services.wrong_tokens += 1
        if self._pausing >= MAXIMUM_PAUSES:
            raise ApiError(429, "too many wrong tokens", retry_after_s=1)
        self._pausing += 1
        try:
            await asyncio.sleep(WRONG_TOKEN_PAUSE_S)
        finally:
            self._pausing -= 1


def _name(host: str) -> str:
    """Return a Host header's name, without the port and the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
