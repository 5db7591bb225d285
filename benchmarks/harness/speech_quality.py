"""What speech would have sounded like: PESQ of a known prompt, played as the frames really arrived.

The frames of a measurement are a tone, and their sizes and arrival times say all that the path did to
them: TCP loses and reorders nothing. So the prompt is laid on those frames afterwards, each gets as much of
it as it had of the tone, and a phone with a 60 ms buffer plays them, silence in the holes. That is the same
for every server, and none has to be able to play a file.

PESQ is ITU-T P.862, narrow band, mapped to MOS-LQO by P.862.1: 4.55 is a perfect copy, below 3 is hard
work, 1.0 is the bottom. It is made for 8 to 12 s of speech.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from actors.telephone import TELEPHONE_RATE_HZ
from benchmarks.harness.arrivals import Floats, phone_holes_ms
from ingress.caller.listening_quality import PHONE_BUFFER_MS

SHORTEST_S = 1.0
LONGEST_S = 12.0


def played(
    at_s: Floats, lasts_s: Floats, speech: NDArray[np.int16]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return what was said and what one call's phone played, 8 kHz: the second is longer by its holes."""
    holes = np.rint(phone_holes_ms(at_s, lasts_s, PHONE_BUFFER_MS) * TELEPHONE_RATE_HZ / 1_000).astype(int)
    ends = np.rint(np.cumsum(lasts_s) * TELEPHONE_RATE_HZ).astype(int)
    said = np.resize(speech, ends[-1])
    heard = []
    for hole, start, end in zip(holes, [0, *ends[:-1]], ends, strict=True):
        heard += [np.zeros(hole, np.int16), said[start:end]]
    return said, np.concatenate(heard)


def opinion_score(at_s: Floats, lasts_s: Floats, speech: NDArray[np.int16]) -> float:
    """Return the MOS-LQO, 1 to 4.55, of `speech` (8 kHz) over the first seconds of one call."""
    from pesq import PesqError, pesq

    first = np.cumsum(lasts_s) <= LONGEST_S
    said, heard = played(at_s[first], lasts_s[first], speech)
    score = pesq(TELEPHONE_RATE_HZ, said, heard, "nb", on_error=PesqError.RETURN_VALUES)
    return float(score) if score > 0 else 1.0  # -1: no speech was found in it


def opinion_scores(
    streams: Iterable[tuple[Floats, Floats]], speech: NDArray[np.int16], most: int
) -> list[float]:
    """Return the scores of `most` streams, evenly chosen of those with a second of audio at least.

    `streams`: arrivals and durations of the frames of a call or an answer. Empty where the `pesq` package,
    an extra (`bench`), is not installed.
    """
    if find_spec("pesq") is None:
        return []
    whole = [stream for stream in streams if stream[1].sum() >= SHORTEST_S]
    chosen = whole[:: max(1, len(whole) // most)][:most]
    return [opinion_score(at_s, lasts_s, speech) for at_s, lasts_s in chosen]
