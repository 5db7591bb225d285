"""Spans of calls and turns."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest

from actors.messages import Doubt
from ingress.gateway.trace_spans import NS_PER_MS, NS_PER_S, call_spans, turn_spans
from ingress.link.records import CallRecord, StageTimes, TurnRecord

CALL = "7f3c1f0e-4c1b-4f0f-9f3a-0123456789ab"
TURN = TurnRecord(
    turn=2,
    kind="utterance",
    speech_ms=900.0,
    endpoint_wait_ms=500.0,
    stages=StageTimes(lease_wait_ms=10.0, transcription_ms=200.0, dialog_ms=1.0, synthesis_ms=80.0),
    link_ms=5.0,
    playout_wait_ms=4.0,
    first_answer_ms=800.0,
    answer_ms=1_500.0,
    underruns=1,
    underrun_ms=20.0,
    heard="my card number is",
    answered="thank you",
)
NOW_NS = 1_800_000_000 * NS_PER_S


def test_a_turn_s_stages_follow_each_other() -> None:
    """From the end of the speech to the end of the answer, without a gap."""
    turn, *stages = turn_spans(CALL, 1_799_999_990.0, TURN, NOW_NS)
    assert [(stage.name, (stage.end_ns - stage.start_ns) / NS_PER_MS) for stage in stages] == [
        *TURN.stage_times_ms(),
        ("answer", 1_520.0),
    ]
    assert {stage.parent_id for stage in stages} == {turn.span_id}
    assert (stages[0].start_ns, stages[-1].end_ns) == (turn.start_ns, turn.end_ns)
    for before, after in pairwise(stages):
        assert before.end_ns == after.start_ns
    assert turn.end_ns == NOW_NS
    assert turn.end_ns - turn.start_ns == 2_320 * NS_PER_MS


def test_a_call_and_its_turns_are_one_trace() -> None:
    """Its id is the UUID; a turn that the end cut short is a part of it."""
    record = CallRecord(
        call_id=CALL, extension="sales", end_reason="hangup", duration_s=12.5, turns_taken=2, unfinished=TURN
    )
    (turn, *_) = turn_spans(CALL, 1_799_999_990.0, TURN, NOW_NS)
    call, unfinished, *_ = call_spans(record, 1_799_999_990.0, NOW_NS)
    assert call.trace_id == turn.trace_id == UUID(CALL).int
    assert call.parent_id is None
    assert turn.parent_id == unfinished.parent_id == call.span_id
    assert call.start_ns == 1_799_999_990 * NS_PER_S
    assert call.end_ns == unfinished.end_ns == call.start_ns + 12_500 * NS_PER_MS
    assert unfinished.attributes["raymal.turn.unfinished"]
    (unknown, *_) = call_spans(record, None, NOW_NS)
    assert (unknown.start_ns, unknown.end_ns) == (NOW_NS - 12_500 * NS_PER_MS, NOW_NS)


def test_ids_are_never_shared_by_two_spans() -> None:
    """Of one call, and of two with the same UUID; a record that comes again is the same span."""
    turns = [TURN.model_copy(update={"turn": number}) for number in range(5)]
    spans = [
        span
        for started_at_s in (1.0, 2.0, None)
        for turn in turns
        for span in turn_spans(CALL, started_at_s, turn, NOW_NS)
    ]
    assert len({span.span_id for span in spans}) == len(spans)
    assert list(turn_spans(CALL, 1.0, TURN, NOW_NS)) == list(turn_spans(CALL, 1.0, TURN, NOW_NS))


@pytest.mark.parametrize("call_id", ["00000000-0000-0000-0000-000000000000", "no UUID"])
def test_a_call_whose_uuid_is_no_id_has_no_trace(call_id: str) -> None:
    """OpenTelemetry takes no id of zeros."""
    record = CallRecord(call_id=call_id, extension="sales", end_reason="hangup")
    assert not [*turn_spans(call_id, None, TURN, NOW_NS), *call_spans(record, None, NOW_NS)]


def test_a_problem_is_an_error_and_silence_is_none() -> None:
    """A turn without an answer has the stages that happened."""
    failed = TurnRecord(turn=1, kind="utterance", endpoint_wait_ms=500.0, failure="no slot came free")
    turn, *stages = turn_spans(CALL, None, failed, NOW_NS)
    assert (turn.problem, [stage.name for stage in stages]) == ("no slot came free", ["endpoint wait"])
    silent = TurnRecord(turn=1, kind="utterance", was_understood=False, doubt=Doubt.SILENCE)
    (turn,) = turn_spans(CALL, None, silent, NOW_NS)
    assert turn.problem is None
    assert turn.attributes["raymal.turn.doubt"] == "silence"
    assert turn.start_ns == turn.end_ns


def test_no_word_of_the_caller_is_in_a_span() -> None:
    """Also if the operator keeps transcripts."""
    record = CallRecord(call_id=CALL, extension="sales", end_reason="hangup", turns=(TURN,), unfinished=TURN)
    spans = [*turn_spans(CALL, None, TURN, NOW_NS), *call_spans(record, None, NOW_NS)]
    assert "card" not in repr(spans)
    assert "thank" not in repr(spans)
