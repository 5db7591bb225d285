"""Metrics of a model that a test fills: cost, number of series, and what is counted how."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from live_calls import link_to_nobody, live_call

from ingress.link.live import Activity
from ingress.link.messages import CallEnded, TurnFinished
from ingress.link.records import CallRecord, StageTimes, TurnRecord
from ingress.web.live import LiveModel
from ingress.web.metrics import Metrics
from ingress.web.processes import processes
from ingress.web.totals import MAXIMUM_REASONS, Outcome, Totals, outcome

UTTERANCE: dict[str, Any] = {"turn": 2, "kind": "utterance", "first_answer_ms": 700.0}


def series(live: LiveModel) -> set[str]:
    """Return the names and labels of all series."""
    lines = Metrics(live).text(processes(os.getpid())).decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


async def test_calls_cost_little_and_no_series() -> None:
    """400 calls with turns and ends: the same series as with one, within 50 ms."""
    live = LiveModel()
    activities = list(Activity)
    seen: list[set[str]] = []
    stages = StageTimes(lease_wait_ms=1.0, transcription_ms=200.0, dialog_ms=1.0, synthesis_ms=80.0)
    async with link_to_nobody() as link:
        for number in range(400):
            call_id = f"call-{number}"
            live.seen(live_call(call_id, activity=activities[number % len(activities)]), link)
            live.take(TurnFinished(call_id=call_id, record=TurnRecord(**UTTERANCE, stages=stages)))
            record = CallRecord(call_id=call_id, extension="sales", end_reason=f"the caller {number} hung up")
            live.take(CallEnded(record=record))
            if number in (0, 399):
                seen.append(series(live))
        assert seen[0] == seen[1]
        assert not any("call-" in name for name in seen[1])
        times_s = []
        for _ in range(5):
            start_s = time.perf_counter()
            Metrics(live).text(processes(os.getpid()))
            times_s.append(time.perf_counter() - start_s)
        assert min(times_s) < 0.05


async def test_without_a_gateway_the_rest_is_there() -> None:
    """What the gateway alone knows is missing, not 0."""
    live = LiveModel()
    async with link_to_nobody() as link:
        live.seen(live_call("a", return_activity=Activity.SPEAKING), link)
        text = Metrics(live).text({}).decode()
    assert 'raymal_return_legs{extension="sales"} 1.0' in text
    assert 'raymal_up{process="gateway"} 0.0' in text
    assert 'raymal_calls{activity="listening",extension="sales"} 1.0' in text
    assert "raymal_ready" not in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Outcome.ANSWERED),
        ({"first_answer_ms": None}, Outcome.SILENT),
        ({"was_interrupted": True}, Outcome.INTERRUPTED),
        ({"was_overtaken": True, "first_answer_ms": None}, Outcome.OVERTAKEN),
        ({"was_understood": False}, Outcome.WITHOUT_WORDS),
        ({"failure": "x", "was_interrupted": True}, Outcome.FAILED),
        ({"transcription_failure": "x", "was_understood": False}, Outcome.FAILED),
    ],
)
def test_a_turn_has_one_outcome(changes: dict[str, Any], expected: Outcome) -> None:
    """A fault goes before what the caller did."""
    assert outcome(TurnRecord(**(UTTERANCE | changes))) is expected


def test_refusals_are_counted_by_few_reasons() -> None:
    """Numbers in a reason make no new one, and there is a limit; refused calls are no calls."""
    totals = Totals()

    def refuse(reason: str) -> None:
        totals.take_call(
            CallRecord(call_id="a", extension="sales", was_refused=True, end_reason=f"refused: {reason}")
        )

    def refused(reason: str) -> float | None:
        return totals.registry.get_sample_value("raymal_calls_refused_total", {"reason": reason})

    assert refused("all lines are busy") == 0.0
    refuse("all 50 calls are taken")
    refuse("all 60 calls are taken")
    assert refused("all N calls are taken") == 2.0
    for number in range(MAXIMUM_REASONS):
        refuse(f"{'x' * number}")
    assert (refused("other") or 0.0) > 0.0
    of_sales = {"extension": "sales"}
    counted = totals.registry.get_sample_value("raymal_extension_calls_refused_total", of_sales)
    assert counted == MAXIMUM_REASONS + 2
    assert totals.registry.get_sample_value("raymal_calls_ended_total", of_sales) is None


async def test_labels_are_those_of_the_extensions_that_the_status_knows() -> None:
    """Calls of an extension that was removed are counted together, and its series go."""
    live = LiveModel()
    live.totals.know(["default", "sales"])
    ended = CallRecord(call_id="a", extension="sales", end_reason="x")
    live.totals.take_call(ended)
    live.totals.know(["default"])
    live.totals.take_call(ended)
    async with link_to_nobody() as link:
        live.seen(live_call("b"), link)
        live.seen(live_call("c", extension="gone"), link)
        text = Metrics(live).text({}).decode()
    assert 'raymal_calls{activity="listening",extension="other"} 2.0' in text
    assert 'raymal_calls_ended_total{extension="other"} 1.0' in text
    assert 'raymal_calls_ended_total{extension="default"} 0.0' in text
    assert "sales" not in text
    assert "gone" not in text


def test_underruns_of_an_unfinished_turn_count() -> None:
    """Its call ended before it was reported."""
    totals = Totals()
    turn = TurnRecord(**UTTERANCE, underruns=3, underrun_ms=60.0)
    totals.take_turn(turn)
    totals.take_call(CallRecord(call_id="a", extension="sales", end_reason="x", unfinished=turn))
    assert totals.registry.get_sample_value("raymal_underrun_frames_total") == 6.0
    assert totals.registry.get_sample_value("raymal_underrun_seconds_total") == pytest.approx(0.12)


def test_this_process_is_measured() -> None:
    """As a supervisor without children of a server; its CPU time and memory are what the kernel says."""
    use = processes(os.getpid())["supervisor"]
    assert use.processes == 1
    assert use.memory_bytes > 20_000_000
    assert 0.0 < use.cpu_s <= time.process_time() + 1.0
