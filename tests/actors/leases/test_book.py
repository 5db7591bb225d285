"""The lease book by examples, beside its model in `test_leases_in_any_order`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from actors.leases.book import NO_SLOTS, Answer, Doubted, Granted, LeaseBook, Refusal, Refused, SlotCounts
from actors.messages import Lease, LeaseRequest, Priority, WorkKind, WorkOutcome

STT, TTS = WorkKind.TRANSCRIPTION, WorkKind.SYNTHESIS
EMERGENCY, HIGH, NORMAL, BACKGROUND = Priority
DONE = WorkOutcome.DONE


def request(
    lease_id: str,
    priority: Priority = NORMAL,
    *,
    is_ahead: bool = False,
    kind: WorkKind = STT,
    ingress_id: str = "i",
    session_id: str | None = "call",
    wait_s: float = 5.0,
    hold_s: float = 1_000.0,
) -> LeaseRequest:
    return LeaseRequest(lease_id, kind, ingress_id, session_id, wait_s, hold_s, priority, is_ahead)


def holders(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """Return (lease, worker) of each grant; there must be nothing else."""
    assert all(isinstance(answer, Granted) for answer in answers)
    return [(it.lease.lease_id, it.lease.worker_id) for it in answers if isinstance(it, Granted)]


def served(book: LeaseBook, holder: str, now: float) -> list[str]:
    """Give the only slot back until no request waits; return those that were served, in order."""
    order: list[str] = []
    while answers := book.give_back(holder, DONE, now):
        ((holder, _),) = holders(answers)
        order.append(holder)
    return order


@pytest.fixture
def book() -> LeaseBook:
    """A book with one transcription worker, w1, and short queues."""
    made = LeaseBook(queue_limit=3)
    made.lend("w1", STT, now=0.0)
    return made


@pytest.fixture
def queue() -> LeaseBook:
    """A book whose only slot is taken by `holder`; long queues, aging after 5 s."""
    made = LeaseBook(queue_limit=1_000, aging_s=5.0)
    made.lend("w1", STT, now=0.0)
    made.request(request("holder", EMERGENCY), now=0.0)
    return made


# One slot, one holder


def test_an_idle_worker_is_lent_before_one_with_a_slot_left() -> None:
    """Whichever of two workers of two slots became free."""
    book = LeaseBook()
    for worker_id in ("w1", "w2"):
        book.lend(worker_id, STT, now=0.0, slots=2)
    ((_, first),) = holders(book.request(request("a"), now=0.0))
    ((_, second),) = holders(book.request(request("b"), now=0.0))
    assert {first, second} == {"w1", "w2"}
    for number, (given_back, idle) in enumerate((("b", second), ("a", first))):
        book.give_back(given_back, DONE, now=1.0)
        assert holders(book.request(request(f"next {number}"), now=1.0)) == [(f"next {number}", idle)]


@pytest.mark.parametrize(
    ("outcome", "doubts", "slots"),
    [
        (WorkOutcome.DONE, [], SlotCounts(1, 0)),
        (WorkOutcome.FAILED, [], SlotCounts(1, 0)),
        (WorkOutcome.ABANDONED, [Doubted("w1", is_lost=False)], SlotCounts(1, 1)),
        (WorkOutcome.LOST, [Doubted("w1", is_lost=True)], NO_SLOTS),
    ],
)
def test_the_outcome_decides_what_becomes_of_the_slot(
    book: LeaseBook, outcome: WorkOutcome, doubts: list[Doubted], slots: SlotCounts
) -> None:
    """Done or refused by the engine, the slot is free; abandoned or lost, it rests until it is lent again."""
    book.request(request("a"), now=0.0)
    assert book.give_back("a", outcome, now=1.0) == doubts
    assert book.slots(STT) == slots
    assert bool(book.request(request("b"), now=1.0)) == (not doubts)
    assert len(book.lend("w1", STT, now=2.0)) == len(doubts)


# The order


def test_classes_come_in_their_order_and_final_work_before_ahead_of_time_work(queue: LeaseBook) -> None:
    """Emergency, high, normal, background; ahead-of-time work last, in order of arrival."""
    for priority in reversed(Priority):
        for which in ("ahead", "final"):
            queue.request(request(f"{priority} {which}", priority, is_ahead=which == "ahead"), now=0.0)
    finals = [f"{priority} final" for priority in Priority]
    assert served(queue, "holder", 1.0) == finals + [f"{priority} ahead" for priority in reversed(Priority)]


def test_waiting_makes_up_for_a_lower_class(queue: LeaseBook) -> None:
    """Normal work that came more than the aging time earlier goes before high work, else behind it."""
    for lease_id, priority, now in (("old", NORMAL, 0.0), ("high", HIGH, 4.0), ("higher", HIGH, 6.0)):
        queue.request(request(lease_id, priority, wait_s=20.0), now=now)
    assert served(queue, "holder", now=7.0) == ["high", "old", "higher"]


def test_promoted_work_joins_the_final_work_of_its_class(queue: LeaseBook) -> None:
    """As if it came now, by a promotion or by asking again; its deadline stays."""
    queue.request(request("ahead", is_ahead=True, wait_s=6.0), now=0.0)
    queue.request(request("also ahead", is_ahead=True), now=0.0)
    queue.request(request("background", BACKGROUND), now=0.0)
    queue.request(request("first"), now=1.0)
    assert queue.promote("ahead", now=2.0) == []
    assert queue.request(request("also ahead"), now=2.0) == []
    queue.request(request("last"), now=3.0)
    assert queue.expire(now=6.0) == [
        Refused(it, Refusal.LATE) for it in ("also ahead", "background", "ahead", "first")
    ]
    assert served(queue, "holder", now=7.0) == ["last"]


@pytest.mark.parametrize("by", ["promotion", "asking again"])
def test_promoted_work_keeps_to_the_limit_of_its_class(book: LeaseBook, by: str) -> None:
    """It is refused as a newcomer: else a queue could grow by promotions without an end."""
    for lease_id in ("holder", "f1", "f2", "f3"):
        book.request(request(lease_id), now=0.0)
    for lease_id in ("a1", "a2"):
        book.request(request(lease_id, is_ahead=True), now=0.0)
        promoted = book.promote(lease_id, 1.0) if by == "promotion" else book.request(request(lease_id), 1.0)
        assert promoted == [Refused(lease_id, Refusal.QUEUE_FULL)]
    assert book.waiting(STT) == 3


@pytest.mark.parametrize("flood", [HIGH, NORMAL])
def test_every_request_is_served_in_the_end(flood: Priority, queue: LeaseBook) -> None:
    """One slot, always more urgent newcomers: background work still gets it, after three aging times."""
    queue.request(request("old", BACKGROUND, wait_s=1e9), now=0.0)
    holder = "holder"
    for now in range(1, 100):  # one more comes than is served
        queue.request(request(f"flood {2 * now}", flood, wait_s=1e6), now=float(now))
        queue.request(request(f"flood {2 * now + 1}", flood, wait_s=1e6), now=float(now))
        ((holder, _),) = holders(queue.give_back(holder, DONE, now=float(now)))
        if holder == "old":
            break
    assert holder == "old"
    assert now <= 2 * 3 * 5


def test_the_longest_wait_is_that_of_final_work_background_apart(queue: LeaseBook) -> None:
    """Of any other class and kind."""
    assert queue.longest_wait_s(now=1.0) == 0.0
    queue.request(request("background", BACKGROUND), now=1.0)
    queue.request(request("ahead", is_ahead=True), now=1.0)
    queue.request(request("a"), now=3.0)
    queue.request(request("b", EMERGENCY, kind=TTS), now=2.0)
    assert queue.longest_wait_s(now=4.0) == 2.0


# Ahead-of-time work


def test_ahead_of_time_work_never_takes_the_last_free_slot() -> None:
    """So the final request that comes next finds one; when two are free again the other is granted."""
    book = LeaseBook()
    for worker_id in ("w1", "w2", "w3"):
        book.lend(worker_id, STT, now=0.0)
    assert book.request(request("1", is_ahead=True), now=0.0)
    assert book.request(request("2", is_ahead=True), now=0.0)
    assert book.request(request("3", is_ahead=True), now=0.0) == []
    assert book.request(request("final"), now=0.0)
    assert book.give_back("1", DONE, now=1.0) == []
    assert holders(book.give_back("final", DONE, now=1.0)) == [("3", "w1")]


def test_ahead_of_time_work_of_no_call_stands_behind_that_of_calls(queue: LeaseBook) -> None:
    """However long it has waited."""
    queue.request(request("door", is_ahead=True, session_id=None), now=0.0)
    queue.request(request("call", is_ahead=True), now=1.0)
    assert served(queue, "holder", 2.0) == ["call", "door"]


# Full queues


def test_a_full_queue_refuses_the_newcomer_of_its_own_class(book: LeaseBook) -> None:
    """At once; other classes and ahead-of-time work have queues of their own."""
    book.request(request("holder"), now=0.0)
    for lane in (
        {"priority": NORMAL},
        {"priority": BACKGROUND},
        {"priority": EMERGENCY},
        {"is_ahead": True},
        {"is_ahead": True, "session_id": None},
    ):
        for number in range(3):
            assert book.request(request(f"{lane} {number}", **lane), now=0.0) == []  # type: ignore[arg-type]
        refused = f"{lane} 3"
        sooner = request(refused, wait_s=1.0, **lane)  # type: ignore[arg-type]
        assert book.request(sooner, now=0.0) == [Refused(refused, Refusal.QUEUE_FULL)]
    assert book.waiting(STT) == 15


def test_settings_may_change_while_requests_wait(queue: LeaseBook) -> None:
    """The limit holds for the next newcomer, the aging time at once."""
    queue.request(request("a", wait_s=60.0), now=0.0)
    queue.queue_limit, queue.aging_s = 1, 2.0
    assert queue.request(request("b"), now=0.0) == [Refused("b", Refusal.QUEUE_FULL)]
    queue.request(request("high", HIGH, wait_s=90.0), now=3.0)
    assert served(queue, "holder", now=3.0) == ["a", "high"]


# Counts


def test_work_that_no_call_asked_for_is_counted_apart(book: LeaseBook) -> None:
    """It is busy, and no load."""
    book.lend("w2", STT, now=0.0)
    book.request(request("phrase", session_id=None), now=0.0)
    book.request(request("a"), now=0.0)
    assert book.slots(STT) == SlotCounts(total=2, busy=2, for_no_call=1)
    book.give_back("phrase", DONE, now=1.0)
    assert book.slots(STT) == SlotCounts(total=2, busy=1)


# A former manager's leases


def lease(lease_id: str, worker_id: str = "w1") -> Lease:
    return Lease(lease_id, STT, worker_id, wait_ms=1.0)


def test_a_request_that_waits_here_may_hold_a_lease_of_the_former_manager(queue: LeaseBook) -> None:
    """It asked again when the answer was lost, and then the answer came: it waits no longer."""
    queue.request(request("a"), now=0.0)
    assert queue.adopt(request("a"), lease("a", "w3"), now=1.0) == [Granted(lease("a", "w3"))]
    assert queue.waiting(STT) == 0
