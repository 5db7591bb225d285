"""The caller's audio, of any rate and message size, as 8 kHz frames of 20 ms.

Asterisk sends one message per channel frame: 10 to 60 ms, at the rate of the channel. The rate may change
within a call, however often: resamplers are kept, because making one takes up to 2 ms.
"""

from __future__ import annotations

import numpy as np
import soxr

from actors.telephone import FRAME_BYTES, TELEPHONE_RATE_HZ


class InboundAudio:
    """Messages in, 320-byte frames out."""

    def __init__(self) -> None:
        self._rate_hz = TELEPHONE_RATE_HZ
        self._resampler: soxr.ResampleStream | None = None
        """Of the rate that comes now; None at 8 kHz."""
        self._resamplers: dict[int, soxr.ResampleStream] = {}
        self._rest = b""

    @property
    def is_transparent(self) -> bool:
        """Whether a message of 20 ms at 8 kHz would be a frame as it is."""
        return self._resampler is None and not self._rest

    def frames(self, audio: bytes, rate_hz: int) -> list[bytes]:
        """Return the whole frames that are complete with `audio` (int16 mono at `rate_hz`)."""
        if rate_hz != self._rate_hz:
            self._change_rate(rate_hz)
        if self._resampler is not None:
            samples = np.frombuffer(audio, dtype="<i2")
            audio = self._resampler.resample_chunk(samples).tobytes()
        if not self._rest and len(audio) == FRAME_BYTES:
            return [audio]
        data = self._rest + audio
        whole = len(data) - len(data) % FRAME_BYTES
        self._rest = data[whole:]
        return [data[start : start + FRAME_BYTES] for start in range(0, whole, FRAME_BYTES)]

    def _change_rate(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._rest = b""
        if rate_hz == TELEPHONE_RATE_HZ:
            self._resampler = None
            return
        self._resampler = self._resamplers.get(rate_hz)
        if self._resampler is not None:
            self._resampler.clear()
            return
        self._resampler = soxr.ResampleStream(rate_hz, TELEPHONE_RATE_HZ, 1, dtype="int16", quality="MQ")
        self._resamplers[rate_hz] = self._resampler
