"""The proposal: the fewest nodes, the cheapest mix, what one more buys, what if; and its picture."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from capacity_fixture import capacity_result, step
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.capacity.result import Machine, Service
from benchmarks.planning.chart import chart
from benchmarks.planning.forecast import Forecast
from benchmarks.planning.node_type import NodeType
from benchmarks.planning.plan import Planner
from benchmarks.planning.prediction import Nodes, Rules, predict

RULES = Rules(90.0)
SMALL = NodeType.of("small", capacity_result())
BIG = NodeType.of(
    "big <1>",
    capacity_result(
        machine=Machine(name="big", processor="a CPU", cores=16, memory_bytes=1, python="3.11"),
        calls_held=200,
        confirmed=step(200, 1_200.0),
        services={
            kind: Service(slots=14, mean_ms=300.0, variability=0.2, per_call_minute=6.0)
            for kind in ("transcription", "synthesis")
        },
    ),
    price=7.0,
)


def forecast(calls: float, refused_percent: float = 1.0, turn_p95_ms: float = 1_500.0) -> Forecast:
    """Return calls of 3 minutes, 5 turns a minute: 0.05 erlangs each."""
    return Forecast(calls, 180.0, 5.0, refused_percent, turn_p95_ms)


def meets(counts: dict[NodeType, int], asked: Forecast, rules: Rules = RULES) -> bool:
    """Return whether so many nodes meet the targets."""
    nodes = [Nodes(node_type, count) for node_type, count in counts.items()]
    return predict(nodes, asked, rules).meets(asked)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(min_value=1.0, max_value=20_000.0),
    st.sampled_from([0.1, 1.0, 5.0]),
    st.sampled_from([1_250.0, 1_500.0]),
    st.booleans(),
)
def test_the_fewest_nodes_do_and_one_less_does_not(
    calls: float, refused_percent: float, turn_p95_ms: float, apart: bool
) -> None:
    """For any forecast, together or apart."""
    rules = Rules(90.0, apart)
    asked = forecast(calls, refused_percent, turn_p95_ms)
    needed = Planner([SMALL], rules).needed(SMALL, asked)
    assert needed is not None
    assert predict([Nodes(SMALL, needed)], asked, rules).meets(asked)
    assert not predict([Nodes(SMALL, needed - 1)], asked, rules).meets(asked)


def test_a_plan_says_what_one_node_more_buys_and_what_if() -> None:
    """Three nodes for 60 erlangs: two refuse one in eight; half the traffic needs two."""
    plan = Planner([SMALL], RULES).plan(forecast(1_200.0))
    assert plan.proposed is not None
    assert plan.proposed.nodes == {"small": 3}
    assert (plan.proposed.cores, plan.proposed.price) == (6, 6.0)
    assert [choice.nodes["small"] for choice in plan.one_more] == [2, 3, 4, 5]
    refused = [choice.prediction.refused_percent for choice in plan.one_more]
    assert refused == sorted(refused, reverse=True)
    assert refused[0] == pytest.approx(12.8, abs=0.1)
    rows = {row.change: row for row in plan.what_if}
    assert rows["traffic ×0.5"].nodes == 2
    assert rows["traffic ×2"].nodes == 5
    assert rows["traffic ×2"].prediction.refused_percent == pytest.approx(30.1, abs=0.1)
    assert rows["duration ×2"].prediction == rows["traffic ×2"].prediction  # as many erlangs
    assert rows["refused at most 0.1 %"].nodes == 3
    assert "refused at most 1 %" not in rows
    assert any("Poisson" in line for line in plan.assumptions)
    assert any("does not call again" in line for line in plan.assumptions)


def test_nodes_that_are_there_count_and_spares_are_added() -> None:
    """Two of three are there; a spare makes four; with enough there nothing is added."""
    planner = Planner([SMALL], RULES, present=[Nodes(SMALL, 2)])
    plan = planner.plan(forecast(1_200.0))
    assert plan.today is not None
    assert (plan.today.nodes, plan.today.prediction.meets(plan.forecast)) == ({"small": 2}, False)
    assert plan.proposed is not None
    assert plan.proposed.nodes == {"small": 3}
    spare = Planner([SMALL], RULES, spare=1).plan(forecast(1_200.0)).proposed
    assert spare is not None
    assert spare.nodes == {"small": 4}
    enough = planner.plan(forecast(100.0))
    assert enough.proposed is not None
    assert enough.proposed.nodes == {"small": 2}


@pytest.mark.parametrize("calls", [500.0, 7_000.0, 30_000.0])
def test_of_mixes_none_has_a_node_too_many_and_the_cheapest_is_proposed(calls: float) -> None:
    """Every mix that is shown does; one node less, of either type, does not."""
    asked = forecast(calls)
    plan = Planner([SMALL, BIG], RULES).plan(asked)
    assert {next(iter(choice.nodes)) for choice in plan.alone} == {"small", "big <1>"}
    for choice in plan.mixes:
        small, big = choice.nodes["small"], choice.nodes["big <1>"]
        assert meets({SMALL: small, BIG: big}, asked)
        assert not meets({SMALL: small, BIG: big - 1}, asked)
        assert calls > 10_000.0 or not meets({SMALL: small - 1, BIG: big}, asked)
    assert plan.proposed is not None
    assert plan.proposed.price == min(choice.price for choice in (*plan.alone, *plan.mixes))
    assert calls < 1_000.0 or plan.mixes


def test_targets_that_cannot_be_met_are_explained() -> None:
    """Too short a turn, or too many calls for so many nodes."""
    slow = Planner([SMALL], RULES).plan(forecast(100.0, turn_p95_ms=600.0))
    assert slow.proposed is None
    assert slow.one_more == slow.what_if == ()
    assert "not waiting for a slot" in slow.problems[0]
    few = Planner([SMALL], RULES, at_most=5).plan(forecast(100_000.0))
    assert few.proposed is None
    assert few.problems[0].startswith("5 more small do not do: 144 lines")


@pytest.mark.parametrize("apart", [False, True])
def test_the_picture_has_a_curve_for_each_number_of_nodes(apart: bool) -> None:
    """Valid XML, names escaped, both panels, the targets written."""
    planner = Planner([SMALL, BIG], Rules(90.0, apart))
    plan = planner.plan(forecast(3_000.0))
    root = ElementTree.fromstring(chart(plan, planner))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) > len(plan.one_more) >= 3
    words = [text.text or "" for text in root.iter() if text.tag.endswith("text")]
    assert {"refused calls", "turn p95", "target: 1 %", "target: 1500 ms"} <= set(words)
    assert any("big <1>" in line for line in words)
