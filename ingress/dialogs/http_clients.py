"""What the HTTP clients of dialogs have in common: one client asks for all calls; nothing is logged."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from actors.checks.hosts import is_loopback

if TYPE_CHECKING:
    import ssl

    import httpx2

Failure = Callable[[str], Exception]
"""Makes the error of a client, of what was wrong with the answer."""
LIBRARIES = ("openai", "httpx2", "httpcore2")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
CONNECTION_HEADERS = (
    "accept-encoding", "connection", "content-encoding", "content-length", "host", "transfer-encoding"
)  # fmt: skip
"""Beginnings of those that the client sets: with other values a request could mean another."""


@cache
def usual_tls() -> ssl.SSLContext:
    """Return what verifies by this machine's certificates; reading them takes a while."""
    import httpx2

    return httpx2.create_ssl_context()


def client_options(limits: httpx2.Limits, tls: ssl.SSLContext | None = None) -> dict[str, Any]:
    """Return the arguments of a client; `tls` verifies certificates, unset: by this machine's."""
    return {
        "timeout": None,  # each step of a request has its deadline where it is asked
        "trust_env": False,  # a proxy of the environment, or a password in .netrc, is for other programs
        "follow_redirects": False,
        "verify": tls or usual_tls(),
        # None is taken: what is set in one call is not sent in another.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        "headers": {"Accept-Encoding": "identity"},  # a short answer could become one of any length
        "limits": limits,
    }


def check_not_compressed(response: httpx2.Response, failure: Failure) -> None:
    """Raise `failure` for an answer that is compressed."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise failure("the answer is compressed, which was not asked for")


async def limited(
    pieces: AsyncIterable[bytes], maximum_bytes: int, failure: Failure
) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of an answer; raise `failure` when they are too long together."""
    length = 0
    async for piece in pieces:
        length += len(piece)
        if length > maximum_bytes:
            raise failure(f"the answer is longer than {maximum_bytes} bytes")
        yield piece


def check_headers(headers: Mapping[str, str], own: Iterable[str] = CONNECTION_HEADERS) -> None:
    """Raise ValueError for what is no header, is given twice, or begins as one of `own`, in any case."""
    names: set[str] = set()
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise ValueError("a header is a name of letters, digits and '-' and a line of ASCII")
        if name.lower().startswith(tuple(own)):
            raise ValueError(f"{name} is set by raymal itself")
        if name.lower() in names:
            raise ValueError(f"{name} is there twice; upper and lower case are the same")
        names.add(name.lower())


def check_encryption(url: str, allow_http: bool, setting: str) -> None:
    """Raise ValueError for `http://` to another machine, unless it is allowed, and for what is no address."""
    import httpx2

    try:
        parts = httpx2.URL(url)  # as the client reads it
    except httpx2.InvalidURL:
        raise ValueError(f"{setting}: this is no address") from None
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.host):
        raise ValueError(
            f"{setting}: http:// to another machine sends what callers say unencrypted; use https://, "
            "or set allow_http = true in a network of your own"
        )


def log_no_requests() -> None:
    """Have the libraries log no addresses nor, at DEBUG, what is sent: they hold what callers said."""
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
