"""When an utterance begins, pauses, goes on and ends, without a model and without waiting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_MS, FRAME_S
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.endpointing import (
    Endpointer,
    Judgement,
    SpeechDropped,
    SpeechEnded,
    SpeechIsSure,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from ingress.media.hearing.events import EndReason

SETTINGS = EndpointingSettings()
SURE_MS = 240

Judged = SpeechStarted | Judgement


def judge(
    pattern: str, settings: EndpointingSettings = SETTINGS, endpointer: Endpointer | None = None
) -> list[tuple[int, Judged]]:
    """Feed one frame per sign, `s` speech or `.` silence; return what was judged, and at which sign."""
    endpointer = endpointer or Endpointer(settings, SURE_MS)
    judged: list[tuple[int, Judged]] = []
    for index, sign in enumerate(pattern):
        now, has_speech = index * FRAME_S, sign == "s"
        if endpointer.is_in_speech:
            judgements = [endpointer.follow(has_speech, now)]
        elif started := endpointer.listen(has_speech, now):
            judged.append((index, started))
            judgements = [endpointer.follow(opinion, now) for opinion in started.recent]
        else:
            judgements = []
        judged += [(index, judgement) for judgement in judgements if judgement is not None]
    return judged


def kinds(pattern: str, settings: EndpointingSettings = SETTINGS) -> list[type]:
    """Return the types of what was judged."""
    return [type(judgement) for _, judgement in judge(pattern, settings)]


def test_speech_starts_is_sure_pauses_and_ends() -> None:
    """100 ms to start, 240 ms to be sure, 240 ms of silence to a pause, 500 ms to the end."""
    judged = judge("...." + "s" * 20 + "." * 40)
    assert [(index, type(judgement)) for index, judgement in judged] == [
        (4 + 4, SpeechStarted),
        (4 + 11, SpeechIsSure),
        (23 + 12, SpeechPaused),
        (23 + 25, SpeechEnded),
    ]
    assert judged[1][1] == SpeechIsSure(since_s=8 * FRAME_S)
    assert judged[2][1] == SpeechPaused(last_speech_s=23 * FRAME_S)
    assert judged[3][1] == SpeechEnded(23 * FRAME_S, EndReason.SILENCE)


def test_a_click_does_not_start_an_utterance() -> None:
    """Isolated speech frames are noise."""
    assert kinds("..s....s....ss....s" * 3) == []


def test_a_cough_is_dropped() -> None:
    """Less speech than the minimum is not an utterance, and never a pause."""
    assert judge("sssss" + "." * 40)[1:] == [(29, SpeechDropped(speech_ms=100))]


def test_corrected_opinions_decide_what_is_dropped() -> None:
    """Both ways; and silence counts from the last frame that is speech after all."""
    opinions = [True] * 5 + [False] * 3
    for corrected, kind in ([5, 6], SpeechEnded), ([0, 1], SpeechDropped):
        endpointer = Endpointer(SETTINGS, SURE_MS)
        for index in range(5):
            endpointer.listen(True, index * FRAME_S)
        for index, opinion in enumerate(opinions):
            endpointer.follow(opinion, index * FRAME_S)
        for index in corrected:
            endpointer.correct(not opinions[index], index * FRAME_S)
        judgements = [(index, endpointer.follow(False, index * FRAME_S)) for index in range(8, 34)]
        index, judgement = next(entry for entry in judgements if entry[1] is not None)
        assert isinstance(judgement, kind)
        assert index == (31 if kind is SpeechEnded else 29)


def test_a_short_answer_is_an_utterance_without_being_sure() -> None:
    """A quick "yes" interrupts nothing, but it is an answer."""
    assert kinds("s" * 9 + "." * 40) == [SpeechStarted, SpeechEnded]


def test_a_breath_is_a_pause_and_no_end() -> None:
    """What comes after a pause shorter than the end silence belongs to the utterance."""
    sure = [SpeechStarted, SpeechIsSure]
    assert kinds("s" * 20 + "." * 20 + "s" * 20 + "." * 30) == [
        *sure,
        SpeechPaused,
        SpeechResumed,
        SpeechPaused,
        SpeechEnded,
    ]
    assert kinds("s" * 20 + "." * 10 + "s" * 20 + "." * 13) == [*sure, SpeechPaused]


def test_pauses_can_be_switched_off() -> None:
    """0 ms, or a pause as long as the end: only the end is told."""
    for pause_ms in (0, 500, 800):
        settings = EndpointingSettings(pause_ms=pause_ms)
        assert kinds("s" * 20 + "." * 30, settings) == [SpeechStarted, SpeechIsSure, SpeechEnded]


def test_an_opinion_that_comes_late_counts_from_its_own_frame() -> None:
    """The frames' times decide, not when their verdicts arrived."""
    endpointer = Endpointer(SETTINGS, SURE_MS)
    judge("s" * 20, endpointer=endpointer)
    assert endpointer.follow(False, at_s=0.38 + 0.48) == SpeechPaused(last_speech_s=0.38)
    assert endpointer.follow(False, at_s=0.38 + 0.50) == SpeechEnded(0.38, EndReason.SILENCE)


