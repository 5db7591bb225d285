"""The ear: frames in, utterances out; and the inbound side's rates and sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speech_like import speech_like

from ingress.hearing import Hearing
from ingress.inbound import InboundAudio
from ingress.pacing import FRAME_S
from ingress.playout import FRAME_BYTES, SILENCE_FRAME
from ingress.settings import EndpointingSettings
from ingress.tones import tone
from ingress.utterance import EndReason, HeardUtterance

SETTINGS = EndpointingSettings()


def hear(audio: bytes, hearing: Hearing, start_s: float = 0.0) -> list[HeardUtterance]:
    """Feed audio as frames, one every 20 ms; return the utterances."""
    utterances = []
    for index in range(0, len(audio) - FRAME_BYTES + 1, FRAME_BYTES):
        utterance = hearing.frame(audio[index : index + FRAME_BYTES], start_s + index / FRAME_BYTES * FRAME_S)
        if utterance is not None:
            utterances.append(utterance)
    return utterances


def test_an_utterance_keeps_what_came_before_its_onset() -> None:
    """Look-back: the audio begins before the speech was noticed, and ends soon after the last word."""
    silence = bytes(16_000)
    speech = speech_like(1.0)
    (utterance,) = hear(silence + speech + bytes(16_000), Hearing(SETTINGS))
    assert speech in utterance.audio
    lead = utterance.audio.index(speech)
    assert 0.2 <= lead / 16_000 <= 0.5
    assert len(utterance.audio) - lead - len(speech) <= 16_000 * 0.4
    assert utterance.reason is EndReason.SILENCE
    assert utterance.duration_ms == pytest.approx(len(utterance.audio) / 16)


def test_two_utterances_do_not_run_together() -> None:
    """Each has its own audio."""
    one, two = speech_like(0.8), speech_like(1.2)
    utterances = hear(one + bytes(16_000) + two + bytes(16_000), Hearing(SETTINGS))
    assert len(utterances) == 2
    assert one in utterances[0].audio
    assert two in utterances[1].audio


def test_a_stream_that_stops_ends_the_utterance() -> None:
    """With silence suppression no frame comes at all: the clock ends the utterance."""
    hearing = Hearing(SETTINGS)
    assert hear(speech_like(1.0), hearing) == []
    now, utterance = 1.0, None
    while utterance is None and now < 3.0:
        now += FRAME_S
        utterance = hearing.pause(now)
    assert utterance is not None
    assert 1.4 < now < 1.6
    assert not hearing.is_in_speech


def test_a_short_gap_inside_an_utterance_becomes_silence() -> None:
    """Missing frames keep their length, so that words do not run together."""
    hearing = Hearing(SETTINGS)
    hear(speech_like(1.0), hearing)
    for tick in range(1, 15):
        assert hearing.pause(1.0 + tick * FRAME_S) is None
    (utterance,) = hear(speech_like(1.0) + bytes(16_000), hearing, start_s=1.3)
    assert utterance.duration_ms > 2_200


def test_noise_is_counted_and_dropped() -> None:
    """A burst shorter than the minimum of speech is no utterance."""
    hearing = Hearing(EndpointingSettings(minimum_speech_ms=600))
    assert hear(speech_like(0.2) + bytes(16_000), hearing) == []
    assert hearing.dropped_noises == 1


def test_a_digit_ends_the_utterance() -> None:
    """What was said before the key is an utterance of its own."""
    hearing = Hearing(SETTINGS)
    hear(speech_like(1.0), hearing)
    utterance = hearing.digit(1.0)
    assert utterance is not None
    assert utterance.reason is EndReason.DIGIT


@given(st.lists(st.integers(min_value=1, max_value=400), min_size=1, max_size=40))
def test_messages_of_any_size_become_the_same_frames(samples: list[int]) -> None:
    """10, 30 or 60 ms a message: the stream is the same."""
    inbound = InboundAudio()
    audio = bytes(index % 256 for index in range(2 * sum(samples)))
    frames, start = [], 0
    for count in samples:
        frames += inbound.frames(audio[start : start + 2 * count], 8_000)
        start += 2 * count
    whole = len(audio) - len(audio) % FRAME_BYTES
    assert b"".join(frames) == audio[:whole]
    assert all(len(frame) == FRAME_BYTES for frame in frames)


@pytest.mark.parametrize("rate_hz", [12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_becomes_8_khz(rate_hz: int) -> None:
    """A tone keeps its pitch and its length."""
    inbound = InboundAudio()
    wave = np.sin(2 * np.pi * 1_000 * np.arange(rate_hz) / rate_hz) * 8_000
    audio = wave.astype("<i2").tobytes()
    step = rate_hz // 50 * 2
    frames = [
        frame
        for start in range(0, len(audio), step)
        for frame in inbound.frames(audio[start : start + step], rate_hz)
    ]
    samples = np.frombuffer(b"".join(frames), dtype="<i2").astype(float)
    assert 0.9 < len(samples) / 8_000 <= 1.0
    spectrum = np.abs(np.fft.rfft(samples[1_000:5_000]))
    assert abs(int(np.argmax(spectrum)) * 2 - 1_000) <= 4


def test_the_rate_may_change_within_a_call() -> None:
    """A transfer to another phone: the new rate is followed."""
    inbound = InboundAudio()
    assert inbound.frames(SILENCE_FRAME, 8_000) == [SILENCE_FRAME]
    for _ in range(20):
        inbound.frames(bytes(640), 16_000)
    assert inbound.frames(SILENCE_FRAME, 8_000) == [SILENCE_FRAME]


def test_a_tone_is_not_an_error() -> None:
    """Any audio at all may be fed."""
    hear(tone(440.0, 2.0), Hearing(SETTINGS))


def test_the_end_of_speech_is_where_the_sound_ends() -> None:
    """The detector's own hangover is not waited for: silence counts from the last sound."""
    speech = speech_like(1.0)
    (utterance,) = hear(speech + bytes(16_000), Hearing(SETTINGS))
    assert utterance.last_speech_s == pytest.approx(1.0, abs=0.05)
    assert utterance.decided_s == pytest.approx(1.5, abs=0.05)


def test_a_soft_ending_is_not_cut() -> None:
    """Words that end 12 dB softer than they began still count."""
    loud, soft = speech_like(0.6), np.frombuffer(speech_like(0.6), dtype="<i2") // 4
    (utterance,) = hear(loud + soft.astype("<i2").tobytes() + bytes(16_000), Hearing(SETTINGS))
    assert utterance.last_speech_s == pytest.approx(1.2, abs=0.05)
