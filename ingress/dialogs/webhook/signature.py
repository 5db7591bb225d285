"""Signatures of requests, as Standard Webhooks 1.0 has them; for the sender and for receivers in Python.

Signed is `ID.TIMESTAMP.BODY` with HMAC-SHA256. The headers are `webhook-id`, `webhook-timestamp` (Unix
seconds) and `webhook-signature`: `v1,` and the digest in base64; several stand with spaces between. A secret
is `whsec_` and its bytes in base64. Any library of Standard Webhooks verifies them.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 16, 64
"""The standard says 24 to 64 bytes; secrets of 18 are in use."""
TOLERANCE_S = 300.0
"""A request that is older, or from further in the future, is refused: it may be a repeated one."""


class SignatureError(ValueError):
    """A request is not from who has the secret, or is too old."""


def key_of(secret: str) -> bytes:
    """Return the key that a secret stands for. Raises ValueError, without the secret."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(
            f"a secret is `{PREFIX}` and {LEAST_BYTES} to {MOST_BYTES} bytes in base64; "
            f'`echo "{PREFIX}$(openssl rand -base64 32)"` makes one'
        )
    return key


def signed_headers(message_id: str, timestamp_s: int, body: bytes, key: bytes) -> dict[str, str]:
    """Return the three headers of a request."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": _signature(message_id, str(timestamp_s), body, key),
    }


def verify(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> str:
    """Return the id of a request that is genuine: the same when it is sent again.

    `headers` as the framework has them, `body` as it came, before it is read as JSON; `now`: Unix seconds
    (`time.time()`). Raises SignatureError if it is not genuine, ValueError for a wrong secret.
    """
    key = key_of(secret)
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split(" ")
    except KeyError as error:
        raise SignatureError(f"the header {error} is missing") from None
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 20):
        raise SignatureError("webhook-timestamp is no number of seconds")
    if abs(now - int(timestamp)) > TOLERANCE_S:
        raise SignatureError(f"the request is more than {TOLERANCE_S:g} s old, or one of the clocks is wrong")
    expected = _signature(message_id, timestamp, body, key).encode()
    if not any(hmac.compare_digest(each.encode(errors="replace"), expected) for each in signatures):
        raise SignatureError("the signature is wrong: another secret, or the body was changed")
    return message_id


def _signature(message_id: str, timestamp: str, body: bytes, key: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode(errors="surrogateescape") + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
