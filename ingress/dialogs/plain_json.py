"""JSON from outside, taken only if it can go on: to another program, and into the call's state."""

from __future__ import annotations

import json

import msgpack
from pydantic import JsonValue


def plain_json(text: str | bytes) -> JsonValue:
    """Return what a JSON text holds.

    Raises ValueError, also for what Python reads and others do not: NaN, infinity, half a character (a lone
    surrogate), an integer beyond 64 bits, hundreds of levels.
    """
    try:
        value: JsonValue = json.loads(text)
        json.dumps(value, allow_nan=False)
        msgpack.packb(value)
    except (ValueError, OverflowError, RecursionError):
        raise ValueError("no JSON") from None
    return value
