"""The header of a recording's WAV file: stereo, 8 kHz, 16 bits (http://soundfile.sapp.org/doc/WaveFormat/)."""

from __future__ import annotations

import struct

from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

CHANNELS = 2
FRAME_BYTES = CHANNELS * BYTES_PER_SAMPLE
"""One sample of each side."""
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
MAXIMUM_AUDIO_BYTES = 0xFFFF_FFFF - HEADER_BYTES
"""Sizes have 32 bits. More than a day and a half."""


def header(audio_bytes: int) -> bytes:
    """Return the header of a file with so much audio."""
    rate_hz, sample_bits = TELEPHONE_RATE_HZ, 8 * BYTES_PER_SAMPLE
    return _HEADER.pack(
        *(b"RIFF", HEADER_BYTES - 8 + audio_bytes, b"WAVE"),
        *(b"fmt ", 16, 1, CHANNELS, rate_hz, rate_hz * FRAME_BYTES, FRAME_BYTES, sample_bits),
        *(b"data", audio_bytes),
    )


def audio_s(file_bytes: int) -> float:
    """Return how long a file of that size plays."""
    return max(0, file_bytes - HEADER_BYTES) / FRAME_BYTES / TELEPHONE_RATE_HZ
