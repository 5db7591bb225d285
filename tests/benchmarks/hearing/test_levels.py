"""Levels, against audio whose level is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.hearing.levels import at_level, limited, noise_level_dbfs, speech_level_dbfs, trimmed

TONE = 10_000 * np.sin(2 * np.pi * 500 * np.arange(8_000) / 8_000)
TONE_DBFS = 20 * np.log10(10_000 / 32_768 / np.sqrt(2))


def test_pauses_do_not_count_as_speech() -> None:
    """The level of half a second of tone is that of the tone, however long the silence."""
    samples = np.concatenate([np.zeros(8_000), TONE[:4_000], np.zeros(4_000)])
    assert speech_level_dbfs(samples) == pytest.approx(TONE_DBFS, abs=0.05)
    assert noise_level_dbfs(samples) == pytest.approx(TONE_DBFS - 10 * np.log10(4), abs=0.05)


def test_a_level_is_set() -> None:
    """And what does not fit into 16 bits is cut off."""
    assert speech_level_dbfs(at_level(TONE, TONE_DBFS, -41)) == pytest.approx(-41, abs=0.05)
    loud = limited(at_level(TONE, TONE_DBFS, 0))
    assert (loud.min(), loud.max(), loud.dtype) == (-32_768, 32_767, np.int16)


def test_a_recording_is_cut_to_its_sound() -> None:
    """To 10 ms, at 40 dB below the loudest."""
    faint = np.full(1_000, 30)
    recording = np.concatenate([faint, TONE[:4_000], faint]).astype(np.int16)
    assert len(trimmed(recording)) == pytest.approx(4_000, abs=80)
