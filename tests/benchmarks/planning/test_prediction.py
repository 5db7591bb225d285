"""From measurements to lines, refused calls and the turn's p95."""

from __future__ import annotations

from typing import Any

import pytest
from capacity_fixture import SERVICES, capacity_result, step
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigurationError
from actors.messages import WorkKind
from benchmarks.capacity.result import Service
from benchmarks.planning.erlang import erlang_b
from benchmarks.planning.forecast import Forecast
from benchmarks.planning.node_type import NodeType
from benchmarks.planning.prediction import Nodes, Pool, Rules, busy_hour_calls, predict

SHARED, APART = Rules(90.0), Rules(90.0, apart=True)


def node_type(name: str = "small", **changes: Any) -> NodeType:
    """Return the fixture's machine: 32 calls, p95 1,400 ms."""
    return NodeType.of(name, capacity_result(**changes))


def forecast(calls: float = 1_000.0, **changes: float) -> Forecast:
    """Return calls of 3 minutes, 5 turns a minute: 50 erlangs."""
    values = {
        "busy_hour_calls": calls,
        "call_s": 180.0,
        "turns_per_minute": 5.0,
        "refused_percent": 1.0,
        "turn_p95_ms": 1_500.0,
    }
    return Forecast(**(values | changes))


def test_lines_and_refused_calls_of_one_cluster() -> None:
    """Three nodes hold 96 calls, 86 of them ordinary ones; Erlang says the rest."""
    found = predict([Nodes(node_type(), 3)], forecast(), SHARED)
    assert (found.lines, found.lines_limited_by) == (86, "calls held")
    assert found.refused_percent == pytest.approx(100.0 * erlang_b(50.0, 86))
    assert found.carried_erlangs == pytest.approx(50.0 * (1.0 - erlang_b(50.0, 86)))
    # 6 pieces a minute of 0.4 s on 6 slots, for 50 calls: 2 of 6.
    assert found.slot_percent["transcription"] == pytest.approx(100.0 * found.carried_erlangs * 0.04 / 6.0)


@pytest.mark.parametrize("how", [SHARED, APART])
def test_the_most_calls_within_the_target_are_the_most(how: Rules) -> None:
    """With them, exactly the target is refused."""
    nodes = [Nodes(node_type(), 3)]
    most = busy_hour_calls(nodes, forecast(), how)
    assert predict(nodes, forecast(most), how).refused_percent == pytest.approx(1.0)
    assert busy_hour_calls([], forecast(), how) == 0.0


def test_at_the_measured_load_the_prediction_is_the_measurement() -> None:
    """For any share that the formula takes for waiting; and never less than what was ever measured."""
    for stages_ms in ({}, {"lease wait": 0.0}, {"lease wait": 20.0}, {"lease wait": 5_000.0}):
        pool = Pool([Nodes(node_type(confirmed=step(32, 1_400.0, stages_ms=stages_ms)), 1)], 5.0)
        assert pool.turn_p95_ms(32) == pytest.approx(1_400.0)
        assert pool.turn_p95_ms(1) >= 900.0
        assert pool.turn_p95_ms(28) <= 1_400.0
        assert pool.turn_p95_ms(50) == float("inf")


def test_waits_that_were_measured_shorter_leave_less_for_sharing_to_gain() -> None:
    """The formula may not take more of the p95 for waiting than was waited."""
    short = node_type(confirmed=step(32, 1_400.0, stages_ms={"lease wait": 10.0}))
    assert short.wait_factor < 0.1
    assert short.unwaited_p95_ms > node_type().unwaited_p95_ms > 700.0


def test_a_load_that_the_formula_does_not_know_is_not_planned_for() -> None:
    """Calls that were held although the work was too much, by the times: as measured, and no further."""
    slow = {"transcription": SERVICES["transcription"].model_copy(update={"mean_ms": 700.0})}
    overloaded = node_type(services=slow, confirmed=step(32, 1_400.0, stages_ms={"lease wait": 0.0}))
    assert overloaded.unwaited_p95_ms == 1_400.0
    found = predict([Nodes(overloaded, 1)], forecast(), SHARED)
    assert found.lines_limited_by == "turn p95"
    assert found.lines * 0.07 < 2.0


def test_callers_who_say_more_take_more_room_and_who_say_less_none() -> None:
    """In proportion, and never more than was measured."""
    nodes = [Nodes(node_type(), 3)]
    assert predict(nodes, forecast(turns_per_minute=10.0), SHARED).lines == 43
    assert predict(nodes, forecast(turns_per_minute=1.0), SHARED).lines == 86


def test_the_true_rate_of_turns_is_the_measured_one() -> None:
    """Of 32 calls in two minutes 256 turns were measured: 4 a minute, not the 5 of the script."""
    measured = node_type(confirmed=step(32, 1_400.0, turns=256))
    assert measured.turns_per_minute == pytest.approx(4.0)
    assert measured.talk_share == pytest.approx(0.2)
    assert node_type(confirmed=step(32, 1_400.0, turns=999)).turns_per_minute == 5.0


