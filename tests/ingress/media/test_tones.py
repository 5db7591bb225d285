"""Ready-made tones: their length, pitch and level; loops and fades."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_BYTES
from ingress.media.playout import LONG_FRAME_BYTES
from ingress.media.tones import Loop, endless_tone, faded_out, failure_tone, silence, tone, waiting_beep

FRAME_SIZES = st.lists(st.sampled_from([FRAME_BYTES, LONG_FRAME_BYTES]), max_size=200)


def test_tones_have_their_length_pitch_and_level() -> None:
    """A quarter of full scale, no click at the ends."""
    samples = np.frombuffer(tone(1_000.0, 0.5), dtype="<i2")
    assert len(samples) == 4_000
    assert abs(int(samples[0])) < 100
    assert np.max(np.abs(samples)) == pytest.approx(0.25 * 32_767, rel=0.01)
    assert int(np.argmax(np.abs(np.fft.rfft(samples)))) == 500


def test_repeating_tones_are_whole_seconds() -> None:
    """They are played as loops of 50 frames."""
    assert len(endless_tone(440.3)) == len(waiting_beep()) == 16_000
    assert len(failure_tone()) % 2 == 0
    assert silence(0.5) == bytes(8_000)


@given(st.integers(min_value=1, max_value=2_000), FRAME_SIZES)
def test_a_loop_repeats_without_a_seam_in_frames_of_any_size(length: int, frames: list[int]) -> None:
    """Also one that is no multiple of a frame, or shorter than one."""
    audio = bytes(index % 251 + 1 for index in range(length))
    loop = Loop(audio)
    played = b"".join(loop.next_frame(size) for size in frames)
    assert played == (audio * (len(played) // length + 1))[: len(played)]


def test_an_endless_tone_in_long_frames_has_no_step() -> None:
    """At the second's end as well, which no frame of 30 ms meets."""
    loop = Loop(endless_tone(440.0))
    samples = np.frombuffer(b"".join(loop.next_frame(LONG_FRAME_BYTES) for _ in range(100)), dtype="<i2")
    assert np.max(np.abs(np.diff(samples.astype(int)))) <= 2 * np.pi * 440 / 8_000 * 0.25 * 32_767 + 2


def test_a_fade_ends_in_silence() -> None:
    """It begins as the audio does."""
    samples = np.frombuffer(faded_out(b"\0\x40" * 40), dtype="<i2")
    assert (samples[0], samples[-1]) == (0x4000, 0)
    assert np.all(np.diff(samples) < 0)
    assert faded_out(b"") == b""
