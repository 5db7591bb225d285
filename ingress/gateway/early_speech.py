"""When a sentence is spoken clause by clause, and when its first clause may be heard.

An engine that needs 0.65 s for a second of speech makes the caller wait 2.6 s for a sentence of 4 s. If its
first clause is made by itself, that is heard after less than 1 s, and the others are made while it plays.

Once a sentence has begun it must not stop: each clause has to be there when the one before it has been
played. The caller waits until that is so for all of them. With an engine faster than time that is mostly the
time of the first clause; with a slower one it is more, and still less than that of the whole sentence.

Pure; `ingress.gateway.held_audio` holds it back.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingress.phrases.pace import Pace

EARLY_S = 0.4
"""A sentence whose first audio comes within this time is not cut: it sounds best as a whole."""
MARGIN = 1.2
"""By how much a clause may take longer than expected."""


def is_to_be_cut(weight: int, pace: Pace, lead_s: float) -> bool:
    """Whether a text would be waited for too long; `lead_s` of speech are still to be played before it."""
    first_s = pace.first_factor * pace.seconds_per_letter * weight
    return first_s > EARLY_S and MARGIN * first_s > lead_s


def silence_s(first: int, others: Sequence[tuple[int, bool]], pace: Pace) -> float:
    """Return how long the first clause has to be held back, so that no later one is late.

    `first`: its weight; its audio has begun to come. `others`: the weight of each of the rest, and whether it
    is ready. Each has to be there when the one before it has been played.
    """
    speech_s = pace.seconds_per_letter * first
    made_s = MARGIN * max(0.0, pace.factor - pace.first_factor) * speech_s
    played_s, longest_s = speech_s, 0.0
    for weight, is_ready in others:
        speech_s = pace.seconds_per_letter * weight
        if not is_ready:
            first_s = made_s + MARGIN * pace.first_factor * speech_s
            made_s += MARGIN * pace.factor * speech_s
            longest_s = max(longest_s, first_s - played_s, made_s - played_s - speech_s)
        played_s += speech_s
    return longest_s
