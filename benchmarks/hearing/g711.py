"""The codecs of telephone lines, there and back: what G.711 leaves of linear audio (ITU-T G.711, 11/1988).

Both laws divide each half of the range into eight segments of sixteen steps; each segment's steps are twice
as long as those of the one below. μ-law (14 bits) has one segment with the shortest step, A-law (13 bits)
two.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

_STEPS = 16
_MU_BIAS = 33
"""μ-law's segments begin at powers of two less this, in units of 14 bits."""


class Coding(StrEnum):
    """How the line carries audio."""

    LINEAR = "linear"
    MU_LAW = "μ-law"
    A_LAW = "A-law"

    def carry(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return int16 samples as they are after coding and decoding."""
        if self is Coding.LINEAR:
            return samples
        values = _mu_law_values() if self is Coding.MU_LAW else _a_law_values()
        magnitudes = np.abs(samples.astype(np.int32))
        nearest = np.searchsorted((values[1:] + values[:-1]) / 2, magnitudes)
        return np.asarray(np.where(samples < 0, -values[nearest], values[nearest]), np.int16)


def _mu_law_values() -> NDArray[np.int32]:
    """Return the 128 magnitudes that μ-law has, in units of 16 bits."""
    segments, steps = np.divmod(np.arange(8 * _STEPS), _STEPS)
    return np.asarray((((2 * steps + _MU_BIAS) << segments) - _MU_BIAS) * 4, np.int32)


def _a_law_values() -> NDArray[np.int32]:
    """Return the 128 magnitudes that A-law has, in units of 16 bits."""
    segments, steps = np.divmod(np.arange(8 * _STEPS), _STEPS)
    within = 2 * steps + 1 + np.where(segments == 0, 0, 2 * _STEPS)
    return np.asarray((within << np.maximum(segments - 1, 0)) * 8, np.int32)
