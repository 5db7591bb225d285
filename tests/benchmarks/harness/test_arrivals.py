"""Many calls judged at once: as each is by itself, and as a phone would play them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.percentiles import percentile
from benchmarks.harness.arrivals import ARRIVAL, judge
from benchmarks.harness.caller_audio import caller_audio
from benchmarks.harness.speech_quality import opinion_score, played
from ingress.caller.listening_quality import ReceivedFrame, lateness_ms, listening_quality, phone_holes_ms


@given(
    calls=st.lists(
        st.lists(st.tuples(st.integers(0, 250), st.integers(1, 60)), min_size=1, max_size=30),
        min_size=1,
        max_size=4,
    )
)
def test_many_calls_are_judged_as_one_is(calls: list[list[tuple[int, int]]]) -> None:
    """Vectorised and interleaved, every figure is that of `listening_quality` over the single calls."""
    frames = [
        [
            ReceivedFrame(float(at_ms) / 1_000, lasts_ms / 1_000)
            for at_ms, (_, lasts_ms) in zip(np.cumsum([gap for gap, _ in call]), call, strict=True)
        ]
        for call in calls
    ]
    records = [
        (frame.arrived_s, number, round(frame.duration_s * 16_000), 0x10, 0)
        for number, call in enumerate(frames)
        for frame in call
    ]
    run = np.array(records, ARRIVAL)
    judgement = judge(run[np.argsort(run["at_s"], kind="stable")], len(calls), 1.0)
    late = [each for call in frames for each in lateness_ms(call)]
    assert judgement.frames == len(late)
    for percent in (50, 99, 99.9, 100):
        assert judgement.lateness_at_ms(percent) == pytest.approx(percentile(late, percent), abs=1e-6)
    for phone in judgement.phones:
        holes = [hole for call in frames for hole in phone_holes_ms(call, phone.buffer_ms)]
        audio_ms = sum(frame.duration_s for call in frames for frame in call) * 1_000
        assert phone.underruns == sum(hole > 0 for hole in holes)
        assert phone.concealed_ratio == pytest.approx(sum(holes) / (sum(holes) + audio_ms), abs=1e-9)
    assert judgement.long_gaps == sum(listening_quality(call).long_gaps for call in frames)


def test_all_calls_are_one_population() -> None:
    """Percentiles are taken over all frames, never averaged."""
    early = np.array([(number * 0.02, 0, 320, 0x10, 0) for number in range(50)], ARRIVAL)
    late = early.copy()
    late["call"] = 1
    late["at_s"][25:] += 0.05
    judgement = judge(np.concatenate([early, late]), 2, 1.0)
    assert judgement.frames == 100
    assert judgement.lateness_at_ms(75) == pytest.approx(0.0, abs=1e-9)
    assert judgement.lateness_at_ms(76) == pytest.approx(50.0)
    assert [phone.underruns for phone in judgement.phones] == [1, 0, 0]


def test_the_phone_plays_the_prompt_with_its_holes() -> None:
    """Frames on time are the prompt itself; a late one is preceded by as much silence as the buffer lacks."""
    speech = np.arange(1, 1_601, dtype=np.int16)
    lasts_s = np.full(10, 0.02)
    on_time = np.arange(10) * 0.02
    said, heard = played(on_time, lasts_s, speech)
    assert np.array_equal(said, speech)
    assert np.array_equal(heard, speech)
    late = on_time + np.where(np.arange(10) >= 5, 0.1, 0.0)
    said, heard = played(late, lasts_s, speech)
    assert np.array_equal(said, speech)
    assert np.array_equal(heard[:800], speech[:800])
    assert not heard[800:1_120].any()  # 100 ms late, 60 ms in the buffer
    assert np.array_equal(heard[1_120:], speech[800:])


def test_pesq_hears_a_starved_phone() -> None:
    """A perfect path scores the maximum; 20 ms of audio every 30 ms are at the bottom."""
    pytest.importorskip("pesq")
    lasts_s, prompt = np.full(400, 0.02), caller_audio().prompt
    assert opinion_score(np.arange(400) * 0.02, lasts_s, prompt) > 4.5
    assert opinion_score(np.arange(400) * 0.03, lasts_s, prompt) < 1.5
