"""What was heard, judged turn by turn and answer by answer, the same for every server.

An answer is what begins to sound between the end of an utterance and the beginning of the next one; what
sounds already is a late answer to something said before. It is *in time* by its first frame that sounds,
counted from the intended end of the caller's last sound. An utterance without an answer is a turn of
infinite length: it is in the percentile, not beside it.

The seed's design sends nothing between answers, and a phone meets each burst with an empty buffer that it
fills anew. So every answer, whoever sends it, is played by a phone of its own with 60 ms of buffer, from the
first to the last frame that sounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from benchmarks.compare.callers import Heard
from benchmarks.compare.script import Spoken
from benchmarks.pacing.judgement import Floats, phone_holes_ms
from ingress.caller.listening_quality import PHONE_BUFFER_MS, SOUND_DBFS, percentile

TURN_P95_MS = 1_500.0
PATIENCE_P95_MS = 3_000.0
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
        return self.is_in_time and not self.holes

    @property
    def is_in_time(self) -> bool:
        """Whether they were answered in time."""
        return self._is_within(TURN_P95_MS)

    @property
    def is_answered(self) -> bool:
        """Whether patient callers were answered."""
        return self._is_within(PATIENCE_P95_MS)

    def _is_within(self, limit_ms: float) -> bool:
        return self.turns > 0 and self.turn_p95_ms <= limit_ms and not self.lost_calls


def is_loud(frames: Heard, audio: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return for each frame whether it sounds, as `listening_quality.has_sound`."""
    if not len(frames):
        return np.empty(0, bool)
    samples = (audio / 32_768.0).astype(np.float64)
    counts = (frames["bytes"] // BYTES_PER_SAMPLE).astype(np.int64)
    starts = np.cumsum(counts) - counts
    means = np.add.reduceat(samples, starts) / counts
    powers = np.add.reduceat(samples**2, starts) / counts - means**2
    loud: NDArray[np.bool_] = powers >= 10 ** (SOUND_DBFS / 10)
    return loud


def answers(
    frames: Heard,
    loud: NDArray[np.bool_],
    scripts: Sequence[Sequence[Spoken]],
    identified_s: Sequence[float],
    begin_s: float,
    end_s: float,
) -> Iterator[Answer]:
    """Yield the answers to all utterances that end between two times of their calls."""
    for number, (its_script, zero_s) in enumerate(zip(scripts, identified_s, strict=True)):
        mine = frames["call"] == number
        at_s, lasts_s = frames["at_s"][mine], frames["bytes"][mine] / (TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE)
        loud_at = np.flatnonzero(loud[mine])
        begins = np.diff(at_s[loud_at], prepend=-inf) > PAUSE_S
        for spoken, following in zip(its_script, [*its_script[1:], None], strict=True):
            if not begin_s <= spoken.ends_s < end_s:
                continue
            until_s = inf if following is None else zero_s + following.begins_s
            said_s = zero_s + spoken.ends_s
            fresh = loud_at[begins & (at_s[loud_at] > said_s) & (at_s[loud_at] < until_s)]
            if not fresh.size:
                yield Answer(inf, np.empty(0), np.empty(0))
                continue
            last = loud_at[at_s[loud_at] < until_s][-1]
            whole = slice(fresh[0], last + 1)
            yield Answer(float(at_s[fresh[0]] - said_s) * 1_000.0, at_s[whole], lasts_s[whole])


def figures(calls: int, given: Sequence[Answer], lost_calls: int) -> Figures:
    """Return what the answers amount to."""
    turns_ms = [answer.turn_ms for answer in given] or [inf]
    holes_ms = [
        phone_holes_ms(answer.at_s, answer.lasts_s, PHONE_BUFFER_MS) for answer in given if answer.at_s.size
    ]
    answer_s = sum(float(answer.lasts_s.sum()) for answer in given)
    concealed_s = sum(float(holes.sum()) for holes in holes_ms) / 1_000.0
    return Figures(
        calls=calls,
        turns=len(given),
        unanswered=sum(answer.turn_ms == inf for answer in given),
        turn_p50_ms=percentile(turns_ms, 50),
        turn_p95_ms=percentile(turns_ms, 95),
        answer_s=answer_s,
        holes=sum(int(np.count_nonzero(holes)) for holes in holes_ms),
        concealed_percent=100.0 * concealed_s / (concealed_s + answer_s) if answer_s else 0.0,
        answers_with_holes_percent=100.0 * sum(bool(holes.any()) for holes in holes_ms) / len(holes_ms)
        if holes_ms
        else 0.0,
        lost_calls=lost_calls,
    )
