"""The live model: what runs, what has ended, and readers who are told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from live_calls import link_to_nobody, live_call

from ingress.link.link import Link
from ingress.link.live import Activity
from ingress.link.messages import CallEnded, CallGone, CallSeen, TurnFinished
from ingress.link.records import CallRecord, TurnRecord
from ingress.web.live import KEPT_RECORDS, LiveModel
from ingress.web.subscription import MAXIMUM_WAITING, Subscription


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A link to nobody."""
    async with link_to_nobody() as link:
        yield link


async def test_calls_come_change_and_go(link: Link) -> None:
    """The oldest call is first; a lost media worker takes its calls with it, and readers are told."""
    live = LiveModel()
    live.seen(live_call("b", started_at_s=2.0), link)
    live.seen(live_call("a"), link)
    with live.subscribe() as reader:
        assert live.readers == 1
        live.seen(live_call("a", activity=Activity.SPEAKING), link)
        assert [call.call_id for call in live.calls] == ["a", "b"]
        assert live.activities == {("sales", Activity.SPEAKING): 1, ("sales", Activity.LISTENING): 1}
        live.worker_gone(link)
        assert live.calls == []
        live.gone("a")  # again: nobody is told
        assert await reader.take() == (CallGone(call_id="b"), CallGone(call_id="a"))
    assert live.readers == 0


async def test_running_calls_are_bounded(
    link: Link, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Further ones are not kept, which is logged once; those that are kept still change and go."""
    monkeypatch.setattr("ingress.web.live.MAXIMUM_CALLS", 2)
    live = LiveModel()
    for call_id in "abcd":
        live.seen(live_call(call_id), link)
    live.seen(live_call("a", turns=1), link)
    assert [(call.call_id, call.turns) for call in live.calls] == [("a", 1), ("b", 0)]
    assert caplog.text.count("more than 2 calls") == 1
    live.gone("c")
    live.gone("a")
    live.seen(live_call("c"), link)
    assert [call.call_id for call in live.calls] == ["b", "c"]


def test_records_are_bounded_and_counted_once() -> None:
    """The newest records are kept; one that a new gateway reports again is not counted again."""
    live = LiveModel()
    records = [
        CallRecord(record_id=str(number), call_id="same", extension="sales", end_reason="the caller hung up")
        for number in range(KEPT_RECORDS + 2)
    ]
    for record in (*records, records[-1]):
        live.take(CallEnded(record=record))
    assert live.records == records[:1:-1]
    assert live.record("same") == records[-1]
    assert live.record("other") is None
    counted = live.totals.registry.get_sample_value("raymal_calls_ended_total", {"extension": "sales"})
    assert counted == len(records)


async def test_a_reader_gets_the_newest_of_a_call_in_order() -> None:
    """What a later change of the same call has replaced is not told."""
    reader = Subscription()
    turn = TurnFinished(call_id="a", record=TurnRecord(turn=1, kind="greeting"))
    for change in (CallSeen(call=live_call("a")), turn, CallSeen(call=live_call("a", turns=1))):
        reader.put(change)
    assert await reader.take() == (turn, CallSeen(call=live_call("a", turns=1)))


async def test_a_reader_who_does_not_read_falls_behind() -> None:
    """It holds nothing then, is told at once, and stays so."""
    reader = Subscription()
    for number in range(MAXIMUM_WAITING + 1):
        reader.put(CallGone(call_id=str(number)))
    reader.put(CallGone(call_id="later"))
    assert reader.has_fallen_behind
    assert await reader.take() == ()
