"""A dialog's state on its way to the media worker, which keeps it: JSON, and small."""

from __future__ import annotations

import json

import msgpack

from actors.errors import DialogError
from ingress.link.messages import DialogState, StateChanged

MAXIMUM_STATE_BYTES = 16 * 1024
"""As JSON in UTF-8. It goes to the gateway and back with every turn."""


def encoded_state(state: DialogState) -> bytes:
    """Return the state as JSON in UTF-8.

    Raises DialogError if it is too large, if it would come back as something else (a tuple, a key that is no
    text, NaN), or if the link cannot carry it (an integer of more than 64 bits, hundreds of levels).
    The message quotes nothing of it.
    """
    try:
        data = json.dumps(state, ensure_ascii=False, allow_nan=False).encode()
        if len(data) > MAXIMUM_STATE_BYTES:
            raise DialogError(f"the dialog's state has {len(data)} bytes; {MAXIMUM_STATE_BYTES} are allowed")
        copy = json.loads(data)
        msgpack.packb(StateChanged(call_id="", turn=0, state=copy).state)
        if copy == state:
            return data
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass
    raise DialogError(
        "the dialog's state does not come back as it is from JSON: use texts, finite numbers below 2**63, "
        "lists (no tuples) and objects whose keys are texts"
    )
