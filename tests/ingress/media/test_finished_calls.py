"""Records of finished calls reach a gateway, whatever becomes of gateways and links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.link.messages import CallEnded, Message
from ingress.link.records import CallRecord
from ingress.media import finished_calls
from ingress.media.finished_calls import KEPT_RECORDS, REPEATED_AT_ONCE, FinishedCalls


def ended() -> CallEnded:
    record = CallRecord(call_id="c", extension="default", end_reason="the caller hung up")
    return CallEnded(record=record, state={"name": "Ana"})


class Gateway:
    """The other end of a link: `is_there` or not, and what it has taken."""

    def __init__(self) -> None:
        self.is_there = False
        self.taken: dict[str, bool] = {}
        """Ids of records, and whether the last sending was a repetition."""

    def send(self, message: Message) -> bool:
        """Take a message, if the gateway is there."""
        assert isinstance(message, CallEnded)
        assert message.state == {"name": "Ana"}
        if self.is_there:
            self.taken[message.record.record_id] = message.is_repeated
        return self.is_there


def test_what_ends_while_no_gateway_is_there_is_sent_to_the_next() -> None:
    """Once; what comes after it is sent at once."""
    kept, gateway = FinishedCalls(), Gateway()
    early, late = ended(), ended()
    kept.add(early, gateway.send)
    assert gateway.taken == {}
    assert kept.waits_for_gateway
    gateway.is_there = True
    kept.gateway_speaks(gateway.send)
    kept.add(late, gateway.send)
    assert gateway.taken == {early.record.record_id: True, late.record.record_id: False}
    gateway.taken.clear()
    kept.gateway_speaks(gateway.send)
    assert gateway.taken == {}, "only a new link needs them again"
    kept.acknowledge(early.record.record_id, gateway.send)
    kept.link_broke()
    kept.gateway_speaks(gateway.send)
    assert gateway.taken == {late.record.record_id: True}
    kept.acknowledge(late.record.record_id, gateway.send)
    kept.acknowledge("unknown", gateway.send)
    assert len(kept) == 0


def test_the_oldest_is_lost_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """And counted."""
    monkeypatch.setattr(finished_calls, "KEPT_RECORDS", 3)
    kept, gateway = FinishedCalls(), Gateway()
    records = [ended() for _ in range(5)]
    for each in records:
        kept.add(each, gateway.send)
    gateway.is_there = True
    kept.gateway_speaks(gateway.send)
    assert list(gateway.taken) == [each.record.record_id for each in records[2:]]
    assert (kept.lost, len(kept)) == (2, 3)


def test_many_records_are_not_sent_in_one_go() -> None:
    """The audio clock is on the same loop: a few, then one for each that the gateway has."""
    kept, gateway = FinishedCalls(), Gateway()
    records = [ended() for _ in range(KEPT_RECORDS)]
    for each in records:
        kept.add(each, gateway.send)
    gateway.is_there = True
    kept.gateway_speaks(gateway.send)
    assert len(gateway.taken) == REPEATED_AT_ONCE
    for sent, each in enumerate(records, start=REPEATED_AT_ONCE + 1):
        kept.acknowledge(each.record.record_id, gateway.send)
        assert len(gateway.taken) == min(sent, KEPT_RECORDS)
    assert len(kept) == 0


@given(st.lists(st.sampled_from(["end", "break", "link", "acknowledge"])))
def test_no_record_is_lost(steps: list[str]) -> None:
    """Whatever happens in whatever order: once a gateway is there and acknowledges, it has had all."""
    kept, gateway = FinishedCalls(), Gateway()
    all_ended: set[str] = set()
    had: set[str] = set()

    def acknowledge() -> None:
        while new := gateway.taken.keys() - had:
            had.update(new)
            for record_id in new:
                kept.acknowledge(record_id, gateway.send)

    for step in [*steps, "break", "link", "acknowledge"]:
        match step:
            case "end":
                each = ended()
                all_ended.add(each.record.record_id)
                kept.add(each, gateway.send)
            case "break":
                gateway.is_there = False
                gateway.taken.clear()
                kept.link_broke()
            case "link" if not gateway.is_there:
                gateway.is_there = True
                kept.gateway_speaks(gateway.send)
            case "acknowledge":
                acknowledge()
    assert had == all_ended
    assert len(kept) == 0
