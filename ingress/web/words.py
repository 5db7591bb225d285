"""What was said is for the operator alone: others get records without it."""

from __future__ import annotations

from typing import TypeVar

from ingress.link.messages import TurnFinished
from ingress.link.records import CallOutcome, CallRecord, TurnRecord

WORDS = {"heard": None, "answered": None}

Kind = TypeVar("Kind", TurnFinished, CallRecord)


def without_words(kept: Kind) -> Kind:
    """Return the record without what was heard and answered."""
    if isinstance(kept, TurnFinished):
        return kept.model_copy(update={"record": _bare(kept.record)})
    unfinished = kept.unfinished and _bare(kept.unfinished)
    turns = tuple(map(_bare, kept.turns))
    return kept.model_copy(update={"turns": turns, "unfinished": unfinished, "outcome": bare(kept.outcome)})


def bare(outcome: CallOutcome) -> CallOutcome:
    """Return how a call ended, without the dialog's variables: it may have put anything there."""
    return outcome.model_copy(update={"variables": {}})


def _bare(turn: TurnRecord) -> TurnRecord:
    return turn.model_copy(update=WORDS)
