"""What the callers say, and when: one recorded utterance of about 3 s every 12 s in each call.

The recordings are Asterisk's prompts of 2.5 to 3.5 s without a pause in them that could be taken for the
end. Each call has its own phase, drawn evenly from a period, and each utterance comes up to half a second
before or after its time, so that several callers end at once as often as chance has it. All
servers get the same script, and so the same bursts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from actors.telephone import FRAME_S
from benchmarks.harness.telephone_speech import Utterance, obtain_corpus, read_corpus, spread
from ingress.caller.listening_quality import speech_spans

UTTERANCES = 24
SHORTEST_S = 2.5
LONGEST_S = 3.5
PERIOD_S = 12.0
JITTER_S = 0.5
SEED = 1


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance."""

    audio: bytes
    """8 kHz int16."""
    sound_ends_s: float
    """Into the recording: when the last sound is over."""


class Spoken(NamedTuple):
    """One utterance of a call, in seconds since its UUID."""

    begins_s: float
    """A whole number of frames."""
    ends_s: float
    """The end of its last sound: answers are timed from here."""
    recording: int


@cache
def recordings() -> tuple[Recording, ...]:
    """Return what is said. Raises CorpusError."""
    return fit_for_turns(read_corpus(obtain_corpus()))


def fit_for_turns(corpus: Sequence[Utterance]) -> tuple[Recording, ...]:
    """Return an even sample of the prompts that are one utterance of about 3 s for any detector."""
    fit = []
    for utterance in corpus:
        spans = speech_spans(utterance.audio)
        if SHORTEST_S <= utterance.duration_s <= LONGEST_S and len(spans) == 1:
            fit.append(Recording(utterance.audio, spans[0].end_s))
    return spread(fit, UTTERANCES)


def script(calls: int, seconds: float, said: Sequence[Recording]) -> list[list[Spoken]]:
    """Return, for each call, what it says until `seconds` after its UUID; the same each time."""
    dice = random.Random(SEED)
    scripts = []
    for _ in range(calls):
        spoken, due_s = list[Spoken](), dice.uniform(0.0, PERIOD_S)
        while (at_s := due_s + dice.uniform(-JITTER_S, JITTER_S)) < seconds:
            due_s += PERIOD_S
            recording = dice.randrange(len(said))
            begins_s = max(0, round(at_s / FRAME_S)) * FRAME_S
            spoken.append(Spoken(begins_s, begins_s + said[recording].sound_ends_s, recording))
        scripts.append(spoken)
    return scripts
