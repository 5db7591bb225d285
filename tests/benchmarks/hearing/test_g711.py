"""The codecs, against what the standard's tables say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.hearing.g711 import Coding


@pytest.mark.parametrize(
    ("coding", "values"),
    [
        # The decoder's outputs of G.711, tables 1 and 2 (in 16 bits): the smallest ones, and the largest.
        (Coding.MU_LAW, (0, 8, 16, 24, 120, 132, 32_124)),
        (Coding.A_LAW, (8, 24, 40, 248, 264, 528, 32_256)),
    ],
)
def test_what_a_codec_can_say_is_carried_as_it_is(coding: Coding, values: tuple[int, ...]) -> None:
    """The decoder's outputs are fixed points; both signs."""
    samples = np.array([sign * value for value in values for sign in (1, -1)], np.int16)
    assert coding.carry(samples).tolist() == samples.tolist()


@pytest.mark.parametrize("coding", [Coding.MU_LAW, Coding.A_LAW])
def test_the_error_grows_with_the_level(coding: Coding) -> None:
    """A 16th of the value at most, above the codec's first segments; every sample, both ends."""
    samples = np.arange(-32_768, 32_768).astype(np.int16)
    carried = coding.carry(samples).astype(np.int32)
    error = np.abs(carried - samples.astype(np.int32))
    assert error.max() <= 1_024
    loud = np.abs(samples.astype(np.int32)) > 600
    assert (error[loud] / np.abs(samples.astype(np.int32))[loud]).max() < 1 / 24
    assert len(np.unique(carried)) in (255, 256)


def test_linear_audio_stays() -> None:
    """No codec, no change."""
    samples = np.arange(100, dtype=np.int16)
    assert Coding.LINEAR.carry(samples) is samples
