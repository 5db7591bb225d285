"""What was heard, judged turn by turn and answer by answer, the same for every server.

An answer is what begins to sound between the end of an utterance and the beginning of the next one; what
sounds already is a late answer to something said before. An utterance without an answer is a turn of
infinite length, in the percentile. The seed's design sends nothing between answers, and a phone meets each
burst with an empty buffer: so every answer of every server is played by a phone of its own with 60 ms of
buffer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from actors.percentiles import percentile
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from benchmarks.compare.callers import HeardCall
from benchmarks.compare.script import Spoken
from benchmarks.harness.arrivals import Floats, phone_holes_ms

TURN_P95_MS = 1_500.0
ANSWERED_P95_MS = 3_000.0
"""Twice as long: an answer that people still wait for, so that a slow design has a number as well."""
PAUSE_S = 0.4
"""Longer silence is between answers, shorter is inside one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one utterance brought."""

    turn_ms: float
    """End of speech to the first sound; infinite: nothing came before the next utterance."""
    at_s: Floats
    """Arrivals of its frames."""
    lasts_s: Floats


@dataclass(frozen=True, slots=True)
class Figures:
    """One server at one number of calls."""

    calls: int
    turns: int
    unanswered: int
    turn_p50_ms: float
    turn_p95_ms: float
    answer_s: float
    """Audio in all answers together."""
    holes: int
    """That the phones played, all answers together."""
    concealed_percent: float
    """Their share of the time played."""
    answers_with_holes_percent: float
    lost_calls: int

    @property
    def is_held(self) -> bool:
        """Whether the callers were answered in time and heard no hole."""
        return self._is_within(TURN_P95_MS) and not self.holes

    @property
    def is_answered(self) -> bool:
        """Whether they were answered within twice the time."""
        return self._is_within(ANSWERED_P95_MS)

    def _is_within(self, limit_ms: float) -> bool:
        return self.turns > 0 and self.turn_p95_ms <= limit_ms and not self.lost_calls


def answers(
    calls: Sequence[HeardCall], scripts: Sequence[Sequence[Spoken]], begin_s: float, end_s: float
) -> Iterator[Answer]:
    """Yield the answers to all utterances that end between two times of their calls."""
    for call, its_script in zip(calls, scripts, strict=True):
        at_s, zero_s = call.frames["at_s"], call.identified_s
        lasts_s = call.frames["bytes"] / (TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE)
        loud_at = np.flatnonzero(call.frames["is_loud"])
        loud_s = at_s[loud_at]
        begins = np.diff(loud_s, prepend=-inf) > PAUSE_S
        for spoken, following in zip(its_script, [*its_script[1:], None], strict=True):
            if not begin_s <= spoken.ends_s < end_s:
                continue
            until_s = inf if following is None else zero_s + following.begins_s
            said_s = zero_s + spoken.ends_s
            fresh = loud_at[begins & (loud_s > said_s) & (loud_s < until_s)]
            if not fresh.size:
                yield Answer(inf, np.empty(0), np.empty(0))
                continue
            whole = slice(fresh[0], loud_at[loud_s < until_s][-1] + 1)
            yield Answer(float(at_s[fresh[0]] - said_s) * 1_000.0, at_s[whole], lasts_s[whole])


def figures(calls: int, given: Sequence[Answer], lost_calls: int) -> Figures:
    """Return what the answers amount to."""
    turns_ms = [answer.turn_ms for answer in given] or [inf]
    holes_ms = [phone_holes_ms(answer.at_s, answer.lasts_s) for answer in given if answer.at_s.size]
    answer_s = sum(float(answer.lasts_s.sum()) for answer in given)
    concealed_s = sum(float(holes.sum()) for holes in holes_ms) / 1_000.0
    with_holes = sum(bool(holes.any()) for holes in holes_ms)
    return Figures(
        calls=calls,
        turns=len(given),
        unanswered=sum(answer.turn_ms == inf for answer in given),
        turn_p50_ms=percentile(turns_ms, 50),
        turn_p95_ms=percentile(turns_ms, 95),
        answer_s=answer_s,
        holes=sum(int(np.count_nonzero(holes)) for holes in holes_ms),
        concealed_percent=100.0 * concealed_s / (concealed_s + answer_s) if answer_s else 0.0,
        answers_with_holes_percent=100.0 * with_holes / max(1, len(holes_ms)),
        lost_calls=lost_calls,
    )
