"""What is no speech by its spectrum alone."""

from __future__ import annotations

from importlib.resources import files
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.telephone import FRAME_BYTES
from ingress.media.hearing.spectrum import (
    COLUMNS_HZ,
    ROWS_HZ,
    is_key_tone,
    may_be_voice,
    without_key_tones,
)

VOICE = (files("actors.engines") / "hello.sln").read_bytes()


def sine(
    hz: float, duration_s: float = 0.02, amplitude: float = 5_000.0, phase: float = 0.0
) -> NDArray[np.float64]:
    """Return a sine at 8 kHz."""
    return np.asarray(
        np.sin(2 * np.pi * hz * np.arange(round(duration_s * 8_000)) / 8_000 + phase) * amplitude
    )


def pcm(samples: NDArray[np.float64]) -> bytes:
    """Return int16."""
    return samples.clip(-32_768, 32_767).astype("<i2").tobytes()


@given(
    st.sampled_from(list(product(ROWS_HZ, COLUMNS_HZ))),
    st.floats(-0.006, 0.006),
    st.floats(-6.0, 6.0),
    st.floats(0.0, 6.3),
    st.floats(-50.0, -6.0),
)
def test_a_key_is_known_by_its_two_tones(
    key: tuple[int, int], off_share: float, twist_db: float, phase: float, level_db: float
) -> None:
    """Far from exact ones too, and with either tone the stronger one."""
    row, column = (hz * (1 + off_share) for hz in key)
    level = 32_768 * 10 ** (level_db / 20) / 2
    tone = sine(row, amplitude=level, phase=phase) + sine(column, amplitude=level * 10 ** (twist_db / 20))
    assert is_key_tone(pcm(tone))


def test_a_voice_has_no_key_tones() -> None:
    """Nor have silence, noise, and one tone alone."""
    for start in range(0, len(VOICE) - FRAME_BYTES + 1, FRAME_BYTES):
        assert not is_key_tone(VOICE[start : start + FRAME_BYTES])
    random = np.random.default_rng(0)
    for _ in range(500):
        assert not is_key_tone(pcm(random.standard_normal(160) * 1_000))
    assert not is_key_tone(bytes(FRAME_BYTES))
    assert not any(is_key_tone(pcm(sine(hz))) for hz in (*ROWS_HZ, *COLUMNS_HZ, 425))


def test_key_tones_are_taken_out_with_their_edges() -> None:
    """What is left is as long, and the voice beside them is as it was."""
    tone = pcm(sine(770, 0.1) + sine(1_336, 0.1))
    whole = len(VOICE) // FRAME_BYTES * FRAME_BYTES
    cleaned = without_key_tones(VOICE[:whole] + tone + VOICE[:whole])
    assert len(cleaned) == 2 * whole + len(tone)
    assert cleaned[: whole - FRAME_BYTES] == VOICE[: whole - FRAME_BYTES]
    assert cleaned[whole - FRAME_BYTES : whole + len(tone) + FRAME_BYTES].count(0) >= len(tone)
    assert without_key_tones(VOICE[:whole]) == VOICE[:whole]


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_hum_and_hiss_are_no_voice(mains_hz: int) -> None:
    """Mains hum with its harmonics, a hiss above 2 kHz; but a voice in either is one."""
    hum = np.asarray(sum(sine(mains_hz * n, 0.6) / n for n in range(1, 12)))
    noise = np.random.default_rng(0).standard_normal(len(hum))
    spectrum = np.fft.rfft(noise)
    hiss = np.fft.irfft(spectrum * (np.fft.rfftfreq(len(hum), 1 / 8_000) > 2_100), len(hum)) * 3_000
    voice = np.frombuffer(VOICE, dtype="<i2")[: len(hum)].astype(float)
    assert may_be_voice(VOICE)
    for sound in (hum, hiss):
        assert not may_be_voice(pcm(sound))
        assert may_be_voice(pcm(voice + sound * 0.3 * voice.std() / sound.std()))
