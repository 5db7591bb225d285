"""`python -m benchmarks.conversation`: what follows from what both ends of a call saw."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_talk import Talk, flow_dialog

from actors.telephone import FRAME_BYTES, FRAME_S
from benchmarks.conversation.answers import Cut, Streamed, cut_by_key, cut_by_speech, sentences, streamed
from benchmarks.conversation.model import ModelFindings
from benchmarks.conversation.proxy import Answer
from benchmarks.conversation.targets import (
    model_problems,
    model_targets,
    visit_problems,
    visit_targets,
    voice_problems,
    voice_targets,
)
from benchmarks.conversation.turns import Heard, SpokenTurn, spoken_turns
from benchmarks.conversation.visiting import FLOW, QUICK, ended, has_consented, planned
from benchmarks.conversation.visits import COUNTS, Keyed, Kind, Said, Visit, visits
from benchmarks.harness.outcomes import Verdict
from ingress.caller.conversation import CallTurn
from ingress.dialogs.base import EndCall
from ingress.link.records import CallOutcome, CallRecord, CallResult, StageTimes, TurnRecord

LOUD, QUIET = b"\x00\x20\x00\xe0" * (FRAME_BYTES // 4), bytes(FRAME_BYTES)
STARTED_S = 1_000.0


def call_turn(
    spoke_until_s: float, answer_from_s: float | None, answer: bytes = LOUD, step: int = 0
) -> CallTurn:
    """Return a turn that was spoken for a second."""
    return CallTurn(step, spoke_until_s - 1.0, spoke_until_s, answer_from_s, None, answer)


def test_an_answer_that_is_heard_while_the_model_writes() -> None:
    """The newest one that was asked for in this turn counts; text of one sentence is one."""
    given_up, written = Answer(STARTED_S + 4.9), Answer(STARTED_S + 5.2)
    written.take(b'data: {"choices": [{"delta": {"content": "Yes. "}}]}\n\ndata: {"choi', STARTED_S + 5.5)
    written.take(b'ces": [{"delta": {"content": "It is."}}]}\ndata: {"usage": 1}\n', STARTED_S + 6.5)
    written.take(b"data: [DONE]\n", STARTED_S + 7.0)
    found = streamed(call_turn(5.0, 6.0), STARTED_S, [given_up, written])
    assert found == Streamed(2, 2, pytest.approx(500.0))
    assert written.is_complete
    assert streamed(call_turn(5.0, None), STARTED_S, [written]) is None
    assert streamed(call_turn(5.0, 6.0), STARTED_S, []) is None
    assert [sentences(text) for text in ("", "One", "One. Two", "3.5 is a number.")] == [0, 1, 2, 1]


def test_what_goes_on_after_a_key() -> None:
    """Frames with sound that come after it, until the answer is quiet; the next answer is another one."""
    answer = LOUD * 6 + QUIET * 40 + LOUD * 50
    under_way = Answer(STARTED_S + 4.0, given_up_s=STARTED_S + 5.25)
    key_s = 5.0 + 3.5 * FRAME_S
    cut = cut_by_key(call_turn(key_s, 5.0, answer), STARTED_S, [under_way, Answer(STARTED_S + 5.3)])
    assert (cut.frames_after, cut.sound_ms) == (2, pytest.approx(1.5 * FRAME_S * 1_000))
    assert cut.freed_ms == pytest.approx((0.25 - 3.5 * FRAME_S) * 1_000)
    silent = cut_by_key(call_turn(5.0, 6.0, answer), STARTED_S, [Answer(STARTED_S + 4.0, is_complete=True)])
    assert silent == Cut("key", 0.0, 0, None)


def test_what_goes_on_after_speech_begins() -> None:
    """The sound until it is quiet; the endpoint is free so long after that."""
    received = QUIET * 50 + LOUD * 60 + QUIET * 40 + LOUD * 10  # speech begins after 2 s: 10 frames go on
    under_way = Answer(STARTED_S + 1.0, given_up_s=STARTED_S + 2.25)
    cut = cut_by_speech(call_turn(3.0, 4.0), STARTED_S, received, [under_way])
    assert cut == Cut("speech", pytest.approx(200.0), None, pytest.approx(50.0))


def test_the_targets_of_the_model() -> None:
    """One answer that was only heard at its end, one late frame, one late release: each is a miss."""
    well = [Streamed(3, 40, 700.0), Streamed(1, 5, -20.0)]
    cuts = [Cut("key", 12.0, 1, 40.0), Cut("speech", 340.0, None, 10.0)]
    rows = model_targets(ModelFindings(2, 2, well, cuts))
    assert {row.verdict for row in rows} == {Verdict.PASS, Verdict.SHOWN}
    badly = ModelFindings(2, 2, [*well, Streamed(2, 9, -1.0)], [*cuts, Cut("key", 55.0, 3, 310.0)])
    assert [row.verdict for row in model_targets(badly)].count(Verdict.MISS) == 3
    nothing = ModelFindings(2, 2)
    assert [row.verdict for row in model_targets(nothing)].count(Verdict.MISS) == 3
    assert (len(model_problems(nothing)), model_problems(badly)) == (2, [])


def test_voice_to_voice_with_the_stages_of_the_record() -> None:
    """Keys are no speech; an utterance that was gone on after has no record of its own."""
    stages = StageTimes(transcription_ms=200.0)
    record = CallRecord(
        call_id="1",
        extension="default",
        end_reason="",
        turns=(
            TurnRecord(turn=0, kind="greeting"),
            TurnRecord(turn=1, kind="utterance", was_overtaken=True),
            TurnRecord(turn=2, kind="utterance", endpoint_wait_ms=300.0, stages=stages),
            TurnRecord(turn=3, kind="digit"),
            TurnRecord(turn=4, kind="utterance", endpoint_wait_ms=310.0),
        ),
    )
    turns = [call_turn(5.0, 5.7), call_turn(8.0, 8.2, step=1), call_turn(11.0, 11.5, step=2)]
    found = spoken_turns(turns, frozenset({0, 2}), record)
    assert [turn.voice_to_voice_ms for turn in found] == pytest.approx([700.0, 500.0])
    assert [dict(turn.stages_ms) for turn in found] == [
        {"endpoint wait": 300.0, "transcription": 200.0},
        {"endpoint wait": 310.0},
    ]
    assert spoken_turns(turns, frozenset({1}), None)[0].stages_ms == {}


def test_the_targets_of_voice_to_voice() -> None:
    """Judged for the flow at one call; an answer before the end of the speech is none."""
    turns = [SpokenTurn(value, {"dialog": 2.0}) for value in (600.0, 700.0, 800.0, -300.0)]
    heard = Heard("reservation", 1, 4, turns)
    assert [row.verdict for row in voice_targets(heard)] == [Verdict.PASS, Verdict.PASS, Verdict.SHOWN]
    assert voice_problems(heard) == [
        "reservation, 1 calls: 3 of 4 utterances were answered, 1 were answered before their end"
    ]
    slow = Heard("reservation", 1, 1, [SpokenTurn(1_200.0, {})])
    assert [row.verdict for row in voice_targets(slow)][:2] == [Verdict.MISS, Verdict.MISS]
    assert [row.verdict for row in voice_targets(Heard("echo", 8, 4, turns))] == [Verdict.SHOWN] * 2
    assert voice_targets(Heard("reservation", 1, 1, []))[0].verdict is Verdict.MISS


@pytest.mark.parametrize("language", ["en", "pt"])
def test_the_visits_of_a_language(language: str) -> None:
    """Forty, each with its own number; only with consent may a door open."""
    made = visits(language)
    assert len(made) == sum(COUNTS.values()) == 40
    assert {visit.number for visit in made} == set(range(40))
    assert all(visit.consents for visit in made if "allowed" in visit.ends)
    assert not any(visit.consents for visit in made if "allowed" not in visit.ends)
    assert [visit.kind for visit in planned(language, is_quick=True)] == list(QUICK)


def record_of(outcome: CallOutcome) -> CallRecord:
    """Return the record of a call that ended so."""
    heard = TurnRecord(turn=1, kind="utterance", leg="return", heard="Maybe.", answered="Shall I open?")
    return CallRecord(call_id="1", extension="door", end_reason="", outcome=outcome, turns=(heard,))


def test_consent_is_what_was_said_before_the_door_was_open() -> None:
    """Not what the script has: a door that opens at a "maybe" leaves its yes unsaid, or too late."""
    resident = (Said("Maybe."), Said("Yes.", is_consent=True), Keyed("2"), Keyed("1"))
    visit = Visit(Kind.UNCLEAR, 1, (), resident, frozenset({"allowed"}))
    assert visit.consents == {1, 3}
    maybe, yes, key = (
        call_turn(until_s, None, step=step) for step, until_s in ((0, 4.0), (1, 9.0), (3, 12.0))
    )
    assert has_consented(visit, (maybe, yes, key), until_s=9.0)
    assert not has_consented(visit, (maybe, yes, key), until_s=8.9)
    assert not has_consented(visit, (maybe,), until_s=30.0)
    opened = CallOutcome(reason="allowed", variables={"DOOR": "open"})
    end = ended("en", visit, record_of(opened), has_consent=False)
    assert (end.is_as_scripted, end.is_safe) == (True, False)
    assert end.turns == (("utterance, return", "Maybe.", "Shall I open?"),)


async def test_a_flow_that_opens_without_a_yes_misses_the_target(tmp_path: Path) -> None:
    """The doorman, but yes and no changed about."""
    folder = FLOW.parent
    broken = FLOW.read_text().replace("yes: allowed, no: not_allowed", "yes: not_allowed, no: allowed")
    (tmp_path / "residents.yaml").write_text((folder / "residents.yaml").read_text())
    (tmp_path / FLOW.name).write_text(broken)
    [visit] = [visit for visit in planned("en", is_quick=True) if visit.kind is Kind.NO]
    verdicts = {}
    for file in (FLOW, tmp_path / FLOW.name):
        talk = Talk(flow_dialog(file, lookups={"ring": {"url": "http://127.0.0.1:1/"}}))
        talk.state |= {"step": "wait", "slots": {"visitor": "Bob", "resident": "Helena Martins"}}
        await talk.joins()
        for act in visit.resident:
            if isinstance(act, Said) and talk.end is None:
                await talk.says(act.text, "return")
        assert isinstance(talk.end, EndCall)
        outcome = CallOutcome(reason=talk.end.reason, variables=talk.variables)
        spoken = has_consented(visit, [call_turn(9.0, None)], until_s=20.0)
        rows = visit_targets([ended("en", visit, record_of(outcome), spoken)])
        verdicts[file] = [row.verdict for row in rows[:2]]
    assert verdicts == {FLOW: [Verdict.PASS] * 2, tmp_path / FLOW.name: [Verdict.MISS] * 2}


def test_visits_of_a_machine_that_is_too_slow_say_nothing() -> None:
    """Turns that failed in more than a fifth of them: nothing is known of the doorman."""
    visit = Visit(Kind.NO, 1, (), (), frozenset({"refused"}))
    slow = TurnRecord(turn=1, kind="utterance", failure="the deadline passed")
    well = record_of(CallOutcome(reason="refused"))
    failed = ended("pt", visit, well.model_copy(update={"turns": (*well.turns, slow)}))
    served = ended("pt", visit, well)
    assert (failed.failure, served.failure) == ("the deadline passed", None)
    assert visit_problems("pt", [failed] + [served] * 4) == []
    assert visit_problems("pt", [failed] * 2 + [served] * 4) == [
        "doorman, pt: turns failed in 2 of 6 visits: the deadline passed"
    ]


def test_what_comes_of_a_visit() -> None:
    """A door that nobody asked for is unsafe however the call ended; without a record it is unfinished."""
    no = Visit(Kind.NO, 1, (), (), frozenset({"refused"}))
    refused = ended("en", no, record_of(CallOutcome(reason="refused", variables={"DOOR": "closed"})))
    assert (refused.is_as_scripted, refused.is_safe) == (True, True)
    opened = ended("en", no, record_of(CallOutcome(reason="refused", variables={"DOOR": "open"})))
    assert not opened.is_safe
    silent = ended("en", no, record_of(CallOutcome(result=CallResult.NO_INPUT, reason="nothing was heard")))
    assert (silent.end, silent.is_as_scripted) == ("no_input", False)
    lost = ended("en", no, None, problem="the server broke the connection")
    assert (lost.end, lost.is_as_scripted, lost.is_safe) == ("the server broke the connection", False, True)
    assert [row.verdict for row in visit_targets([refused] * 9 + [silent])] == [
        Verdict.PASS,
        Verdict.PASS,
        Verdict.SHOWN,
    ]
    assert [row.verdict for row in visit_targets([opened, silent])][:2] == [Verdict.MISS, Verdict.MISS]
