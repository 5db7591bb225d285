"""When an utterance begins, pauses, goes on and ends, without a model and without waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_MS, FRAME_S
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.endpointing import Endpointer, Judgement

DROPPED, ENDED, PAUSED, RESUMED, SURE = (
    Judgement.DROPPED, Judgement.ENDED, Judgement.PAUSED, Judgement.RESUMED, Judgement.SURE,
)  # fmt: skip
BEGUN = "begun"
SETTINGS = EndpointingSettings()
SURE_MS = 240

Judged = tuple[int, Judgement | str, float]
"""At which sign, what, and the endpointer's `last_speech_s`."""


def judge(
    pattern: str, settings: EndpointingSettings = SETTINGS, endpointer: Endpointer | None = None
) -> list[Judged]:
    """Feed one frame per sign, `s` speech or `.` silence; return what was judged."""
    endpointer = endpointer or Endpointer(settings, SURE_MS)
    judged: list[Judged] = []
    for index, sign in enumerate(pattern):
        now, has_speech = index * FRAME_S, sign == "s"
        opinions: tuple[bool, ...] = (has_speech,)
        if not endpointer.is_in_speech:
            opinions = endpointer.listen(has_speech, now)
            judged += [(index, BEGUN, now)] if opinions else []
        for opinion in opinions:
            if (judgement := endpointer.follow(opinion, now)) is not None:
                judged.append((index, judgement, endpointer.last_speech_s))
    return judged


def kinds(pattern: str, settings: EndpointingSettings = SETTINGS) -> list[Judgement | str]:
    """Return what was judged, without where and when."""
    return [judgement for _, judgement, _ in judge(pattern, settings)]


def test_speech_begins_is_sure_pauses_and_ends() -> None:
    """100 ms to begin, 240 ms to be sure, 240 ms of silence to a pause, 500 ms to the end."""
    endpointer = Endpointer(SETTINGS, SURE_MS)
    begun_s, last_s = 8 * FRAME_S, 23 * FRAME_S
    assert judge("...." + "s" * 20 + "." * 40, endpointer=endpointer) == [
        (4 + 4, BEGUN, begun_s),
        (4 + 11, SURE, 15 * FRAME_S),
        (23 + 12, PAUSED, last_s),
        (23 + 25, ENDED, last_s),
    ]


def test_a_click_does_not_start_an_utterance() -> None:
    """Isolated speech frames are noise."""
    assert kinds("..s....s....ss....s" * 3) == []


def test_a_cough_is_dropped() -> None:
    """Less speech than the minimum is not an utterance, and never a pause."""
    assert judge("sssss" + "." * 40)[1:] == [(29, DROPPED, 4 * FRAME_S)]


@pytest.mark.parametrize("minimum_ms", [20, 130, 400])
@pytest.mark.parametrize("speech_frames", [6, 7, 19, 20])
def test_what_is_sure_is_an_utterance(minimum_ms: int, speech_frames: int) -> None:
    """Whatever the settings: it stops answers and overtakes turns, and nobody would answer a dropped one."""
    settings = EndpointingSettings(minimum_speech_ms=minimum_ms)
    found = {what for _, what, _ in judge("s" * speech_frames + "." * 40, settings, Endpointer(settings, 60))}
    assert (SURE in found) == (ENDED in found) == (DROPPED not in found)


def test_corrected_opinions_decide_what_is_dropped() -> None:
    """Both ways; and silence counts from the last frame that is speech after all."""
    opinions = [True] * 5 + [False] * 3
    for corrected, expected in ([5, 6], (31, ENDED)), ([0, 1], (29, DROPPED)):
        endpointer = Endpointer(SETTINGS, SURE_MS)
        for index in range(5):
            endpointer.listen(True, index * FRAME_S)
        for index, opinion in enumerate(opinions):
            endpointer.follow(opinion, index * FRAME_S)
        for index in corrected:
            endpointer.correct(not opinions[index], index * FRAME_S)
        judgements = [(index, endpointer.follow(False, index * FRAME_S)) for index in range(8, 34)]
        assert next(entry for entry in judgements if entry[1] is not None) == expected


def test_a_short_answer_is_an_utterance_without_being_sure() -> None:
    """A quick "yes" interrupts nothing, but it is an answer."""
    assert kinds("s" * 9 + "." * 40) == [BEGUN, ENDED]


def test_a_breath_is_a_pause_and_no_end() -> None:
    """What comes after a pause shorter than the end silence belongs to the utterance."""
    pattern = "s" * 20 + "." * 20 + "s" * 20 + "." * 30
    assert kinds(pattern) == [BEGUN, SURE, PAUSED, RESUMED, PAUSED, ENDED]
    assert kinds("s" * 20 + "." * 10 + "s" * 20 + "." * 13) == [BEGUN, SURE, PAUSED]


def test_pauses_can_be_switched_off() -> None:
    """0 ms, or a pause as long as the end: only the end is reported."""
    for pause_ms in (0, 500, 800):
        settings = EndpointingSettings(pause_ms=pause_ms)
        assert kinds("s" * 20 + "." * 30, settings) == [BEGUN, SURE, ENDED]


def test_an_opinion_that_comes_late_counts_from_its_own_frame() -> None:
    """The frames' times decide, not when their verdicts arrived."""
    endpointer = Endpointer(SETTINGS, SURE_MS)
    judge("s" * 20, endpointer=endpointer)
    assert endpointer.follow(False, at_s=0.38 + 0.48) is PAUSED
    assert endpointer.follow(False, at_s=0.38 + 0.50) is ENDED
    assert endpointer.last_speech_s == 0.38


def test_an_endless_utterance_is_cut() -> None:
    """At the longest that the transcriber can hear."""
    endpointer = Endpointer(SETTINGS, SURE_MS)
    (end, judgement, _) = judge("s" * 1_420, endpointer=endpointer)[2]
    assert judgement is ENDED
    assert abs(end * FRAME_S - SETTINGS.maximum_utterance_s) < 0.2


ORDER: dict[Judgement | str, tuple[Judgement | str, ...]] = {
    BEGUN: (SURE, ENDED, DROPPED),
    SURE: (PAUSED, ENDED),
    PAUSED: (RESUMED, ENDED),
    RESUMED: (PAUSED, ENDED),
    ENDED: (BEGUN,),
    DROPPED: (BEGUN,),
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
    before: Judgement | str = ENDED
    first = 0
    for index, judgement, last_speech_s in judged:
        assert judgement in ORDER[before]
        before = judgement
        heard_ms = pattern[first : index + 1].count("s") * FRAME_MS
        if judgement is SURE:
            assert heard_ms >= SURE_MS
        if judgement is ENDED:
            assert heard_ms >= SETTINGS.minimum_speech_ms
            assert last_speech_s <= index * FRAME_S
        if judgement in (ENDED, DROPPED):
            first = index + 1
