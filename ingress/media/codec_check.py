"""Is this linear audio, or a phone's codec labelled as linear?

`Dial(AudioSocket/…)` without `c(slin)` takes the caller's first codec (chan_audiosocket.c:236-251), and
Asterisk labels everything as 8 kHz linear (res_audiosocket.c:251-253). All telephone codecs have fewer bytes
a second: G.711 and G.722 half as many, GSM and G.729 a tenth or less, whatever the ptime. Lost packets look
the same, so a stream that is too slow is judged by its sound as well: linear audio is quiet, or its samples
follow each other more smoothly, or more as those of a tone, than the same bytes read as G.711.

| 1 s of a stream | verdict |
|---|---|
| as many bytes as linear audio has | linear |
| fewer, sounds linear | linear, with losses |
| fewer, otherwise | a phone's codec |
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_S = 0.2
WINDOWS = 5
DECISIVE_WINDOWS = 4
"""A window may be thinned by a short pause or filled by a burst."""
LINEAR_BYTES_PER_S = BYTES_PER_SAMPLE * TELEPHONE_RATE_HZ
SLOWEST_LINEAR = 0.75
"""Of the bytes of linear audio."""
LONGEST_MESSAGE_INTERVAL_S = 0.19
"""60 ms a message, read every third tick of 30 ms. A longer one is a pause: the window begins anew."""
QUIET = 4_000
"""No sample of quiet linear audio is beyond; of G.711 read as linear, samples of one sign are."""
SMOOTH = 0.3
"""Correlation of neighbouring samples. Recorded speech 0.9; 5 % of it under 0.1, where it is quiet."""
TONAL = 0.5
"""Of the power of a sample. High tones, also two at once, have 0.6 and more, and are not smooth."""
ROUNDING = 1e-6

ADVICE = (
    "the audio is a phone's codec (µ-law, A-law, GSM, G.729 ...) labelled as linear; name the format in the "
    "dialplan: Dial(AudioSocket/host:port/uuid/c(slin))"
)


class CodecCheck:
    """Watches the beginning of a stream."""

    def __init__(self) -> None:
        self._since_s = self._last_s = float("-inf")
        self._bytes = 0
        """That came after `_since_s`: what was read together then says nothing about the pace."""
        self._windows = 0
        self._slow_windows = 0
        self._audio = bytearray()

    def is_disguised(self, audio: bytes, rate_hz: int, now: float) -> bool | None:
        """Take one audio message; return whether the audio is not linear, for good, once that is sure."""
        if rate_hz != TELEPHONE_RATE_HZ:  # only the channel driver sends other kinds, and they are right
            return False
        if now - self._last_s > LONGEST_MESSAGE_INTERVAL_S:
            self._since_s, self._bytes = now, 0
        elif now > self._last_s and self._last_s - self._since_s >= WINDOW_S:
            elapsed_s = self._last_s - self._since_s
            self._windows += 1
            self._slow_windows += self._bytes / elapsed_s < SLOWEST_LINEAR * LINEAR_BYTES_PER_S
            self._since_s, self._bytes = self._last_s, 0
        self._last_s = now
        if now > self._since_s:
            self._bytes += len(audio)
        self._audio += audio
        if self._windows < WINDOWS:
            return None
        return self._slow_windows >= DECISIVE_WINDOWS and not sounds_linear(bytes(self._audio))


def sounds_linear(audio: bytes) -> bool:
    """Return whether bytes are surely 8 kHz int16 rather than one of a phone's codecs.

    Of silence only zeros are: µ-law and A-law have others.
    """
    codes = np.frombuffer(audio, dtype=np.uint8)
    linear = np.frombuffer(audio[: len(audio) // 2 * 2], dtype="<i2").astype(np.float64)
    if not linear.size or linear.min() == linear.max():
        return not any(audio)
    if abs(linear).max() < QUIET:
        return True
    of_g711 = [table[codes] for table in _g711_tables()]
    return any(
        threshold < measure(linear) > max(map(measure, of_g711))
        for measure, threshold in ((_smoothness, SMOOTH), (_tonality, TONAL))
    )


def _smoothness(samples: NDArray[np.float64]) -> float:
    """Return the correlation of neighbouring samples, 0.0 for a constant."""
    centred = samples - samples.mean()
    power = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / power if power else 0.0


def _tonality(samples: NDArray[np.float64]) -> float:
    """Return how much of each sample's power the two before it foretell: 1.0 for one tone of any frequency.

    The squared multiple correlation of an autoregression of order 2 (Yule-Walker equations).
    """
    centred = samples - samples.mean()
    power = float(centred @ centred)
    if not power:
        return 0.0
    first, second = (float(centred[lag:] @ centred[:-lag]) / power for lag in (1, 2))
    rest = 1.0 - first * first
    if rest < ROUNDING:
        return 1.0
    partial = (second - first * first) / rest
    return 1.0 - rest * (1.0 - partial * partial)


@cache
def _g711_tables() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each code of µ-law and of A-law stands for (ITU-T G.711, tables 2a and 1a)."""
    codes = np.arange(256)
    mu = codes ^ 0xFF
    mu_size = (((mu & 0x0F) * 2 + 33) << (mu >> 4 & 7)) - 33
    law = codes ^ 0x55
    segment = law >> 4 & 7
    a_size = ((law & 0x0F) * 2 + np.where(segment > 0, 33, 1)) << np.maximum(segment - 1, 0)
    return (
        np.where(mu & 0x80, -mu_size, mu_size).astype(np.float64),
        np.where(law & 0x80, a_size, -a_size).astype(np.float64),
    )
