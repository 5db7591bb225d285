"""Long recordings in pieces for the speech workers, cut where it is quiet.

A piece holds a slot for as long as it takes, and the work of calls waits meanwhile: pieces are short.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

LONGEST_PIECE_S = 12.0
SEARCHED_S = 5.0
"""At the end of a piece, for the quietest place."""
BLOCK_S = 0.02
PAUSE_S = 0.2
"""Over which it is judged how quiet a place is."""

_SAMPLES = int(LONGEST_PIECE_S * TELEPHONE_RATE_HZ)
_SEARCHED = int(SEARCHED_S * TELEPHONE_RATE_HZ)
_BLOCK = int(BLOCK_S * TELEPHONE_RATE_HZ)
_BLOCKS = round(PAUSE_S / BLOCK_S)


def pieces(audio: bytes) -> Iterator[tuple[float, bytes]]:
    """Yield a recording (8 kHz int16) in pieces: when each begins, in seconds, and its audio."""
    samples = np.frombuffer(audio, "<i2")
    start = 0
    while start < len(samples):
        end = len(samples)
        if end - start > _SAMPLES:
            searched = samples[start + _SAMPLES - _SEARCHED : start + _SAMPLES]
            end = start + _SAMPLES - _SEARCHED + _quietest(searched)
        yield start / TELEPHONE_RATE_HZ, audio[start * BYTES_PER_SAMPLE : end * BYTES_PER_SAMPLE]
        start = end


def _quietest(samples: np.ndarray) -> int:
    """Return the middle of the quietest `PAUSE_S`; of several the last."""
    blocks = samples.astype(np.float64).reshape(-1, _BLOCK)
    energy = np.convolve((blocks**2).sum(axis=1), np.ones(_BLOCKS), "valid")
    first = len(energy) - 1 - int(np.argmin(energy[::-1]))
    return first * _BLOCK + _BLOCKS * _BLOCK // 2
