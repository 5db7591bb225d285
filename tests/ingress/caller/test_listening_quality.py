"""Sums on numbers: when frames came, and what a phone would have heard."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_S
from ingress.caller.listening_quality import (
    SILENCE_DBFS,
    ListeningQuality,
    ReceivedFrame,
    SpeechSpan,
    has_sound,
    jitter_ms,
    lateness_ms,
    listening_quality,
    loudness_dbfs,
    phone_holes_ms,
    speech_spans,
)
from ingress.media.tones import silence, tone


def stream(
    late_by_ms: list[float], frame_s: float = FRAME_S, every_s: float | None = None, start_s: float = 100.0
) -> list[ReceivedFrame]:
    """Frames sent every `every_s` (their own duration, usually), each late by so much."""
    step_s = frame_s if every_s is None else every_s
    return [
        ReceivedFrame(start_s + number * step_s + late / 1000, frame_s)
        for number, late in enumerate(late_by_ms)
    ]


delays = st.lists(st.floats(0, 500), min_size=1, max_size=60)


# ---- lateness, gaps, jitter, drift ---------------------------------------------------------------------


def test_a_steady_stream_has_no_faults() -> None:
    """Ten minutes of 20 ms frames on time."""
    quality = listening_quality(stream([0.0] * 30_000))
    expected = ListeningQuality(frames=30_000, audio_s=600, longest_gap_ms=20)
    assert astuple(quality) == pytest.approx(astuple(expected), abs=0.01)
    assert (quality.long_gaps, quality.underruns, quality.concealed_ratio) == (0, 0, 0.0)


def test_no_frame_and_one_frame() -> None:
    """All zero; a single frame is its own best frame."""
    assert listening_quality([]) == ListeningQuality()
    assert lateness_ms([]) == []
    assert phone_holes_ms([]) == []
    assert listening_quality(stream([0.0])) == ListeningQuality(frames=1, audio_s=FRAME_S)


@given(late_by_ms=delays, start_s=st.floats(0, 1e5), frame_s=st.sampled_from([0.01, 0.02, 0.03, 0.06]))
def test_lateness_is_the_delay_less_the_least_delay(
    late_by_ms: list[float], start_s: float, frame_s: float
) -> None:
    """Whenever the stream began and however long its frames are."""
    expected = [late - min(late_by_ms) for late in late_by_ms]
    assert lateness_ms(stream(late_by_ms, frame_s, start_s=start_s)) == pytest.approx(expected, abs=1e-3)


def test_gaps() -> None:
    """A gap runs from arrival to arrival; 100 ms and more is long."""
    frames = [ReceivedFrame(arrived, FRAME_S) for arrived in (0.0, 0.0999, 0.2, 0.3002, 0.3002)]
    quality = listening_quality(frames)
    assert quality.longest_gap_ms == pytest.approx(100.2)
    assert quality.long_gaps == 2
    assert listening_quality([ReceivedFrame(arrived, FRAME_S) for arrived in (0.0, 0.1)]).long_gaps == 1


def test_jitter_is_rfc_3550s() -> None:
    """J moves a sixteenth of the way to each difference: 16 ms late, then 16 ms early again."""
    assert jitter_ms(stream([0, 16])) == pytest.approx(1.0)
    assert jitter_ms(stream([0, 16, 0])) == pytest.approx(1.0 + 15 / 16)


def test_drift_is_negative_for_a_slow_sender() -> None:
    """21 ms between 20 ms frames: a millisecond lost per frame."""
    assert listening_quality(stream([0.0] * 101, every_s=0.021)).drift_ms == pytest.approx(-100)
    assert listening_quality(stream([0.0] * 101, every_s=0.019)).drift_ms == pytest.approx(100)


# ---- the phone -----------------------------------------------------------------------------------------


def test_twenty_every_thirty_starves_a_third() -> None:
    """20 ms of audio every 30 ms: 33 % of what is heard is concealment; of 30 ms frames none."""
    assert listening_quality(stream([0.0] * 1_000, frame_s=0.030)).underruns == 0
    quality = listening_quality(stream([0.0] * 3_000, every_s=0.030))
    assert quality.concealed_ratio == pytest.approx(1 / 3, abs=0.002)
    assert quality.underruns > 2_900
    assert quality.drift_ms == pytest.approx(-29_990)


@given(late_by_ms=delays, buffer_ms=st.floats(0, 200))
def test_all_holes_together_are_the_worst_delay_beyond_the_buffer(
    late_by_ms: list[float], buffer_ms: float
) -> None:
    """A phone that discards nothing conceals what its worst frame was too late, and no more."""
    frames = stream(late_by_ms)
    holes_ms = phone_holes_ms(frames, buffer_ms)
    worst_ms = max(late - late_by_ms[0] for late in late_by_ms)
    assert math.fsum(holes_ms) == pytest.approx(max(0.0, worst_ms - buffer_ms), abs=0.1)
    assert all(hole >= 0 for hole in holes_ms)
    quality = listening_quality(frames, buffer_ms)
    assert 0 <= quality.concealed_ratio < 1
    assert (quality.underruns == 0) == (quality.concealed_ratio == 0)


# ---- sound ---------------------------------------------------------------------------------------------


def test_loudness() -> None:
    """A full-scale square is at 0 dBFS, a sine 3 dB below its peak, half of it 6 dB less."""
    square = np.tile(np.array([32767, -32767], "<i2"), 800).tobytes()
    assert loudness_dbfs(square) == pytest.approx(0, abs=0.01)
    assert loudness_dbfs(tone(1_000, 1.0, level=1.0)) == pytest.approx(-3.01, abs=0.1)
    assert loudness_dbfs(tone(1_000, 1.0, level=0.5)) == pytest.approx(-9.03, abs=0.1)


@pytest.mark.parametrize("nothing", [b"", b"\x01", silence(0.1), b"\x10\x27" * 160], ids=len)
def test_silence_has_a_finite_loudness(nothing: bytes) -> None:
    """No audio, zeros and a constant offset are all the same silence."""
    assert loudness_dbfs(nothing) == SILENCE_DBFS
    assert not has_sound(nothing)
    assert speech_spans(nothing) == ()


def test_a_quiet_line_is_no_sound() -> None:
    """Noise at -60 dBFS is below the gate, quiet speech at -40 dBFS above it."""
    noise = np.random.default_rng(1).normal(0, 1, 8_000)
    for level_dbfs, is_sound in ((-60, False), (-40, True)):
        audio = (noise * 32768 * 10 ** (level_dbfs / 20)).astype("<i2").tobytes()
        assert has_sound(audio) is is_sound
        assert bool(speech_spans(audio)) is is_sound


@pytest.mark.parametrize(("pause_s", "spans"), [(0.2, 1), (0.29, 1), (0.3, 2), (0.31, 2)])
def test_a_pause_as_long_as_the_limit_parts_two_words(pause_s: float, spans: int) -> None:
    """The limit itself counts as long, in spite of binary fractions."""
    word = np.tile(np.array([9000, -9000], "<i2"), 400).tobytes()
    assert len(speech_spans(word + silence(pause_s) + word)) == spans


def test_a_span_ends_with_the_audio() -> None:
    """Audio that is no whole number of windows is not longer than it is."""
    audio = tone(500, 0.2)[:3_000]
    assert speech_spans(audio)[-1].end_s == pytest.approx(3_000 / 16_000)


@given(
    spans=st.lists(st.tuples(st.integers(40, 200), st.integers(5, 100)), max_size=5),
    tail_windows=st.integers(0, 100),
)
def test_spans_of_any_pattern_are_found_to_the_window(
    spans: list[tuple[int, int]], tail_windows: int
) -> None:
    """Any silence (≥ 400 ms) and sound, in windows of 10 ms, comes back exactly."""
    sound = np.tile(np.array([9000, -9000], "<i2"), 40).tobytes()
    audio, expected, now = b"", [], 0
    for quiet_windows, loud_windows in spans:
        audio += bytes(160 * quiet_windows) + sound * loud_windows
        now += quiet_windows + loud_windows
        expected.append(SpeechSpan((now - loud_windows) / 100, now / 100))
    assert list(speech_spans(audio + bytes(160 * tail_windows))) == expected
