"""No cookies in the HTTP clients of dialogs: one client asks for all calls."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy


def no_cookies() -> CookieJar:
    """Return a jar that takes none: what is set in one call is not sent in another."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
