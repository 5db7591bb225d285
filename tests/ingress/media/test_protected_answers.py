"""What speech may not stop (`Say(may_interrupt=False)`): no socket, no gateway."""

from __future__ import annotations

import pytest
from one_call import UTTERANCE, Line, extension

from ingress.link.messages import CancelTurn, Digits, TurnDone, Utterance
from ingress.link.records import StageTimes


def speak(line: Line) -> None:
    """Say something that takes 0.4 s."""
    line.turns.caller_speaking(line.now)
    line.play(0.4)
    line.turns.hear(UTTERANCE, line.now)


def notice_of_a_second(line: Line) -> None:
    """Let the answer begin with 1 s that may not be stopped, 0.1 s of which has been heard."""
    line.turns.hear(UTTERANCE, line.now)
    line.asked()
    line.say(50, "notice", may_interrupt=False)
    line.play(0.1)


def test_speech_does_not_stop_it_and_is_answered_next() -> None:
    """To its last frame."""
    line = Line()
    notice_of_a_second(line)
    line.answer()
    speak(line)
    assert line.play(0.48) == b"\2\0" * 160 * 24
    assert line.asked() == []
    assert line.play(0.04)[:640] == b"\2\0" * 160 + bytes(320)
    assert [type(request) for request in line.asked()] == [Utterance]
    assert [record.was_interrupted for record in line.call.turn_records] == [False, False]
    assert [entry.text for entry in line.call.history] == ["notice"]


@pytest.mark.parametrize("comes_late", [False, True])
@pytest.mark.parametrize("has_finished", [False, True])
def test_what_comes_after_it_is_stopped(comes_late: bool, has_finished: bool) -> None:
    """By speech over the protected part, over or not; the words are the next turn."""
    line = Line()
    notice_of_a_second(line)
    if not comes_late:
        line.say(100, "menu")
    line.turns.caller_speaking(line.now)
    if has_finished:
        line.turns.hear(UTTERANCE, line.now)
    heard = line.play(1.5)
    if comes_late:
        line.say(100, "menu")
        heard += line.play(0.1)
    frames = len(heard.replace(b"\0", b"")) / 160
    assert frames == pytest.approx(45, abs=1.5)  # a frame and its fade more at most
    assert CancelTurn(call_id="c1", turn=2) in line.call.outbox
    assert len(line.sent(Utterance)) == has_finished
    assert [entry.text for entry in line.call.history] == ["notice"]
    assert line.call.turn_records[-1].was_interrupted


def test_a_second_protected_sentence_that_comes_late_is_played_too() -> None:
    """Between two sentences nothing plays, and nothing says that the next may be stopped."""
    line = Line()
    notice_of_a_second(line)
    line.turns.caller_speaking(line.now)
    line.play(1.5)
    line.say(10, "and more", may_interrupt=False)
    assert line.play(0.2) == b"\2\0" * 160 * 10
    line.receive(TurnDone(call_id="c1", turn=2, stages=StageTimes()))
    assert [entry.text for entry in line.call.history] == ["notice", "and more"]


def test_a_key_stops_it() -> None:
    """At the next frame."""
    line = Line()
    notice_of_a_second(line)
    line.answer()
    line.turns.press("1", line.now)
    assert not any(line.play(0.1)[80:])
    assert [type(request) for request in line.asked()] == [Digits]


def test_without_barge_in_speech_stops_nothing_after_it_either() -> None:
    """As the extension wants it."""
    line = Line(extension(barge_in={"enabled": False}))
    notice_of_a_second(line)
    line.say(50, "menu")
    line.turns.caller_speaking(line.now)
    assert line.play(1.0) == b"\2\0" * 160 * 50