def test_an_onset_across_an_interruption_does_not_count() -> None:
    """Speech frames from before a gap in the stream are no part of an onset."""
    endpointer = Endpointer(SETTINGS, SURE_MS)
    assert judge("ssss", endpointer=endpointer) == []
    endpointer.forget()
    assert judge("ssss", endpointer=endpointer) == []


def test_an_endless_utterance_is_cut() -> None:
    """Nobody speaks longer than the transcriber can hear."""
    _, _, (end, ended), *_ = judge("s" * 1_500)
    assert ended == SpeechEnded(end * FRAME_S, EndReason.MAXIMUM)
    assert abs(end * FRAME_S - SETTINGS.maximum_utterance_s) < 0.2


def test_a_digit_ends_an_utterance() -> None:
    """A key press is an answer: what was being said is over."""
    endpointer = Endpointer(SETTINGS, SURE_MS)
    judge("s" * 20, endpointer=endpointer)
    assert endpointer.end(EndReason.DIGIT) == SpeechEnded(0.38, EndReason.DIGIT)
    assert endpointer.end(EndReason.DIGIT) is None


ORDER: dict[type, tuple[type, ...]] = {
    SpeechStarted: (SpeechIsSure, SpeechEnded, SpeechDropped),
    SpeechIsSure: (SpeechPaused, SpeechEnded),
    SpeechPaused: (SpeechResumed, SpeechEnded),
    SpeechResumed: (SpeechPaused, SpeechEnded),
    SpeechEnded: (SpeechStarted,),
    SpeechDropped: (SpeechStarted,),
}


@given(
    st.lists(st.tuples(st.sampled_from("s."), st.integers(1, 60)), max_size=40),
    st.integers(0, 600),
    st.sampled_from([2.0, 28.0]),
)
def test_judgements_come_in_order_and_carry_enough_speech(
    runs: list[tuple[str, int]], pause_ms: int, maximum_s: float
) -> None:
    """Start, sure, pause and resumption in turn, end; no end without a start or the minimum of speech."""
    pattern = "".join(sign * count for sign, count in runs)
    judged = judge(pattern, EndpointingSettings(pause_ms=pause_ms, maximum_utterance_s=maximum_s))
    before: type = SpeechEnded
    first = 0
    for index, judgement in judged:
        assert type(judgement) in ORDER[before]
        before = type(judgement)
        heard_ms = pattern[first : index + 1].count("s") * FRAME_MS
        if isinstance(judgement, SpeechIsSure):
            assert heard_ms >= SURE_MS
        if isinstance(judgement, SpeechEnded):
            assert heard_ms >= SETTINGS.minimum_speech_ms
            assert judgement.last_speech_s <= index * FRAME_S
        if isinstance(judgement, SpeechEnded | SpeechDropped):
            first = index + 1
