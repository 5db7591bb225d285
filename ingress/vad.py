"""Does this frame hold speech? WebRTC's voice activity detector: 2 µs a frame, no model, one per call."""

from __future__ import annotations

import numpy as np
import webrtcvad

from actors.messages import TELEPHONE_RATE_HZ


class WebRtcVad:
    """A stateful detector for one call."""

    def __init__(self, aggressiveness: int) -> None:
        self._vad = webrtcvad.Vad(aggressiveness)

    def has_speech(self, frame: bytes) -> bool:
        """Judge one frame of 10, 20 or 30 ms of 8 kHz int16."""
        verdict: bool = self._vad.is_speech(frame, TELEPHONE_RATE_HZ)
        return verdict


def frame_power(frame: bytes) -> float:
    """Return the mean square of a frame of int16 samples."""
    samples = np.frombuffer(frame, dtype="<i2").astype(np.float32)
    return float(np.dot(samples, samples)) / max(1, len(samples))
