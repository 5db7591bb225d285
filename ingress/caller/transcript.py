"""Who said what and when in a call by a script, on both legs, by the clock of the caller's leg.

A turn that a step began has the time at which its answer was heard. For the others (a greeting, what is said
to one leg in the other's turn) the record has lengths and an order: the first sound after what came before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ingress.caller.caller import CallResult
from ingress.caller.expectations import ScriptTurn, all_turns
from ingress.caller.listening_quality import speech_spans
from ingress.link.messages import LegName
from ingress.link.records import CallRecord

_SAME_SOUND_S = 0.1
"""A sound that ends so soon after an answer is that answer's end."""


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One thing that was said or pressed."""

    at_s: float
    leg: LegName
    who: Literal["person", "raymal"]
    said: str
    """Of raymal: what was heard of it, in whole sentences; empty without a record."""
    heard: str = ""
    """What the server understood."""
    was_interrupted: bool = False


def transcript(
    turns: Sequence[ScriptTurn], legs: Mapping[LegName, CallResult], record: CallRecord | None
) -> list[SpokenLine]:
    """Return all that was said, in order."""
    offsets = {leg: result.started_s - legs["caller"].started_s for leg, result in legs.items()}
    lines = [_of_person(one, offsets[one.leg]) for one in turns]
    for leg, result in legs.items():
        of_leg = [one for one in turns if one.leg == leg]
        lines += (
            _of_server(of_leg, result, record, leg, offsets[leg])
            if record is not None
            else _of_unknown_words(of_leg, offsets[leg])
        )
    return sorted(lines, key=lambda line: line.at_s)


def _of_person(one: ScriptTurn, offset_s: float) -> SpokenLine:
    said = one.step.say or one.step.play or f"keys {one.step.press}"
    heard = (one.record.heard or "") if one.record else ""
    return SpokenLine(offset_s + one.turn.spoke_from_s, one.leg, "person", said, heard)


def _of_server(
    turns: Sequence[ScriptTurn], result: CallResult, record: CallRecord, leg: LegName, offset_s: float
) -> Iterator[SpokenLine]:
    heard_from_s = {one.record.turn: one.turn.answer_from_s for one in turns if one.record is not None}
    sounds = speech_spans(result.received)
    now_s = 0.0
    for turn in all_turns(record):
        if turn.leg != leg or not turn.answer_ms:
            continue
        known_s = heard_from_s.get(turn.turn)
        later = (max(now_s, sound.start_s) for sound in sounds if sound.end_s > now_s + _SAME_SOUND_S)
        at_s = known_s if known_s is not None else next(later, now_s)
        now_s = at_s + turn.answer_ms / 1000
        words = turn.answered or ""
        yield SpokenLine(offset_s + at_s, leg, "raymal", words, was_interrupted=turn.was_interrupted)


def _of_unknown_words(turns: Sequence[ScriptTurn], offset_s: float) -> Iterator[SpokenLine]:
    for one in turns:
        if one.turn.answer_from_s is not None:
            yield SpokenLine(offset_s + one.turn.answer_from_s, one.leg, "raymal", "")
