"""Calls in which nobody speaks, and calls that take too long: no socket, no gateway."""

from __future__ import annotations

import pytest
from one_call import PHRASES, UTTERANCE, Line, extension

from ingress.configuration.extensions import Phrase
from ingress.link.messages import CancelTurn, Digits, HangUp, NoInput
from ingress.link.records import CallResult
from ingress.media.endings import Ending
from ingress.media.tones import failure_tone, prompt_tone


def test_the_dialog_is_told_of_a_silence_and_a_phrase_asks_if_it_says_nothing() -> None:
    """From the end of what plays, the phrase too; the last silence in a row ends the call with its phrase."""
    line = Line(extension(no_input_s=10, no_input_times=3))
    line.turns.hear(UTTERANCE, line.now)
    line.answer(frames=50)
    line.asked()
    line.play(10.9)
    assert line.asked() == []  # the answer took a second of it
    line.play(0.2)
    assert [request.times for request in line.asked() if isinstance(request, NoInput)] == [1]
    line.answer()
    assert line.play(0.1) == PHRASES[Phrase.STILL_THERE]
    line.play(10.1)
    assert [request.times for request in line.asked() if isinstance(request, NoInput)] == [2]
    line.answer(frames=5)
    assert line.play(0.1) == b"\2\0" * 800  # the dialog says something itself
    line.play(9.9)
    assert PHRASES[Phrase.NO_INPUT] in line.play(0.3)
    assert line.asked() == []
    line.play(0.2)
    assert line.turns.is_at_end(line.now)
    limit = line.turns.limit_reached
    assert limit is not None
    assert (limit.ending, limit.ending.result) == (Ending.NO_INPUT, CallResult.NO_INPUT)
    assert [record.kind for record in line.call.turn_records] == [
        "greeting",
        "utterance",
        "silence",
        "silence",
    ]


@pytest.mark.parametrize("what", ["speech", "key", "gateway away", "no speech", "never"])
def test_what_stops_the_count(what: str) -> None:
    """Speech and keys begin it anew; nobody is asked while nothing could answer, or where nobody listens."""
    limits = {"no_input_s": 0 if what == "never" else 10}
    line = Line(extension(needs_speech=what != "no speech", **limits))
    line.play(9.0)
    if what == "speech":
        line.turns.caller_speaking(line.now)
        line.play(9.0)
        line.turns.hear(UTTERANCE, line.now)
        line.answer(frames=5)
    elif what == "key":
        line.turns.press("1", line.now)
        line.answer(frames=5)
    elif what == "gateway away":
        line.call.gateway_gone(line.now)
    line.asked()
    line.play(9.0)
    assert line.asked() == []
    if what == "gateway away":
        line.call.gateway_ready(line.now)
        line.play(9.9)
        assert line.asked() == []
    line.play(5.0)
    asked = line.asked()
    assert [type(request) for request in asked] == ([] if what in ("never", "no speech") else [NoInput])


@pytest.mark.parametrize("by", ["speech", "key"])
def test_whoever_speaks_before_the_question_is_heard_is_answered_instead(by: str) -> None:
    """The question whether anybody is there is given up; so is a hangup in it."""
    line = Line(extension(no_input_s=10))
    line.play(10.1)
    (asked,) = line.asked()
    if by == "speech":
        line.turns.caller_speaking(line.now)
    else:
        line.turns.press("5", line.now)
    assert CancelTurn(call_id="c1", turn=asked.turn) in line.call.outbox
    if by == "speech":
        line.turns.hear(UTTERANCE, line.now)
    else:
        assert [request.digits for request in line.asked() if isinstance(request, Digits)] == ["5"]
    line.receive(HangUp(call_id="c1", turn=asked.turn))
    assert line.call.hang_up is None
    assert [record.was_overtaken for record in line.call.turn_records] == [False, True]


def test_a_dialog_that_hangs_up_at_a_silence_asks_nothing() -> None:
    """The call ends as the dialog wants it."""
    line = Line(extension(no_input_s=10))
    line.play(10.1)
    line.answer(hangs_up=True)
    assert not any(line.play(0.3))
    assert line.turns.is_at_end(line.now)
    assert line.turns.limit_reached is None


@pytest.mark.parametrize("under_way", ["nothing", "thinking", "an answer without an end", "goodbye"])
def test_a_call_that_takes_too_long_ends_after_what_plays(under_way: str) -> None:
    """With its phrase; a turn of which nothing plays is given up; the dialog's own goodbye comes first."""
    line = Line(extension(no_input_s=0, longest_s=60))
    line.play(59.0)
    if under_way != "nothing":
        line.turns.hear(UTTERANCE, line.now)
    if under_way == "an answer without an end":
        for _ in range(8):  # a second each
            line.answer(frames=25, is_done=False)
            line.answer(frames=25, is_done=False)
    if under_way == "goodbye":
        line.answer(frames=100, hangs_up=True)
    line.call.outbox.clear()
    heard = line.play(12.0)
    assert (PHRASES[Phrase.TOO_LONG] in heard) == (under_way != "goodbye")
    assert line.turns.is_at_end(line.now)
    limit = line.turns.limit_reached
    assert (limit and limit.ending) == (None if under_way == "goodbye" else Ending.TOO_LONG)
    cancels = [message for message in line.call.outbox if isinstance(message, CancelTurn)]
    assert len(cancels) == (under_way in ("thinking", "an answer without an end"))
    if under_way == "an answer without an end":
        assert heard.count(b"\2\0") == 8 * 8_000
    line.turns.hear(UTTERANCE, line.now)  # too late
    assert line.asked() == []


def test_speech_over_the_last_answer_leads_to_the_phrase() -> None:
    """It cannot be answered any more."""
    line = Line(extension(no_input_s=0, longest_s=60))
    line.play(59.0)
    line.turns.hear(UTTERANCE, line.now)
    line.answer(frames=500)
    line.play(1.5)
    line.turns.caller_speaking(line.now)
    assert PHRASES[Phrase.TOO_LONG] in line.play(0.2)
    line.turns.caller_speaking(line.now)
    line.play(0.3)
    assert line.turns.is_at_end(line.now)


def test_a_call_without_audio_ends() -> None:
    """Any frame or key begins the time anew; it holds without speech, and while an answer plays, too."""
    line = Line(extension(needs_speech=False, no_audio_s=30))
    line.play(29.0)
    line.turns.limits.came_s = line.now
    line.play(29.0)
    line.turns.press("1", line.now)
    line.answer()
    line.play(29.9)
    assert line.turns.limit_reached is None
    assert PHRASES[Phrase.NO_AUDIO] in line.play(0.3)
    limit = line.turns.limit_reached
    assert limit is not None
    assert limit.ending is Ending.NO_AUDIO
    assert limit.detail == "no audio came for 30 s (call_limits.no_audio_s)"


def test_without_phrases_tones_ask_and_say_goodbye() -> None:
    """As for all other phrases."""
    line = Line(extension(no_input_s=1, no_input_times=2), phrases=lambda phrase: None)
    line.play(1.1)
    line.answer()
    assert prompt_tone() in line.play(1.0)
    assert failure_tone() in line.play(2.0)


def test_each_limit_has_a_result_of_its_own() -> None:
    """By which the dialplan goes on."""
    own = {CallResult.NO_INPUT, CallResult.TOO_LONG, CallResult.NO_AUDIO}
    for ending in Ending:
        assert (ending.result in own) == (ending.name.lower() in {result.value for result in own})
