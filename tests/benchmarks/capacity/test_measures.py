"""What is made of what was measured: lateness, content, work, verdicts and limits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from capacity_fixture import step
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import Level, WorkKind, WorkTally
from actors.percentiles import percentile
from actors.status import FleetStatus, PoolStatus
from benchmarks.capacity.callers import Call
from benchmarks.capacity.content import understood
from benchmarks.capacity.judgement import (
    broken_objectives,
    headroom_percent,
    limited_by,
    next_limit,
    utilisation_percent,
)
from benchmarks.capacity.peer_quality import PeerQuality
from benchmarks.capacity.result import Objectives, Step
from benchmarks.capacity.trial import mean_stages_ms
from benchmarks.capacity.validity import unread
from benchmarks.capacity.workload_meter import StatusLook, WorkCount, mean_calls, services, slot_percent
from ingress.caller.listening_quality import ReceivedFrame, lateness_ms, phone_holes_ms
from ingress.link.records import CallRecord, LatenessSummary, StageTimes, TurnRecord
from ingress.link.status import DecisionStatus, ServerStatus

FOREVER = (0.0, 1e9)


def a_step(**changes: Any) -> Step:
    """Return a step that was held, but for the changes."""
    values: dict[str, Any] = {
        "turns": 100,
        "offered_calls": 20,
        "stages_ms": {"lease wait": 10.0, "transcription": 200.0},
        "cores": {"media": 0.1, "workers": 0.8, "machine": 1.0},
        "utilisation_percent": {"machine CPU": 50.0, "media CPU": 10.0, "transcription slots": 25.0},
    }
    return step(10, **({"turn_p95_ms": 900.0} | values | changes))


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0.0, 0.08), st.sampled_from([160, 240])), min_size=1, max_size=40),
        min_size=1,
        max_size=4,
    )
)
def test_lateness_is_that_of_the_listening_quality(calls: list[list[tuple[float, int]]]) -> None:
    """Counted in buckets and added up, it is what `ingress.caller.listening_quality` says of each call."""
    total, late_ms, holes = PeerQuality(), [], 0
    for call in calls:
        arrived = list(itertools.accumulate(gap_s for gap_s, _ in call))
        samples = [count for _, count in call]
        total += PeerQuality.of(arrived, samples, FOREVER)
        frames = [ReceivedFrame(at_s, each / 8_000) for at_s, each in zip(arrived, samples, strict=True)]
        late_ms += lateness_ms(frames)
        holes += sum(hole > 0 for hole in phone_holes_ms(frames))
    assert total.frames == len(late_ms)
    assert total.underruns == holes
    for percent in (50.0, 99.0, 99.9, 100.0):
        assert total.percentile_ms(percent) == pytest.approx(percentile(late_ms, percent), abs=0.051)
    for limit_ms, share in total.late_shares():
        least, most = (sum(late > limit_ms + off for late in late_ms) / len(late_ms) for off in (0.06, -0.06))
        assert least <= share <= most


def test_only_frames_of_the_counted_time_count_against_the_whole_calls_timeline() -> None:
    """A frame before the window sets the timeline, a late one after it is not counted."""
    arrived, samples = [0.0, 0.030, 0.040, 0.160], [160] * 4
    quality = PeerQuality.of(arrived, samples, (0.025, 0.1))
    assert (quality.frames, quality.underruns) == (2, 0)
    assert quality.maximum_ms == pytest.approx(10.0)
    assert PeerQuality.of(arrived, samples, FOREVER).underruns == 1


def a_turn(
    heard: str, answered: str = "yes", failure: str | None = None, kind: str = "utterance"
) -> TurnRecord:
    """Return a turn as the server records it."""
    return TurnRecord(
        turn=1, kind=kind, speech_ms=1.0, endpoint_wait_ms=500.0,
        stages=StageTimes(lease_wait_ms=10.0, transcription_ms=100.0), link_ms=1.0, playout_wait_ms=5.0,
        first_answer_ms=616.0, answer_ms=1.0, underruns=0, failure=failure, heard=heard, answered=answered,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([a_turn("", kind="greeting"), a_turn("One two three."), a_turn("four five six")], [True, True]),
        ([a_turn("one two tree"), a_turn("four five six")], [True, True]),
        ([a_turn("four five six")], [False, True]),
        ([a_turn("one"), a_turn("nothing of it"), a_turn("four five six")], [False, True]),
        ([a_turn("one two three", answered=""), a_turn("four five six")], [False, True]),
        ([a_turn("one two three", failure="late"), a_turn("four five six")], [False, True]),
        ([a_turn("four five six"), a_turn("one two three")], [True, False]),
        ([], [False, False]),
    ],
)
def test_what_was_said_is_looked_for_in_order(turns: list[TurnRecord], expected: list[bool]) -> None:
    """A lost or wrong utterance costs itself, not those after it."""
    assert understood(["one two three", "four five six"], turns) == expected


def looks_at(durations_ms: Sequence[float], per_look: int, calls: int = 6) -> list[StatusLook]:
    """Return a status a second while work of these durations is finished, so many a second."""
    looks, total_ms = [], 0.0
    for second in range(len(durations_ms) // per_look + 1):
        done = second * per_look
        total_ms = sum(durations_ms[:done])
        work = {WorkKind.TRANSCRIPTION: WorkCount(done, total_ms, 2)}
        looks.append(StatusLook(float(second), calls, 0, work))
    return looks


@pytest.mark.parametrize(("kind", "variability"), [("constant", 0.0), ("exponential", 1.0), ("even", 1 / 3)])
def test_mean_and_variability_of_work_come_out_of_its_totals(kind: str, variability: float) -> None:
    """Known distributions, seen only as totals of a second each."""
    dice = random.Random(3)
    draw = {
        "constant": lambda: 200.0,
        "exponential": lambda: dice.expovariate(1 / 200.0),
        "even": lambda: dice.uniform(0.0, 400.0),
    }[kind]
    found = services(looks_at([draw() for _ in range(9_000)], per_look=5))[WorkKind.TRANSCRIPTION]
    assert found.mean_ms == pytest.approx(200.0, rel=0.05)
    assert found.variability == pytest.approx(variability, abs=0.12)
    assert found.per_call_minute == pytest.approx(5 * 60 / 6)
    assert found.slots == 2


def test_slots_are_in_use_for_the_time_that_is_worked_in_them() -> None:
    """Five pieces of 100 ms a second in two slots are a quarter of their time."""
    looks = looks_at([100.0] * 100, per_look=5)
    assert slot_percent(looks) == {"transcription": pytest.approx(25.0)}
    assert mean_calls(looks) == 6
    assert (slot_percent(looks[:1]), services(looks[:1]), mean_calls([])) == ({}, {}, None)


def test_a_status_is_read_as_the_gateway_writes_it() -> None:
    """Level, calls and both kinds of work are found; a gateway without a fleet has none."""
    pool = PoolStatus(planned=1, ready=1, busy=1, waiting=0, tally=WorkTally(3, processing_ms=9.0), slots=2)
    fleet = FleetStatus(pool, pool, sessions=4, ingresses=1, cpu_percent=0.0, memory_percent=0.0)
    decision = DecisionStatus(
        epoch="e", number=1, level=Level.LOADED, reasons=("slots",), frame_ms=30, calls_alone=0
    )
    status = ServerStatus.model_construct(calls=4, decision=decision, fleet=fleet)
    work = WorkCount(3, 9.0, 2)
    expected = StatusLook(1.0, 4, Level.LOADED, dict.fromkeys(WorkKind, work))
    assert StatusLook.of(status, 1.0) == expected
    assert StatusLook.of(status.model_copy(update={"fleet": None}), 1.0).work == {}


def test_stages_are_means_over_answered_turns_in_their_order() -> None:
    """A turn without an answer has no stages; one that skipped a stage spent nothing in it."""
    digit = a_turn("").model_copy(update={"stages": StageTimes()})
    silent = a_turn("").model_copy(update={"first_answer_ms": None})
    stages = mean_stages_ms([a_turn(""), digit, silent])
    assert list(stages) == ["endpoint wait", "lease wait", "transcription", "link", "playout wait"]
    assert stages["transcription"] == 50.0


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"turn_p95_ms": 1_501.0}, "turn p95 1501 ms"),
        ({"turn_p95_ms": None}, "no turn was answered"),
        (
            {"lateness": LatenessSummary(frames=1, p50_ms=1, p99_ms=1, p999_ms=40.1, maximum_ms=41)},
            "lateness",
        ),
        ({"underruns": 1}, "1 underruns"),
        ({"refused_calls": 1}, "5.0 % of the calls refused"),
        ({"content_errors": 3}, "3.0 % of the turns"),
        ({"dropped_calls": 1}, "1 calls dropped"),
    ],
)
def test_each_objective_breaks_by_itself(changes: dict[str, Any], line: str) -> None:
    """A held step has no line, and each of the objectives brings exactly its own."""
    assert broken_objectives(a_step(), Objectives()) == ()
    (found,) = broken_objectives(a_step(**changes), Objectives())
    assert line in found


def test_an_objective_that_is_just_met_is_met() -> None:
    """Limits are inclusive."""
    late = LatenessSummary(frames=1, p50_ms=1, p99_ms=1, p999_ms=20.0, maximum_ms=20)
    just = a_step(turn_p95_ms=1_500.0, lateness=late, content_errors=2)
    assert broken_objectives(just, Objectives()) == ()


@pytest.mark.parametrize(
    ("use", "stages", "broken", "limit"),
    [
        (
            {"machine CPU": 95.0, "transcription slots": 99.0},
            {},
            "turn p95",
            "machine CPU, most of it workers",
        ),
        (
            {"machine CPU": 60.0},
            {"lease wait": 900.0, "transcription": 210.0},
            "turn p95",
            "transcription slots",
        ),
        ({"machine CPU": 60.0}, {"lease wait": 11.0, "synthesis": 800.0}, "turn p95", "synthesis slots"),
        ({"machine CPU": 60.0}, {"link": 800.0}, "turn p95", "gateway"),
        ({"machine CPU": 60.0, "media CPU": 70.0}, {}, "lateness p99.9", "media CPU"),
        ({"machine CPU": 60.0, "memory": 97.0}, {}, "5.0 % of the turns", "memory"),
        ({"machine CPU": 60.0, "memory": 97.0}, {}, "2 % of the calls refused", "admission"),
    ],
)
def test_the_limit_is_named(use: dict[str, float], stages: dict[str, float], broken: str, limit: str) -> None:
    """Full cores first, then the stage that grew, then the media workers, then what is nearest its end."""
    overloaded = a_step(utilisation_percent=use, stages_ms=stages, broken=(broken,))
    assert limited_by(overloaded, a_step()) == limit


def test_what_is_left_and_what_comes_next() -> None:
    """Headroom is what is not in use; the next limit is what ends first but for the present one."""
    held = a_step()
    assert headroom_percent(held)["machine CPU"] == 50.0
    assert next_limit(held, "machine CPU, most of it workers") == (
        "transcription slots, used up at about 40 calls"
    )
    assert next_limit(held, "transcription slots") == "machine CPU, used up at about 20 calls"


def test_parts_with_one_thread_are_measured_against_one_core() -> None:
    """Two media workers have two cores at most, the machine all of its own."""
    cores = {"media": 1.0, "gateway": 0.5, "manager": 0.25, "machine": 3.0}
    assert utilisation_percent(cores, {"synthesis": 40.0}, 4, 2, 0.5) == {
        "machine CPU": 75.0, "media CPU": 50.0, "gateway": 50.0, "manager": 25.0, "memory": 50.0,
        "synthesis slots": 40.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("calls", "missing", "is_said"), [(100, 2, False), (100, 3, True), (1, 1, True), (0, 0, False)]
)
def test_a_few_records_may_be_missing(calls: int, missing: int, is_said: bool) -> None:
    """What was heard in those calls is not known."""
    record = CallRecord.model_construct()
    taken = [(Call(f"{number}", 0.0), None if number < missing else record) for number in range(calls)]
    expected = [f"the server's records of {missing} of {calls} calls could not be read"]
    assert unread(taken) == (expected if is_said else [])
