"""Who said what and when, from what both legs heard and the server's record."""

from __future__ import annotations

from dataclasses import replace

from ingress.caller.caller import CallResult
from ingress.caller.conversation import CallTurn
from ingress.caller.expectations import script_turns
from ingress.caller.script_file import ScriptFile
from ingress.caller.transcript import SpokenLine, transcript
from ingress.link.messages import LegName
from ingress.media.tones import silence, tone
from tests.ingress.caller.test_expectations import record, result, turn

SCRIPT = ScriptFile.model_validate({"caller": [{"say": "Hello."}], "return": {"steps": [{"press": "1"}]}})
GREETED = silence(0.5) + tone(500, 1.0) + silence(1.5) + tone(500, 1.0)
"""A greeting at 0.5 s, an answer at 3 s."""
CALLER = replace(
    result(CallTurn(0, 1.8, 2.4, 3.0, 4.0, b"")), received=GREETED + silence(6.0) + tone(500, 1.0)
)
RETURN = replace(
    result(CallTurn(0, 2.0, 2.0, 2.5, 3.0, b"")),
    received=silence(1.0) + tone(500, 0.5) + silence(1.0) + tone(500, 0.5),
    started_s=5.0,
)
LEGS: dict[LegName, CallResult] = {"caller": CALLER, "return": RETURN}


def test_everything_has_its_time_also_what_no_step_began() -> None:
    """The greeting, the question on the return leg, and what the caller hears in the other leg's turn."""
    known = record(
        turn(heard="Hello.", answered="One moment.", answer_ms=1_000),
        turn(turn=3, kind="leg", leg="return", answered="May I open?", answer_ms=500),
        turn(turn=4, kind="digit", leg="return", answered="Thank you.", answer_ms=500),
        turn(turn=5, kind="announcement", answered="Come in.", answer_ms=1_000),
        turn(turn=6, kind="silence"),
    )
    greeting = known.turns[0].model_copy(
        update={"answered": "Hi.", "answer_ms": 1_000, "was_interrupted": True}
    )
    known = known.model_copy(update={"turns": (greeting, *known.turns[1:])})
    lines = transcript(script_turns(SCRIPT, CALLER, RETURN, known), LEGS, known)
    assert [replace(line, at_s=round(line.at_s, 1)) for line in lines] == [
        SpokenLine(0.5, "caller", "raymal", "Hi.", was_interrupted=True),
        SpokenLine(1.8, "caller", "person", "Hello.", "Hello."),
        SpokenLine(3.0, "caller", "raymal", "One moment."),
        SpokenLine(6.0, "return", "raymal", "May I open?"),
        SpokenLine(7.0, "return", "person", "keys 1"),
        SpokenLine(7.5, "return", "raymal", "Thank you."),
        SpokenLine(10.0, "caller", "raymal", "Come in."),
    ]


def test_without_a_record_what_was_heard_has_no_words() -> None:
    """A server on another machine: the times are those of this side."""
    lines = transcript(script_turns(SCRIPT, CALLER, RETURN, None), LEGS, None)
    assert [(line.at_s, line.who, line.said) for line in lines] == [
        (1.8, "person", "Hello."),
        (3.0, "raymal", ""),
        (7.0, "person", "keys 1"),
        (7.5, "raymal", ""),
    ]
