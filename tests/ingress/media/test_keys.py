"""Keys that a dialog asks for: the rules, and a call without a socket or gateway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_call import UTTERANCE, Line, extension

from ingress.link.messages import (
    MAXIMUM_KEYS,
    Digits,
    HangUp,
    KeysWanted,
    Message,
    NoInput,
    StateChanged,
    StopSaying,
)
from ingress.media.keys import KeyCollection
from ingress.media.turn import Turn

KEYS = st.sampled_from("0123456789*#")


def wanted(line: Line, count: int | None = 4, terminator: str | None = "#", gap_s: float = 3.0) -> Message:
    """Return what a dialog asks for in the turn under way."""
    keys = {"count": count, "terminator": terminator, "gap_s": gap_s, "leg": "caller"}
    return KeysWanted.model_validate({"call_id": "c1", "turn": line.turns.turn.number, **keys})


def typed(line: Line) -> list[tuple[str, bool]]:
    """Return the keys that the gateway was asked about, and whether they were complete."""
    return [(request.digits, request.is_complete) for request in line.asked() if isinstance(request, Digits)]


def asking(count: int | None = 4, terminator: str | None = "#") -> Line:
    """Return a call whose dialog has asked for keys, and whose question has been played."""
    line = Line(extension(no_input_s=10))
    line.turns.hear(UTTERANCE, line.now)
    line.say(10, "number?")
    line.receive(wanted(line, count, terminator))
    line.answer()
    line.play(0.3)
    line.asked()
    return line


def press(line: Line, keys: str) -> None:
    """Press keys, half a second apart."""
    for key in keys:
        line.turns.press(key, line.now)
        line.play(0.5)


@given(
    keys=st.lists(st.tuples(KEYS, st.floats(0.1, 5.0)), max_size=12),
    count=st.none() | st.integers(1, 6),
    terminator=st.none() | st.just("#"),
)
def test_a_collection_ends_by_its_rules(
    keys: list[tuple[str, float]], count: int | None, terminator: str | None
) -> None:
    """As a loop over the keys says it that knows nothing of a clock."""
    collection = KeyCollection(count, terminator, gap_s=3.0)
    now, kept = 0.0, ""
    for key, gap_s in keys:
        now += gap_s
        if kept and gap_s >= 3.0:
            break
        is_over = collection.press(key, now)
        is_end = key == terminator
        kept += "" if is_end else key
        assert is_over == (is_end or len(kept) == count)
        if is_over:
            assert collection.is_complete
            break
    else:
        assert collection.is_complete == (count is None and terminator is None)
    assert collection.digits == kept


def test_keys_are_in_no_text_that_describes_an_object() -> None:
    """So they are in no log and no error."""
    collection = KeyCollection(None, "#", 3.0, digits="4711")
    turn = Turn("digit", 0.0, digits="4711")
    request = Digits(call_id="c1", turn=1, history=(), digits="4711")
    assert "4711" not in f"{collection!r} {turn!r} {request!r} {request}"


def test_keys_that_are_read_back_are_kept_as_stars() -> None:
    """In the record, also of the question whether the caller is still there."""
    for kind, kept in (("digit", "** and *?"), ("silence", "** and *?"), ("utterance", "47 and 1?")):
        turn = Turn(kind, 0.0, answered="47 and 1?")  # type: ignore[arg-type]
        assert turn.record(keeps_text=True).answered == kept


def test_a_collection_is_bounded() -> None:
    """A peer that presses without end fills no memory, and a key beyond it is of the next turn."""
    collection = KeyCollection(None, "#", 3.0)
    ends = [collection.press("1", 0.0) for _ in range(MAXIMUM_KEYS)]
    assert ends == [False] * (MAXIMUM_KEYS - 1) + [True]


@pytest.mark.parametrize(
    ("keys", "digits"),
    [("1234", ("1234", True)), ("12#", ("12", True)), ("#", ("", True)), ("12", ("12", False))],
)
def test_keys_come_together(keys: str, digits: tuple[str, bool]) -> None:
    """When they are as many as asked for, at the terminator, or 3 s after the last of them."""
    line = asking()
    press(line, keys[:-1])
    assert line.asked() == []
    line.turns.press(keys[-1], line.now)
    if not digits[1]:
        line.play(2.9)
        assert line.asked() == []
        line.play(0.2)
    assert typed(line) == [digits]


def test_the_first_key_stops_the_question_and_none_is_lost() -> None:
    """Pressed while it plays, and while its dialog has not asked for keys yet."""
    line = Line()
    line.turns.hear(UTTERANCE, line.now)
    line.asked()
    line.say(50, "number?", is_last=False)
    line.play(0.2)
    line.turns.press("1", line.now)
    assert line.sent(StopSaying) == [StopSaying(call_id="c1", turn=2)]
    assert not any(line.play(0.1)[80:])
    line.turns.press("2", line.now)
    line.say(50, "number?")  # crossed the message
    line.receive(wanted(line))
    line.receive(StateChanged(call_id="c1", turn=2, state={"asked": True}))
    line.receive(HangUp(call_id="c1", turn=2))  # not in an answer that was cut
    line.answer()
    assert not any(line.play(0.1))
    press(line, "34")
    (request,) = [message for message in line.asked() if isinstance(message, Digits)]
    assert (request.digits, request.is_complete, request.interrupted) == ("1234", True, "")
    assert request.state == {"asked": True}
    assert line.call.turn_records[-1].was_interrupted


def test_keys_beyond_those_asked_for_are_the_next_turn() -> None:
    """A caller who knows the menu types ahead."""
    line = asking(count=2)
    press(line, "125")
    assert typed(line) == [("12", True)]
    line.receive(wanted(line, count=2))
    line.answer()
    press(line, "6")
    assert typed(line) == [("56", True)]


def test_speech_before_the_first_key_is_the_answer() -> None:
    """Then keys are single again."""
    line = asking()
    line.turns.caller_speaking(line.now)
    line.turns.hear(UTTERANCE, line.now)
    line.asked()
    line.answer()
    line.turns.press("7", line.now)
    assert typed(line) == [("7", True)]


def test_speech_after_the_first_key_is_not_listened_to() -> None:
    """A voice behind the caller does not tear a number apart."""
    line = asking()
    press(line, "12")
    line.turns.caller_speaking(line.now)
    line.turns.caller_paused(UTTERANCE)
    line.turns.hear(UTTERANCE, line.now)
    press(line, "34")
    assert typed(line) == [("1234", True)]


@pytest.mark.parametrize("needs_speech", [True, False])
def test_before_the_first_key_silence_counts(needs_speech: bool) -> None:
    """Also where the dialog does not listen; and the keys that come after it belong together."""
    line = Line(extension(needs_speech=needs_speech, no_input_s=10))
    line.turns.press("1", line.now)
    line.receive(wanted(line))
    line.answer()
    line.play(10.1)
    assert isinstance(line.asked()[-1], NoInput)
    line.answer()
    press(line, "12")
    line.play(1.0)
    press(line, "34")
    assert typed(line) == [("1234", True)]


def test_another_gateway_gets_the_keys() -> None:
    """They are kept with the call."""
    line = asking()
    press(line, "12")
    line.call.gateway_gone(line.now)
    press(line, "34")
    assert typed(line) == []
    line.call.gateway_ready(line.now)
    assert typed(line) == [("1234", True)]


def test_a_dialog_that_asks_without_end_fills_no_memory() -> None:
    """Each key is a turn of its own, and none can be asked for: the newest become one."""
    line = Line()
    line.turns.hear(UTTERANCE, line.now)
    for key in "123456789":
        line.receive(wanted(line, count=1))
        line.turns.press(key, line.now)
    line.asked()
    line.answer()
    keys = []
    while asked := typed(line):
        keys += asked
        line.answer()
    assert "".join(digits for digits, _ in keys) == "123456789"
    assert len(keys) <= 5
