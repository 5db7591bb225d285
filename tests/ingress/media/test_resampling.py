"""The caller's audio at any rate and size becomes 20 ms frames of 8 kHz."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.audiosocket import SLIN_RATES_HZ
from ingress.media.resampling import InboundAudio


def sine(frequency_hz: float, rate_hz: int, duration_s: float) -> bytes:
    """Return a sine at a quarter of full scale, int16."""
    samples = np.arange(round(rate_hz * duration_s))
    return (np.sin(2 * np.pi * frequency_hz * samples / rate_hz) * 8_000).astype("<i2").tobytes()


def frames_of(resampler: InboundAudio, audio: bytes, rate_hz: int, message_ms: int) -> bytes:
    """Send audio in messages; return what came of it."""
    size = rate_hz * message_ms // 1000 * 2
    frames = [
        frame
        for start in range(0, len(audio), size)
        for frame in resampler.frames(audio[start : start + size], rate_hz)
    ]
    assert all(len(frame) == 320 for frame in frames)
    return b"".join(frames)


@pytest.mark.parametrize("rate_hz", sorted(SLIN_RATES_HZ.values()))
@pytest.mark.parametrize("message_ms", [10, 20, 30, 60])
def test_every_rate_and_ptime_keeps_length_pitch_and_level(rate_hz: int, message_ms: int) -> None:
    """A second of 1 kHz stays one; the resampler holds back up to 0.12 s."""
    heard = frames_of(InboundAudio(), sine(1_000.0, rate_hz, 1.3), rate_hz, message_ms)
    samples = np.frombuffer(heard, dtype="<i2")
    assert 1.3 - 0.16 < len(samples) / 8_000 <= 1.3
    spectrum = np.abs(np.fft.rfft(samples[800:8_800].astype(float)))
    assert int(np.argmax(spectrum)) == 1_000
    assert np.max(np.abs(samples[800:8_800])) == pytest.approx(8_000, rel=0.05)


def test_a_rate_may_change_with_every_message() -> None:
    """And nothing of what came before at that rate is heard again."""
    resampler = InboundAudio()
    loud, quiet = sine(1_000.0, 16_000, 0.02), bytes(640)
    heard = b""
    for _ in range(20):
        heard += b"".join(resampler.frames(loud, 16_000))
        heard += b"".join(resampler.frames(sine(1_000.0, 8_000, 0.02), 8_000))
        heard += b"".join(resampler.frames(sine(1_000.0, 48_000, 0.02), 48_000))
    assert len(heard) >= 20 * 320
    assert resampler.frames(bytes(320), 8_000) == [bytes(320)]
    after = [frame for _ in range(20) for frame in resampler.frames(quiet, 16_000)]
    assert after
    assert np.max(np.abs(np.frombuffer(b"".join(after), dtype="<i2"))) <= 2  # dither


@given(st.lists(st.integers(min_value=1, max_value=400), min_size=1, max_size=40))
def test_messages_of_any_size_become_the_same_frames(samples: list[int]) -> None:
    """10, 30 or 60 ms a message: the stream is the same."""
    inbound = InboundAudio()
    audio = bytes(index % 256 for index in range(2 * sum(samples)))
    frames, start = [], 0
    for count in samples:
        frames += inbound.frames(audio[start : start + 2 * count], 8_000)
        start += 2 * count
    whole = len(audio) - len(audio) % 320
    assert b"".join(frames) == audio[:whole]
    assert all(len(frame) == 320 for frame in frames)
