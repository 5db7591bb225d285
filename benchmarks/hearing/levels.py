"""How loud audio is, in dB below full scale (a square wave of full scale has 0 dBFS)."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from actors.telephone import TELEPHONE_RATE_HZ

Audio: TypeAlias = NDArray[np.int16]
Samples: TypeAlias = NDArray[np.floating[Any]]
"""In units of int16, not rounded and not limited."""

FULL_SCALE = 32_768.0
FRAME = TELEPHONE_RATE_HZ // 100
ACTIVE_RANGE_DB = 25.0
"""Frames of 10 ms that are quieter than the loudest by more than this are pauses: a simple form of the active
speech level of ITU-T P.56."""
EDGE_RANGE_DB = 40.0
"""At its ends a recording is cut where it is quieter by this: what is left is sound to the first and the last
sample."""


def frame_powers(samples: NDArray[Any]) -> Samples:
    """Return the mean square of each whole 10 ms."""
    count = len(samples) // FRAME * FRAME
    powers: Samples = np.square(samples[:count].reshape(-1, FRAME).astype(np.float64)).mean(axis=1)
    return powers


def speech_level_dbfs(samples: NDArray[Any]) -> float:
    """Return the level of speech without its pauses."""
    powers = frame_powers(samples)
    active = powers[powers >= powers.max() * 10 ** (-ACTIVE_RANGE_DB / 10)]
    return _dbfs(float(active.mean()))


def noise_level_dbfs(samples: NDArray[Any]) -> float:
    """Return the level of all samples."""
    return _dbfs(float(np.square(samples.astype(np.float64)).mean()))


def at_level(samples: NDArray[Any], measured_dbfs: float, wanted_dbfs: float) -> Samples:
    """Return samples of a measured level at another."""
    scaled: Samples = samples * 10 ** ((wanted_dbfs - measured_dbfs) / 20)
    return scaled


def trimmed(samples: Audio) -> Audio:
    """Return a recording without the silence before its first and after its last sound."""
    powers = frame_powers(samples)
    loud = np.flatnonzero(powers > powers.max() * 10 ** (-EDGE_RANGE_DB / 10))
    return samples[loud[0] * FRAME : (loud[-1] + 1) * FRAME]


def limited(samples: NDArray[Any]) -> Audio:
    """Return samples as int16, cut off at full scale."""
    return np.asarray(np.clip(np.rint(samples), -FULL_SCALE, FULL_SCALE - 1), np.int16)


def _dbfs(power: float) -> float:
    return 10.0 * float(np.log10(max(power, 1e-6) / FULL_SCALE**2))
