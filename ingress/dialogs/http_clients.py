"""What the HTTP clients of dialogs have in common: one client asks for all calls, and tells nobody."""

from __future__ import annotations

import logging
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

from actors.checks.hosts import is_loopback

if TYPE_CHECKING:
    import ssl

LIBRARIES = ("openai", "httpx2", "httpcore2")


@cache
def usual_tls() -> ssl.SSLContext:
    """Return what verifies by this machine's certificates; reading them takes a while."""
    import httpx2

    return httpx2.create_ssl_context()


def no_cookies() -> CookieJar:
    """Return a jar that takes none: what is set in one call is not sent in another."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


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
