"""What the HTTP clients of dialogs have in common: one client asks for all calls, and tells nobody."""

from __future__ import annotations

import logging
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

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


def log_no_requests() -> None:
    """Have the libraries log no addresses nor, at DEBUG, what is sent: they hold what callers said."""
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
