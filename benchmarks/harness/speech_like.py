"""Audio like speech: a buzz that WebRTC's detector takes for it, and a recorded word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

import actors.engines


def speech_like(duration_s: float, rate_hz: int = 8_000) -> bytes:
    """Return a buzz with the pitch and syllables of a voice, int16."""
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    voice = sum(np.sin(2 * np.pi * 140 * harmonic * time_s) / harmonic for harmonic in range(1, 20))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s)
    return (voice * syllables * 6_000).astype("<i2").tobytes()


def recorded_words(count: int, rate_hz: int = 8_000) -> bytes:
    """Return a recorded "hello" of 0.65 s, several times, int16: both detectors take it for speech."""
    recording = Path(actors.engines.__file__).with_name("hello.sln").read_bytes() * count
    if rate_hz == 8_000:
        return recording
    samples: NDArray[np.int16] = soxr.resample(np.frombuffer(recording, dtype="<i2"), 8_000, rate_hz)
    return samples.tobytes()
