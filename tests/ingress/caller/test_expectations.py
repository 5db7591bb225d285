"""What a script expects, and what came."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from ingress.caller.caller import CallResult as PlacedCall
from ingress.caller.conversation import CallTurn
from ingress.caller.expectations import script_problems, script_turns
from ingress.caller.listening_quality import listening_quality
from ingress.caller.script_file import ScriptFile
from ingress.link.records import CallOutcome, CallRecord, CallResult, TurnRecord

ANSWERED = CallTurn(0, 1.0, 2.0, 2.5, 3.5, b"\1\0" * 8_000)


def result(*turns: CallTurn) -> PlacedCall:
    """What one leg saw."""
    return PlacedCall(UUID(int=1), b"", turns, listening_quality([]), 0.0, "us")


def turn(**facts: Any) -> TurnRecord:
    """A turn of the server's record."""
    return TurnRecord(**{"turn": 2, "kind": "utterance"} | facts)


def record(*turns: TurnRecord, **facts: Any) -> CallRecord:
    """The server's record."""
    greeting = TurnRecord(turn=1, kind="greeting")
    turns = (greeting, *turns)
    return CallRecord(call_id="c1", extension="default", end_reason="", turns=turns, **facts)


SCRIPT = ScriptFile.model_validate(
    {
        "caller": [{"say": "Good morning."}, {"pause_s": 1}, {"press": "1", "expect": "two people"}],
        "return": {"joins_after": 1, "steps": [{"say": "Yes.", "expect": "Goodbye"}]},
        "expect": {"result": "transfer", "target": "200", "variables": {"DOOR": "open"}},
    }
)
OUTCOME = CallOutcome(result=CallResult.TRANSFER, target="200", variables={"DOOR": "open"})
KEY = CallTurn(2, 4.0, 4.0, 5.0, 6.0, b"")
RECORD = record(
    turn(answered="Which day?", was_overtaken=True),
    turn(answered="Which day?"),
    turn(leg="return", answered="Thank you. Goodbye!"),
    turn(kind="digit", answered="For two people, then."),
    outcome=OUTCOME,
)


def test_all_is_as_expected() -> None:
    """Each turn is compared with its own record: overtaken ones are none, each leg has its own."""
    caller, returned = result(ANSWERED, KEY), result(ANSWERED)
    turns = script_turns(SCRIPT, caller, returned, RECORD)
    assert [(one.leg, one.number) for one in turns] == [("caller", 1), ("caller", 3), ("return", 1)]
    assert script_problems(SCRIPT, turns, returned, OUTCOME) == []


def test_each_difference_is_a_line() -> None:
    """Words, the leg that did not join, and what the dialplan gets."""
    other = record(turn(answered="Which day?"), turn(kind="digit", answered="For four."))
    turns = script_turns(SCRIPT, result(ANSWERED, KEY), None, other)
    assert script_problems(SCRIPT, turns, None, CallOutcome(reason="")) == [
        "caller, step 3: expected 'two people', and heard 'For four.' without people, two",
        "the return leg has not joined: the call was over before",
        "result: expected transfer, and got ended",
        "target: expected 200, and got none",
        "RAYMAL_VAR_DOOR: expected open, and got none",
    ]


def test_steps_of_the_return_leg_that_never_came_are_a_failure() -> None:
    """Also those that expect nothing; what was expected of them cannot have come."""
    turns = script_turns(SCRIPT, result(ANSWERED, KEY), result(), RECORD)
    [problem] = script_problems(SCRIPT, turns, result(), OUTCOME)
    assert problem == "the return leg did 0 of its 1 steps: it was over before"


def test_what_is_not_known_is_said() -> None:
    """Without a record neither words nor the outcome can be compared: that is no success."""
    turns = script_turns(SCRIPT, result(ANSWERED, KEY), result(ANSWERED), None)
    assert script_problems(SCRIPT, turns, result(ANSWERED), None) == [
        "caller, step 3: the server has no record of an answer to it",
        "return, step 1: the server has no record of an answer to it",
        "what the dialplan gets is not known: the server's record cannot be had",
    ]


@pytest.mark.parametrize("has_interrupted", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_an_interruption_is_what_the_server_knows_of_it(wanted: bool, has_interrupted: bool) -> None:
    """A step that was to stop what was said before it, and came after its end, failed; and the reverse."""
    steps = [{"say": "Good morning.", "interrupts": wanted}, {"press": "1", "interrupts": not wanted}]
    script = ScriptFile.model_validate({"caller": steps})
    greeting = TurnRecord(turn=1, kind="greeting", was_interrupted=has_interrupted)
    first, second = turn(was_interrupted=not has_interrupted), turn(kind="digit")
    known = CallRecord(call_id="c1", extension="default", end_reason="", turns=(greeting, first, second))
    spoken = result(ANSWERED, replace(KEY, step=1))
    problems = script_problems(script, script_turns(script, spoken, None, known), None, None)
    found = "something was" if has_interrupted else "nothing was"
    other = "nothing was" if has_interrupted else "something was"
    expected = [f"caller, step 1: {found} interrupted by it", f"caller, step 2: {other} interrupted by it"]
    assert problems == ([] if wanted == has_interrupted else expected)
    [unknown, _] = script_problems(script, script_turns(script, spoken, None, None), None, None)
    assert unknown == "caller, step 1: whether it interrupted anything is not known: no record of it"


def test_words_that_are_not_kept_cannot_be_compared() -> None:
    """The line says what to do."""
    script = SCRIPT.model_copy(update={"return_leg": None})
    silent = record(turn(), turn(kind="digit"))
    [problem] = script_problems(
        script, script_turns(script, result(ANSWERED, KEY), None, silent), None, OUTCOME
    )
    assert problem.endswith("the server has to run with --keep-transcripts")


def test_keys_over_an_utterance_do_not_take_its_place() -> None:
    """What was said before anything was answered has no answer; that of the keys is theirs."""
    known = record(turn(was_overtaken=True), turn(kind="digit", answered="For two people, then."))
    said, pressed = script_turns(SCRIPT, result(ANSWERED, KEY), None, known)
    assert (said.record, pressed.record) == (None, known.turns[2])
    assert pressed.before == known.turns[:2]
