"""What follows from one answer of a model: from the caller's clock and the proxy's, which are the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from actors.telephone import BYTES_PER_SAMPLE, FRAME_BYTES, FRAME_S, TELEPHONE_RATE_HZ
from benchmarks.conversation.proxy import Answer
from ingress.caller.conversation import CallTurn
from ingress.caller.listening_quality import SPEECH_JOIN_MS, has_sound

_SENTENCE_END = re.compile(r"[.!?](?=\s+\S)")


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that was not interrupted."""

    sentences: int
    tokens: int
    lead_ms: float
    """From its first sound to its last token: positive where it is heard while the model still writes."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An answer that was interrupted."""

    by: str
    """key or speech."""
    sound_ms: float
    """From the key, or from the beginning of the speech, to the last frame with sound."""
    frames_after: int | None
    """Frames with sound that arrived after the key; None for speech: the server decides, unseen."""
    freed_ms: float | None
    """From the decision until the endpoint was given up; None: the model had finished before.

    Decided is when the key was sent; for speech, when the answer was last heard."""


def sentences(text: str) -> int:
    """Return how many sentences a text has, 0 for none."""
    return len(_SENTENCE_END.findall(text)) + 1 if text.strip() else 0


def streamed(turn: CallTurn, started_s: float, answers: Sequence[Answer]) -> Streamed | None:
    """Return what is known of an answer that was heard; None: it was not, or the model was not asked."""
    if turn.answer_from_s is None:
        return None
    heard_s = started_s + turn.answer_from_s
    asked = _asked_between(answers, started_s + turn.spoke_from_s, heard_s)
    if asked is None or not asked.tokens_s:
        return None
    lead_ms = (asked.tokens_s[-1] - heard_s) * 1_000.0
    return Streamed(sentences(asked.text), len(asked.tokens_s), lead_ms)


def cut_by_key(turn: CallTurn, started_s: float, answers: Sequence[Answer]) -> Cut:
    """Return how an answer ended that the key of this turn interrupted."""
    key_s = turn.spoke_until_s
    last_s, frames = _goes_on(turn)
    return Cut("key", max(0.0, last_s - key_s) * 1_000.0, frames, _freed_ms(started_s + key_s, answers))


def cut_by_speech(turn: CallTurn, started_s: float, received: bytes, answers: Sequence[Answer]) -> Cut:
    """Return how an answer ended that the speech of this turn interrupted; `received`: the whole call."""
    silent_s = _silent_from_s(received, turn.spoke_from_s)
    begun_s = started_s + turn.spoke_from_s
    freed_ms = _freed_ms(begun_s, answers)
    sound_ms = (silent_s - turn.spoke_from_s) * 1_000.0
    return Cut("speech", sound_ms, None, None if freed_ms is None else max(0.0, freed_ms - sound_ms))


def _asked_between(answers: Sequence[Answer], from_s: float, until_s: float) -> Answer | None:
    """Return the newest one that was asked for in this time: an earlier one was given up for it."""
    return next((each for each in reversed(answers) if from_s <= each.asked_s <= until_s), None)


def _freed_ms(decided_s: float, answers: Sequence[Answer]) -> float | None:
    under_way = next((each for each in reversed(answers) if each.asked_s < decided_s), None)
    if under_way is None or under_way.given_up_s is None or under_way.given_up_s < decided_s:
        return None
    return (under_way.given_up_s - decided_s) * 1_000.0


def _goes_on(turn: CallTurn) -> tuple[float, int]:
    """Return when the sound ended that went on over the key, and how many frames of it came after the key.

    A turn's answer is the stretch of sound that was under way at the key, if any of it came later, and the
    new answer behind it.
    """
    key_s, first_s = turn.spoke_until_s, turn.answer_from_s
    if first_s is None or first_s > key_s:
        return key_s, 0
    last_s, frames = first_s, 0
    for number in range(len(turn.answer) // FRAME_BYTES):
        at_s = first_s + number * FRAME_S
        if at_s - last_s > SPEECH_JOIN_MS / 1_000.0:
            break
        if has_sound(turn.answer[number * FRAME_BYTES : (number + 1) * FRAME_BYTES]):
            last_s = at_s
            frames += at_s > key_s
    return last_s, frames


def _silent_from_s(received: bytes, from_s: float) -> float:
    """Return when the sound that is heard at a time ends: pauses within speech are part of it."""
    offset = round(from_s * TELEPHONE_RATE_HZ) * BYTES_PER_SAMPLE
    last_s, at_s = from_s, from_s
    for start in range(offset, len(received), FRAME_BYTES):
        at_s += FRAME_S
        if at_s - last_s > SPEECH_JOIN_MS / 1_000.0:
            break
        if has_sound(received[start : start + FRAME_BYTES]):
            last_s = at_s
    return last_s
