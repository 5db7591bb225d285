"""Bearer tokens, known only by their digest: that may travel through a cluster, the token may not."""

from __future__ import annotations

import hashlib
import hmac

SCHEME = "bearer"


def digest(token: str) -> str:
    """Return what identifies a token without being one: SHA-256, enough for a token of random characters."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_right(authorization: str | None, expected: str) -> bool:
    """Whether an `Authorization` header holds the token with that digest. Takes as long for any token."""
    scheme, _, token = (authorization or "").partition(" ")
    return hmac.compare_digest(digest(token.strip()), expected) and scheme.lower() == SCHEME
