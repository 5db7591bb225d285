"""The flows of this process: each file's newest, and those that running calls began with."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

from ingress.dialogs.flow.answers import Answers
from ingress.dialogs.flow.document import FlowError, read_bytes
from ingress.dialogs.flow.model import Flow
from ingress.dialogs.flow.reading import digest_of, read_flow

MOST_KEPT = 64
"""Flows; the longest unused go first, and calls that still need one go on with the file as it is."""

_kept: OrderedDict[tuple[str, str], Flow] = OrderedDict()


@lru_cache(maxsize=MOST_KEPT)
def answers_of(flow: Flow) -> Answers:
    """Return what understands a flow's answers; long lists take a moment, once."""
    return Answers(flow)


def flow_of(file: str, digest: str | None = None) -> Flow:
    """Return the flow of a file: as it was with that digest, if it is kept; else as it is now.

    Raises FlowError.
    """
    found = _kept.get((file, digest)) if digest is not None else _unchanged(file)
    flow = found if found is not None else read_flow(file)
    # Dialogs are made in several threads: no step here depends on the one before.
    _kept.pop((file, flow.digest), None)
    _kept[file, flow.digest] = flow
    while len(_kept) > MOST_KEPT:
        _kept.popitem(last=False)
    return flow


def _unchanged(file: str) -> Flow | None:
    """Return a kept flow if its files hold what they held: many extensions may have the same one."""
    for (known, digest), flow in list(_kept.items()):
        if known == file:
            try:
                if digest_of(read_bytes(Path(each)) for each in flow.files) == digest:
                    return flow
            except FlowError:
                pass
    return None