@pytest.mark.parametrize("target_ms", [1_150.0, 1_180.0, 1_200.0, 1_220.0, 1_250.0])
def test_a_shorter_target_leaves_fewer_lines(target_ms: float) -> None:
    """As many as may all be busy with the target met, one more may not."""
    strict = forecast(turn_p95_ms=target_ms)
    nodes = [Nodes(node_type(), 1)]
    found = predict(nodes, strict, SHARED)
    pool = Pool(nodes, 5.0)
    assert found.lines_limited_by == "turn p95"
    assert pool.turn_p95_ms(found.lines) <= target_ms < pool.turn_p95_ms(found.lines + 1)
    impossible = predict(nodes, forecast(turn_p95_ms=800.0), SHARED)
    assert (impossible.lines, impossible.refused_percent, impossible.turn_p95_ms) == (0, 100.0, None)


def test_nodes_apart_refuse_more_than_nodes_together() -> None:
    """Each of three gets a third of the calls, for a third of the lines."""
    nodes = [Nodes(node_type(), 3)]
    together, apart = (predict(nodes, forecast(1_400.0), rules) for rules in (SHARED, APART))
    assert apart.lines == 3 * 28
    assert apart.refused_percent == pytest.approx(100.0 * erlang_b(70.0 / 3.0, 28))
    assert apart.refused_percent > 3.0 * together.refused_percent
    assert (apart.full_turn_p95_ms or 0.0) > (together.full_turn_p95_ms or 0.0)


def test_unequal_slots_count_by_what_they_do() -> None:
    """Equal mixes are as one type; a faster node takes more of the work, and makes times more uneven."""
    small = node_type()
    fast = node_type(
        "fast",
        services=SERVICES
        | {"transcription": SERVICES["transcription"].model_copy(update={"mean_ms": 100.0})},
    )
    alike = predict([Nodes(small, 1), Nodes(node_type("other"), 2)], forecast(), SHARED)
    assert alike.full_turn_p95_ms == pytest.approx(
        predict([Nodes(small, 3)], forecast(), SHARED).full_turn_p95_ms
    )
    pool = Pool([Nodes(small, 1), Nodes(fast, 1)], 5.0)
    # 2 slots at 2.5/s and 2 at 10/s: 4 of 160 ms. A fifth of the work takes 400 ms, the rest 100.
    wait = pool.wait(WorkKind.TRANSCRIPTION, 100.0)
    assert pool.slot_percent(100.0)["transcription"] == pytest.approx(100.0 * 10.0 / 25.0)
    alone = Pool([Nodes(fast, 2)], 5.0).wait(WorkKind.TRANSCRIPTION, 160.0)
    assert wait.share == pytest.approx(alone.share)
    assert wait.given_s / 0.16 > alone.given_s / 0.1


def test_a_kind_of_work_without_slots_is_no_plan() -> None:
    """Work is asked for and not done: no line, not a division by zero."""
    idle = Service(slots=0, mean_ms=0.0, variability=0.0, per_call_minute=6.0)
    found = predict([Nodes(node_type(services={"synthesis": idle}), 1)], forecast(), SHARED)
    assert (found.lines, found.refused_percent) == (0, 100.0)
    assert predict([Nodes(node_type(services={}), 3)], forecast(), SHARED).lines == 86
    assert predict([], forecast(), SHARED).refused_percent == 100.0
    assert predict([], forecast(), APART).refused_percent == 100.0


rules = st.sampled_from([SHARED, APART])


@given(
    st.integers(min_value=1, max_value=40),
    st.floats(min_value=1.0, max_value=20_000.0),
    st.floats(min_value=1.0, max_value=20.0),
    st.floats(min_value=950.0, max_value=2_000.0),
    rules,
)
def test_more_nodes_never_make_it_worse_and_more_traffic_never_better(
    count: int, calls: float, turns: float, target_ms: float, how: Rules
) -> None:
    """What the search for the fewest nodes stands on."""
    one = node_type()
    asked = forecast(calls, turns_per_minute=turns, turn_p95_ms=target_ms)
    few, more = (predict([Nodes(one, number)], asked, how) for number in (count, count + 1))
    busier = predict(
        [Nodes(one, count)], forecast(calls * 1.5, turns_per_minute=turns, turn_p95_ms=target_ms), how
    )
    assert more.lines >= few.lines
    assert more.refused_percent <= few.refused_percent + 1e-9
    assert busier.refused_percent >= few.refused_percent - 1e-9
    assert not few.meets(asked) or more.meets(asked)
    assert few.full_turn_p95_ms is None or few.full_turn_p95_ms <= target_ms


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "another version"),
        ({"calls_held": 0}, "not even one call"),
        ({"confirmed": None}, "not even one call"),
        ({"confirmed": step(32, None)}, "no turn"),
    ],
)
def test_results_that_cannot_be_planned_with(changes: dict[str, Any], message: str) -> None:
    """Named, with what to do."""
    with pytest.raises(ConfigurationError, match=message):
        node_type(**changes)
