"""Audio that a voice activity detector takes for speech, without a speech model."""

from __future__ import annotations

import numpy as np


def speech_like(duration_s: float, rate_hz: int = 8_000) -> bytes:
    """Return a buzz with the pitch and syllables of a voice, int16."""
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    voice = sum(np.sin(2 * np.pi * 140 * harmonic * time_s) / harmonic for harmonic in range(1, 20))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s)
    return (voice * syllables * 6_000).astype("<i2").tobytes()
