"""From a model's speech to the telephone's: floats at any rate in, 8 kHz int16 out.

Neural voices make mono floats in -1..1 at a rate of their own, in chunks of any size, and begin with up to
0.3 s of silence. One resampler per sentence keeps its filter state between chunks: a new resampler per chunk
would click at each border. `telephone_pieces` keeps the model's level (hibari's active speech is near -24
dBFS with peaks under -8 dBFS); engines whose voices differ from one another bring each sentence to a like
level with `evened`. Samples beyond full scale, which a resampler's overshoot can make, are clipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import soxr

from actors.errors import EngineError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

Samples = npt.NDArray[np.float32]
"""Mono speech, -1..1."""

MAX_PIECE_BYTES = 2 * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
"""Two seconds: the longest piece an engine may yield."""

SILENCE_AMPLITUDE = 0.003
"""-50 dBFS: below the quietest onset of a voice, above a model's noise floor."""

ONSET_MARGIN_MS = 30
"""Kept before the first loud sample, so that a soft consonant is not cut."""

TAIL_MARGIN_MS = 60
"""Kept after the last loud sample: a voice dies away."""

ACTIVE_AMPLITUDE = 0.01
"""-40 dBFS: what is louder counts for the level of speech, pauses do not."""

ACTIVE_LEVEL = 10 ** (-22 / 20)
"""-22 dBFS: root mean square of active speech, between hibari's voice and recorded prompts."""

PEAK = 0.7
MAX_GAIN = 4.0


def evened(speech: Samples, rate_hz: int, pause_s: float = 0.0) -> Samples:
    """Return a whole sentence or clause at `ACTIVE_LEVEL`, its outer silence replaced by a pause after it.

    A peak stays under `PEAK`, and what is nearly silent is raised by `MAX_GAIN` at most. Empty for silence.
    """
    size = np.abs(speech)
    loud = np.flatnonzero(size > SILENCE_AMPLITUDE)
    active = speech[size > ACTIVE_AMPLITUDE]
    if not loud.size or not active.size:
        return np.zeros(0, np.float32)
    start = max(0, int(loud[0]) - rate_hz * ONSET_MARGIN_MS // 1000)
    end = int(loud[-1]) + rate_hz * TAIL_MARGIN_MS // 1000
    level = float(np.sqrt(np.mean(active**2)))
    gain = min(ACTIVE_LEVEL / level, PEAK / float(size.max()), MAX_GAIN)
    pause = np.zeros(round(pause_s * rate_hz), np.float32)
    return np.concatenate((speech[start:end] * np.float32(gain), pause))


def telephone_pieces(speech: Iterable[Samples], rate_hz: int) -> Iterator[bytes]:
    """Yield `speech` as 8 kHz int16 pieces, each as soon as its chunk is there.

    Pieces are non-empty and at most `MAX_PIECE_BYTES` long. Silence before the first sound is left out;
    silence alone yields nothing. Raises EngineError if a sample is not a finite number.
    """
    resampler = soxr.ResampleStream(rate_hz, TELEPHONE_RATE_HZ, 1, dtype="float32")
    for chunk in _from_onset(speech, rate_hz):
        yield from _pieces(resampler.resample_chunk(chunk))
    yield from _pieces(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


def _from_onset(speech: Iterable[Samples], rate_hz: int) -> Iterator[Samples]:
    """Yield the chunks from `ONSET_MARGIN_MS` before the first sample that is not silence."""
    margin = rate_hz * ONSET_MARGIN_MS // 1000
    before: Samples | None = np.zeros(0, np.float32)
    for chunk in speech:
        if not np.isfinite(chunk).all():
            raise EngineError("the voice model made samples that are not finite numbers: try it on the CPU")
        if before is None:
            yield chunk
            continue
        held = np.concatenate((before, chunk))
        loud = np.flatnonzero(np.abs(held) > SILENCE_AMPLITUDE)
        if loud.size:
            before = None
            yield held[max(0, int(loud[0]) - margin) :]
        else:
            before = held[max(0, held.size - margin) :]


def _pieces(samples: Samples) -> Iterator[bytes]:
    audio = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    for start in range(0, len(audio), MAX_PIECE_BYTES):
        yield audio[start : start + MAX_PIECE_BYTES]
