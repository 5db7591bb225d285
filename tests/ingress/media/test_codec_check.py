"""Telling linear audio from µ-law in disguise."""

from __future__ import annotations

import pytest

from ingress.media.codec_check import CodecCheck


def verdict(size_bytes: int, interval_s: float, messages: int = 200, rate_hz: int = 8_000) -> int | None:
    """Feed messages at a steady pace; return at which one the disguise was noticed."""
    check = CodecCheck()
    for index in range(messages):
        is_disguised = check.is_disguised(size_bytes, rate_hz, index * interval_s)
        if is_disguised is not None:
            return index if is_disguised else None
    return None


def test_160_bytes_every_20_ms_are_noticed_after_a_second() -> None:
    """Half the bytes that linear audio would have."""
    assert verdict(160, 0.020) == pytest.approx(50, abs=2)


def test_messages_read_two_at_a_time_are_judged_by_their_pace() -> None:
    """Single intervals of 0 and 40 ms say nothing; the pace does."""
    disguised, linear = CodecCheck(), CodecCheck()
    noticed = [disguised.is_disguised(160, 8_000, index // 2 * 0.04) for index in range(60)]
    assert any(noticed)
    assert not any(linear.is_disguised(160, 8_000, index // 4 * 0.04) for index in range(400))


@pytest.mark.parametrize(
    ("size_bytes", "interval_s"), [(320, 0.020), (160, 0.010), (480, 0.030), (960, 0.060), (640, 0.040)]
)
def test_linear_audio_of_any_ptime_passes(size_bytes: int, interval_s: float) -> None:
    """10 to 60 ms a message."""
    assert verdict(size_bytes, interval_s) is None


def test_wider_rates_are_never_disguised() -> None:
    """Their kinds are honest: only the channel driver sends them."""
    assert verdict(160, 0.020, rate_hz=16_000) is None


def test_pauses_of_a_10_ms_phone_do_not_count() -> None:
    """A stream with silence suppression has long intervals; they say nothing about the codec."""
    check = CodecCheck()
    now = 0.0
    for index in range(300):
        now += 0.5 if index % 10 == 0 else 0.010
        assert not check.is_disguised(160, 8_000, now)


def test_jitter_does_not_hide_it() -> None:
    """Every tenth message comes in a pair."""
    check = CodecCheck()
    noticed = False
    for index in range(200):
        now = (index + (0.95 if index % 10 == 0 else 0.0)) * 0.020
        noticed = noticed or check.is_disguised(160, 8_000, now)
    assert noticed
