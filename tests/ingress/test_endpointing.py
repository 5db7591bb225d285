"""When an utterance begins and ends, without a model and without waiting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingress.endpointing import Endpointer, Judgement, SpeechDropped, SpeechEnded, SpeechStarted
from ingress.pacing import FRAME_S
from ingress.settings import EndpointingSettings
from ingress.utterance import EndReason

SETTINGS = EndpointingSettings()


def judge(pattern: str, endpointer: Endpointer | None = None) -> list[tuple[int, Judgement]]:
    """Feed one frame per sign: `s` speech, `.` silence, `_` no frame at all; return what was judged."""
    endpointer = endpointer or Endpointer(SETTINGS)
    judgements = []
    for index, sign in enumerate(pattern):
        now = index * FRAME_S
        judgement = endpointer.pause(now) if sign == "_" else endpointer.frame(sign == "s", now)
        if judgement is not None:
            judgements.append((index, judgement))
    return judgements


def kinds(pattern: str) -> list[type]:
    """Return the types of what was judged."""
    return [type(judgement) for _, judgement in judge(pattern)]


def test_speech_starts_after_the_onset_and_ends_after_the_silence() -> None:
    """100 ms to start; 500 ms after the last speech frame to end."""
    (start, started), (end, ended) = judge("...." + "s" * 20 + "." * 40)
    assert (start, type(started)) == (8, SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    assert end == 23 + 25
    assert ended.last_speech_s == 23 * FRAME_S
    assert ended.reason is EndReason.SILENCE


def test_a_click_does_not_start_an_utterance() -> None:
    """Isolated speech frames are noise."""
    assert kinds("..s....s....ss....s" * 3) == []


def test_a_cough_is_dropped() -> None:
    """Less speech than the minimum is not an utterance."""
    assert kinds("sssss" + "." * 40) == [SpeechStarted, SpeechDropped]


def test_a_breath_does_not_end_an_utterance() -> None:
    """A pause shorter than the end silence belongs to the utterance."""
    assert kinds("s" * 20 + "." * 20 + "s" * 20 + "." * 30) == [SpeechStarted, SpeechEnded]


def test_no_frames_at_all_count_as_silence() -> None:
    """With silence suppression the caller's silence is the absence of frames."""
    (_, _), (end, ended) = judge("s" * 20 + "_" * 40)
    assert isinstance(ended, SpeechEnded)
    assert end == 19 + 25


def test_an_endless_utterance_is_cut() -> None:
    """Nobody speaks longer than the transcriber can hear."""
    (_, _), (end, ended), *_ = judge("s" * 1_500)
    assert isinstance(ended, SpeechEnded)
    assert ended.reason is EndReason.MAXIMUM
    assert abs(end * FRAME_S - SETTINGS.maximum_utterance_s) < 0.2


def test_a_digit_ends_an_utterance() -> None:
    """A key press is an answer: what was being said is over."""
    endpointer = Endpointer(SETTINGS)
    judge("s" * 20, endpointer)
    ended = endpointer.end(EndReason.DIGIT, now=0.4)
    assert isinstance(ended, SpeechEnded)
    assert ended.reason is EndReason.DIGIT
    assert endpointer.end(EndReason.DIGIT, now=0.5) is None


@given(st.text(alphabet="s._", max_size=400))
def test_starts_and_ends_alternate_and_carry_enough_speech(pattern: str) -> None:
    """Whatever the detector says: start, end, start, end; and no end without the minimum of speech."""
    judgements = judge(pattern)
    for position, (index, judgement) in enumerate(judgements):
        assert isinstance(judgement, SpeechStarted) == (position % 2 == 0)
        if isinstance(judgement, SpeechEnded):
            heard = pattern[: index + 1].count("s") * FRAME_S * 1000
            assert heard >= SETTINGS.minimum_speech_ms
            assert judgement.last_speech_s <= judgement.decided_s
