"""Audio as the telephone has it: 8 kHz, int16, mono, little-endian, in frames of 20 ms."""

from __future__ import annotations

TELEPHONE_RATE_HZ = 8_000
"""Sample rate of every audio that has no other in its name."""

BYTES_PER_SAMPLE = 2
BYTES_PER_MS = TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE // 1000
FRAME_MS = 20
FRAME_S = FRAME_MS / 1000.0
FRAME_BYTES = FRAME_MS * BYTES_PER_MS
SILENCE_FRAME = bytes(FRAME_BYTES)


def audio_duration_ms(audio: bytes | memoryview) -> float:
    """Return how long `audio` (8 kHz int16) lasts, in milliseconds."""
    return len(audio) / (TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE) * 1000.0
