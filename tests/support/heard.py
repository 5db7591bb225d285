"""What a caller heard, where speech is scripted: tones."""

from __future__ import annotations

import numpy as np

WINDOW = 800
"""Samples: 100 ms at 8 kHz, so that a spectrum has a step of 10 Hz."""


def pitches_hz(audio: bytes) -> set[int]:
    """Return the pitches, to 10 Hz, of all tones of 200 ms and more."""
    samples = np.frombuffer(audio, dtype="<i2").astype(float)
    pieces = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    loud = pieces[np.abs(pieces).mean(axis=1) > 500.0]
    found = (np.abs(np.fft.rfft(loud)).argmax(axis=1) * 10).tolist()
    return {pitch for pitch in found if found.count(pitch) > 1}
