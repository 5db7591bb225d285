"""What the next turn is told of an answer that was interrupted: no socket, no gateway."""

from __future__ import annotations

import pytest
from one_call import UTTERANCE, Line

from ingress.link.messages import Heard


def interrupted(line: Line, by: str = "speech") -> None:
    """Interrupt an answer, one sentence of which has been heard whole."""
    line.turns.hear(UTTERANCE, line.now)
    line.say(5, "one")
    line.say(50, "two")
    line.answer()
    line.play(0.5)
    line.asked()
    if by == "speech":
        line.turns.caller_speaking(line.now)
        line.turns.hear(UTTERANCE, line.now)
    else:
        line.turns.press("1", line.now)


@pytest.mark.parametrize("by", ["speech", "key"])
def test_the_next_turn_is_told_what_was_heard(by: str) -> None:
    """It alone; the first turns of a call interrupted nothing."""
    line = Line()
    interrupted(line, by)
    assert [request.interrupted for request in line.asked()] == ["one"]
    line.answer(5)
    line.play(0.2)
    line.turns.hear(UTTERANCE, line.now)
    assert [request.interrupted for request in line.asked()] == [None]


def test_another_gateway_is_told_too() -> None:
    """The same request."""
    line = Line()
    interrupted(line)
    line.call.gateway_gone(line.now)
    line.call.gateway_ready(line.now)
    first, second = line.asked()
    assert (first, second.interrupted) == (second, "one")


def test_a_turn_that_is_overtaken_leaves_it_to_the_next() -> None:
    """What its dialog did about the interruption is undone."""
    line = Line()
    interrupted(line)
    line.receive(Heard(call_id="c1", turn=line.turns.turn.number, text="and"))
    line.turns.caller_speaking(line.now)
    line.turns.hear(UTTERANCE, line.now)
    assert [request.interrupted for request in line.asked()] == ["one", "one"]
