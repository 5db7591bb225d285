"""What was said is for the operator alone: others get records without it."""

from __future__ import annotations

from typing import TypeVar

from ingress.link.messages import TurnFinished
from ingress.link.records import CallRecord, TurnRecord

WORDS = {"heard": None, "answered": None}

Kind = TypeVar("Kind", TurnFinished, CallRecord)


def without_words(kept: Kind) -> Kind:
    """Return the record without what was heard and answered."""
    if isinstance(kept, TurnFinished):
        return kept.model_copy(update={"record": _bare(kept.record)})
    unfinished = kept.unfinished and _bare(kept.unfinished)
    outcome = kept.outcome.model_copy(update={"variables": {}})  # a dialog may have put anything there
    turns = tuple(map(_bare, kept.turns))
    return kept.model_copy(update={"turns": turns, "unfinished": unfinished, "outcome": outcome})


def _bare(turn: TurnRecord) -> TurnRecord:
    return turn.model_copy(update=WORDS)
