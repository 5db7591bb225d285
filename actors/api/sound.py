"""Synthesised speech as clients want it: a WAV file of unknown length, or OpenAI's 24 kHz samples."""

from __future__ import annotations

import struct
from typing import Protocol

import numpy as np
import soxr

from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

PCM_RATE_HZ = 24_000
"""Samples without a header are of this rate by OpenAI's convention."""
_UNKNOWN_BYTES = 0xFFFFFFFF
"""As a file's length in a stream that has just begun; players read to its end."""


class Sound(Protocol):
    """Makes a format of 8 kHz int16 mono."""

    media_type: str

    def begin(self) -> bytes: ...
    def add(self, audio: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Wave:
    """8 kHz, as the voices speak."""

    media_type = "audio/wav"

    def begin(self) -> bytes:
        """Return the header (RIFF WAVE, format 1: PCM)."""
        byte_rate = TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
        shape = struct.pack("<HHIIHH", 1, 1, TELEPHONE_RATE_HZ, byte_rate, BYTES_PER_SAMPLE, 16)
        head = b"RIFF" + struct.pack("<I", _UNKNOWN_BYTES) + b"WAVEfmt " + struct.pack("<I", len(shape))
        return head + shape + b"data" + struct.pack("<I", _UNKNOWN_BYTES)

    def add(self, audio: bytes) -> bytes:
        """Return the samples."""
        return audio

    def finish(self) -> bytes:
        """Return nothing."""
        return b""


class Samples:
    """24 kHz int16 without a header; there is no more in it than in 8 kHz."""

    media_type = f"audio/pcm;rate={PCM_RATE_HZ}"

    def __init__(self) -> None:
        self._resampler = soxr.ResampleStream(TELEPHONE_RATE_HZ, PCM_RATE_HZ, 1, dtype="int16")

    def begin(self) -> bytes:
        """Return nothing: there is no header."""
        return b""

    def add(self, audio: bytes) -> bytes:
        """Return the samples that `audio` completes."""
        return self._resample(audio, is_last=False)

    def finish(self) -> bytes:
        """Return the last samples."""
        return self._resample(b"", is_last=True)

    def _resample(self, audio: bytes, is_last: bool) -> bytes:
        samples = self._resampler.resample_chunk(np.frombuffer(audio, "<i2"), last=is_last)
        made: bytes = samples.astype("<i2").tobytes()
        return made


FORMATS: dict[str, type[Wave] | type[Samples]] = {"wav": Wave, "pcm": Samples}
