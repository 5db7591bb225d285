"""Who may ask: Host, Origin and token, looked at before anything of a request is read.

| came by | configured | read | change |
|---|---|---|---|
| Unix socket | - | yes | yes |
| TCP | no token (then the address is loopback) | yes | 403 |
| TCP | token | with it | with it |

The page's files, `/healthz` and `/readyz` are open to all. On a loopback address the Host header must name
it, so that no other site's name can be made to lead here (DNS rebinding). A browser's changes and WebSockets
must come from this page (Origin). A browser's WebSocket carries no header of ours: it shows the token as
the subprotocol `token.TOKEN`, beside `raymal`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.checks.hosts import is_loopback
from ingress.access.attempts import Attempts
from ingress.access.log_limit import LogLimit
from ingress.access.networks import origin
from ingress.access.tokens import Token
from ingress.web.problems import Problem, problem_response

READING = {"GET", "HEAD", "OPTIONS"}
CLOSED_FOLDERS = ("/api", "/metrics", "/openapi.json")
"""All else is the page and health."""
SUBPROTOCOL = "raymal"
TOKEN_SUBPROTOCOL = "token."
UNLOGGED = {"/api/v1/calls"}
"""Changes that every call makes; the call itself is logged."""

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; media-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}

log = logging.getLogger(__name__)


class Guard:
    """Middleware: sets `request.state.is_operator`, whether the request may change things."""

    def __init__(self, app: ASGIApp, host: str, token: Token | None, attempts: Attempts) -> None:
        self._app = app
        self._host = host
        self._is_loopback = is_loopback(host)
        self._token = token
        self._attempts = attempts
        self._logged = LogLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or pass the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers_for(scope["path"], message)]
            await send(message)

        state = scope.setdefault("state", {})
        try:
            state["is_operator"] = await self._is_operator(scope)
        except Problem as problem:
            answer = problem_response(problem.status, problem.detail, headers=problem.headers)
            await answer(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    async def _is_operator(self, scope: Scope) -> bool:
        """Return whether this request may change things. Raises Problem if it may not even read."""
        changes = scope["type"] == "websocket" or scope["method"] not in READING
        if came_by_unix_socket(scope):
            if changes:
                _log_change(scope)
            return True
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._is_loopback and not self._names_us(host):
            raise Problem(421, "the Host header names another machine; use the address that the server logs")
        page = headers.get("origin")
        if changes and page is not None and not _is_of(page, host):
            raise Problem(403, "another site's page may not do this (Origin)")
        if not scope["path"].startswith(CLOSED_FOLDERS):
            return False
        if self._token is not None:
            await self._check(headers, scope)
            if changes:
                _log_change(scope)
            return True
        if changes and scope["type"] == "http":
            raise Problem(
                403,
                "this server has no token, so its HTTP is for reading only: `raymal token` makes one "
                "(web.token_file), and commands on this machine need none",
            )
        return False

    def _names_us(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name == self._host.lower() or is_loopback(name)

    async def _check(self, headers: Headers, scope: Scope) -> None:
        """Compare the token that is shown with ours. Raises Problem."""
        assert self._token is not None
        shown = _shown_token(headers, scope["type"] == "websocket")
        if shown is None:
            raise _unauthorized("this needs the server's token: send `Authorization: Bearer TOKEN`")
        address = origin(scope["client"][0]) if scope.get("client") else ""
        wait_s = self._attempts.begin(address, time.monotonic())
        if wait_s is None:
            raise Problem(429, "too many wrong tokens came from this address", {"Retry-After": "5"})
        is_right = False
        try:
            if wait_s:
                await asyncio.sleep(wait_s)
            is_right = self._token.matches(shown)
        finally:
            wrong = self._attempts.end(address, wait_s > 0, not is_right, time.monotonic())
        if not is_right:
            if self._logged.is_due(address, time.monotonic()):
                log.warning("a wrong token came from %s (%d so far)", address, wrong)
            raise _unauthorized("this is not the server's token")


def came_by_unix_socket(scope: Scope) -> bool:
    """Whether the request came by the socket for commands: who may open it may do everything."""
    server = scope.get("server")
    return scope.get("client") is None and server is not None and server[1] is None


def _is_of(page: str, host: str) -> bool:
    try:
        return urlsplit(page).netloc.lower() == host.lower()
    except ValueError:
        return False


def _log_change(scope: Scope) -> None:
    if scope["path"] in UNLOGGED or scope["type"] != "http":
        return
    who = scope["client"][0] if scope.get("client") else "a command"
    log.info("%s from %s: %s", scope["method"], who, ascii(scope["path"][:120])[1:-1])


def _shown_token(headers: Headers, is_websocket: bool) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if is_websocket:
        for name in headers.get("sec-websocket-protocol", "").split(","):
            if name.strip().startswith(TOKEN_SUBPROTOCOL):
                return name.strip().removeprefix(TOKEN_SUBPROTOCOL)
    return None


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, {"WWW-Authenticate": "Bearer"})


def _headers_for(path: str, message: Message) -> list[tuple[bytes, bytes]]:
    """Return what is added: the page's files may be kept, if the browser asks whether they have changed."""
    present = {name.lower() for name, _ in message["headers"]}
    kept = "no-store" if path.startswith(CLOSED_FOLDERS) else "no-cache"
    added = {**SECURITY_HEADERS, "Cache-Control": kept}
    return [
        (name.lower().encode(), value.encode())
        for name, value in added.items()
        if name.lower().encode() not in present
    ]
