"""An apology is no answer: what both ends say of a call."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import pytest

from benchmarks.harness.speech_like import speech_like
from ingress.caller.caller import CallResult
from ingress.caller.conversation import CallTurn
from ingress.caller.listening_quality import listening_quality
from ingress.caller.outcome import call_problems
from ingress.caller.script import CallScript, Speak
from ingress.link.records import CallOutcome, CallRecord, TurnRecord
from ingress.link.records import CallResult as RecordedResult

CALL_ID = UUID(int=1)
ANSWERED = CallTurn(0, 1.0, 2.0, 2.5, 3.5, b"\1\0" * 8_000)
SILENCE = CallTurn(0, 1.0, 2.0, None, None, b"")
GREETING = TurnRecord(turn=1, kind="greeting", first_answer_ms=10.0)


def script(utterances: int = 1) -> CallScript:
    spoken = speech_like(0.5)
    return CallScript("127.0.0.1", 9092, CALL_ID, (Speak(spoken),) * utterances, max_call_s=30.0)


def result(*turns: CallTurn, ended_by: Literal["us", "peer"] = "us", limit: bool = False) -> CallResult:
    return CallResult(CALL_ID, b"", turns, listening_quality([]), 0.0, ended_by, limit)


def record(*turns: TurnRecord, **facts: Any) -> CallRecord:
    every = (GREETING, *turns)
    facts = {"end_reason": "the caller hung up", "turns_taken": len(every), "turns": every} | facts
    return CallRecord(call_id=str(CALL_ID), extension="default", **facts)


def turn(**facts: Any) -> TurnRecord:
    return TurnRecord(**{"turn": 2, "kind": "utterance", "first_answer_ms": 500.0} | facts)


@pytest.mark.parametrize(
    ("heard", "recorded"),
    [
        (result(ANSWERED), record(turn())),
        (result(ANSWERED), None),
        (result(ANSWERED), record(turn(was_overtaken=True, first_answer_ms=None), turn(turn=3))),
        (result(ANSWERED), record(turn(first_answer_ms=None))),  # a tone from the dialog
        (result(ANSWERED), record(unfinished=turn())),  # the caller hung up in a pause of the answer
        (result(ANSWERED), record(turns=(), turns_taken=40)),  # older records are not kept
        (result(ANSWERED), record(turn(was_overtaken=True, was_understood=False), turn(turn=3))),
        (result(SILENCE, ended_by="peer"), record(turn(first_answer_ms=None))),  # the dialog hung up
    ],
)
def test_a_call_that_went_well(heard: CallResult, recorded: CallRecord | None) -> None:
    """Every utterance was understood and answered; without a record, something was heard after each."""
    assert call_problems(script(), heard, recorded) == []


@pytest.mark.parametrize(
    ("heard", "recorded", "problem"),
    [
        (result(ANSWERED), record(turn(failure="no voice")), "turn 2 (utterance) failed: no voice"),
        (
            result(ANSWERED),
            record(turn(was_understood=False, transcription_failure="no language")),
            "turn 2 (utterance) failed: no language",
        ),
        (result(ANSWERED), record(turn(was_understood=False)), "no words were found in what was said"),
        (
            result(ANSWERED),
            record(turn(), turns=(GREETING.model_copy(update={"failure": "no voice"}), turn())),
            "turn 1 (greeting) failed: no voice",
        ),
        (result(ANSWERED), record(unfinished=turn(failure="no voice")), "turn 2 (utterance) failed"),
        (
            result(ANSWERED),
            record(unfinished=turn(first_answer_ms=None)),
            "the server answered 0 of the 1 utterances after which something was heard",
        ),
        (result(ANSWERED), record(), "the server answered 0 of the 1 utterances"),
        (result(SILENCE), None, "utterance 1: no answer was heard"),
        (result(SILENCE), record(turn(first_answer_ms=None)), "utterance 1: no answer was heard"),
        (result(SILENCE, ended_by="peer"), None, "utterance 1: no answer was heard"),
        (
            result(SILENCE, ended_by="peer"),
            record(turn(first_answer_ms=None), outcome=CallOutcome(result=RecordedResult.FAILED)),
            "utterance 1: no answer was heard",
        ),
        (
            result(ANSWERED, limit=True),
            record(turn()),
            "the call reached its time limit of 30 s",
        ),
        (
            result(ANSWERED),
            record(was_refused=True, end_reason="refused: all 1 calls are taken"),
            "refused: all 1 calls are taken",
        ),
    ],
)
def test_what_went_wrong_is_said(heard: CallResult, recorded: CallRecord | None, problem: str) -> None:
    """Once."""
    (said,) = call_problems(script(), heard, recorded)
    assert problem in said


def test_a_call_that_ended_early_says_what_was_not_spoken() -> None:
    """The first utterance was answered, and the others never came."""
    early = result(ANSWERED, ended_by="peer")
    for recorded in (record(turn()), None):
        assert call_problems(script(2), early, recorded) == [
            "utterance 2 of 2 could not be spoken to the end: the server hung up"
        ]
        assert call_problems(script(4), early, recorded) == [
            "utterances 2 to 4 of 4 could not be spoken to the end: the server hung up"
        ]
