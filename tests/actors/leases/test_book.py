"""The lease book by examples: one holder per slot, a plain order, one end for every request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from actors.leases.book import NO_SLOTS, Answer, Doubted, Granted, LeaseBook, Refusal, Refused, SlotCounts
from actors.messages import Lease, LeaseRequest, Priority, WorkKind, WorkOutcome

STT, TTS = WorkKind.TRANSCRIPTION, WorkKind.SYNTHESIS
EMERGENCY, HIGH, NORMAL, BACKGROUND = Priority
DONE, ABANDONED, LOST = WorkOutcome.DONE, WorkOutcome.ABANDONED, WorkOutcome.LOST


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


def test_a_free_slot_is_granted_at_once(book: LeaseBook) -> None:
    """Also to a request that is not willing to wait; the next such one is refused at once."""
    (granted,) = book.request(request("a", wait_s=0.0), now=1.0)
    assert isinstance(granted, Granted)
    assert (granted.lease.worker_id, granted.lease.wait_ms) == ("w1", 0.0)
    assert book.request(request("b", EMERGENCY, wait_s=0.0), now=1.0) == [Refused("b", Refusal.LATE)]


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


def test_a_repeated_request_is_the_same_request(book: LeaseBook) -> None:
    """Granted it gets its lease again, waiting it keeps its place, ended it stays ended."""
    first = book.request(request("a"), now=0.0)
    assert book.request(request("a"), now=1.0) == first
    book.request(request("b"), now=1.0)
    book.request(request("c"), now=2.0)
    assert book.request(request("b"), now=3.0) == []
    assert holders(book.give_back("a", DONE, now=4.0)) == [("b", "w1")]
    assert book.request(request("a"), now=5.0) == [Refused("a", Refusal.ENDED)]


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


def test_a_withdrawal_that_overtakes_its_request_wins(book: LeaseBook) -> None:
    """Messages may overtake each other: a request that was given up before it arrived is refused."""
    book.give_back("a", ABANDONED, now=0.0)
    assert book.request(request("a"), now=1.0) == [Refused("a", Refusal.ENDED)]


def test_a_gone_ingress_leaves_nothing_behind(book: LeaseBook) -> None:
    """What it waited for is refused, what it held puts its worker in doubt, and others move up."""
    book.request(request("a", ingress_id="gone"), now=0.0)
    book.request(request("b", ingress_id="gone"), now=0.0)
    book.request(request("c", ingress_id="there"), now=0.0)
    assert book.drop_ingress("gone") == [Refused("b", Refusal.INGRESS_GONE), Doubted("w1", is_lost=False)]
    assert holders(book.lend("w1", STT, now=1.0)) == [("c", "w1")]


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


def test_age_never_passes_an_emergency(queue: LeaseBook) -> None:
    """However long the others have waited."""
    queue.request(request("old", HIGH, wait_s=600.0), now=0.0)
    queue.request(request("emergency", EMERGENCY), now=100.0)
    assert served(queue, "holder", now=100.0) == ["emergency", "old"]


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


def test_the_longest_wait_is_that_of_final_work_background_apart(queue: LeaseBook) -> None:
    """Of any other class and kind."""
    assert queue.longest_wait_s(now=1.0) == 0.0
    queue.request(request("background", BACKGROUND), now=1.0)
    queue.request(request("ahead", is_ahead=True), now=1.0)
    queue.request(request("a"), now=3.0)
    queue.request(request("b", EMERGENCY, kind=TTS), now=2.0)
    assert queue.longest_wait_s(now=4.0) == 2.0


def test_background_work_waits_while_it_is_held_back(book: LeaseBook) -> None:
    """Not even a free slot is for it, nor for ahead-of-time work; others pass; afterwards it is granted."""
    book.holds_background = True
    assert book.request(request("back", BACKGROUND, wait_s=60.0), now=0.0) == []
    assert book.request(request("ahead", is_ahead=True, wait_s=30.0), now=0.0) == []
    assert holders(book.request(request("a"), now=20.0)) == [("a", "w1")]
    assert book.give_back("a", DONE, now=21.0) == []
    assert book.expire(now=30.0) == [Refused("ahead", Refusal.LATE)]
    book.holds_background = False
    assert holders(book.expire(now=31.0)) == [("back", "w1")]


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


def test_once_it_is_final_it_takes_the_last_slot(book: LeaseBook) -> None:
    """The pause was the end of the utterance."""
    book.lend("w2", STT, now=0.0)
    book.request(request("a"), now=0.0)
    assert book.request(request("ahead", is_ahead=True), now=0.0) == []
    assert holders(book.promote("ahead", now=0.3)) == [("ahead", "w2")]


def test_where_there_is_one_slot_in_all_it_may_take_that_one(book: LeaseBook) -> None:
    """While no final work waits; final work that comes meanwhile waits until it is done."""
    assert holders(book.request(request("ahead", is_ahead=True), now=0.0)) == [("ahead", "w1")]
    book.request(request("more", is_ahead=True), now=0.0)
    book.request(request("final"), now=0.1)
    assert served(book, "ahead", now=0.3) == ["final", "more"]


# Full queues, deadlines


def test_a_full_queue_refuses_the_newcomer_of_its_own_class(book: LeaseBook) -> None:
    """At once; other classes and ahead-of-time work have queues of their own."""
    book.request(request("holder"), now=0.0)
    for lane in (
        {"priority": NORMAL},
        {"priority": BACKGROUND},
        {"priority": EMERGENCY},
        {"is_ahead": True},
    ):
        for number in range(3):
            assert book.request(request(f"{lane} {number}", **lane), now=0.0) == []  # type: ignore[arg-type]
        refused = f"{lane} 3"
        sooner = request(refused, wait_s=1.0, **lane)  # type: ignore[arg-type]
        assert book.request(sooner, now=0.0) == [Refused(refused, Refusal.QUEUE_FULL)]
    assert book.waiting(STT) == 12


def test_a_request_that_waited_too_long_is_refused(book: LeaseBook) -> None:
    """At its deadline, not before."""
    book.request(request("a"), now=0.0)
    book.request(request("b", wait_s=2.0), now=1.0)
    assert book.expire(now=2.9) == []
    assert book.expire(now=3.0) == [Refused("b", Refusal.LATE)]


def test_an_overdue_lease_ends_but_its_slot_rests(book: LeaseBook) -> None:
    """Past its time to live the lease is over; the slot returns when its worker is lent again."""
    book.request(request("a", hold_s=10.0), now=0.0)
    book.request(request("b", wait_s=60.0), now=1.0)
    assert book.expire(now=10.0) == [Doubted("w1", is_lost=False)]
    assert book.held("a") is None
    assert holders(book.lend("w1", STT, now=11.0)) == [("b", "w1")]


def test_settings_may_change_while_requests_wait(queue: LeaseBook) -> None:
    """The limit holds for the next newcomer, the aging time at once."""
    queue.request(request("a", wait_s=60.0), now=0.0)
    queue.queue_limit, queue.aging_s = 1, 2.0
    assert queue.request(request("b"), now=0.0) == [Refused("b", Refusal.QUEUE_FULL)]
    queue.request(request("high", HIGH, wait_s=90.0), now=3.0)
    assert served(queue, "holder", now=3.0) == ["a", "high"]


# Workers with several slots


def test_a_worker_may_have_several_slots(book: LeaseBook) -> None:
    """Each serves one request; leases are spread over the workers before one gets a second."""
    book.lend("w2", STT, now=0.0, slots=3)
    workers = [holders(book.request(request(f"{number}"), now=0.0))[0][1] for number in range(4)]
    assert workers == ["w1", "w2", "w2", "w2"]
    assert book.request(request("5"), now=0.0) == []
    assert book.slots(STT) == SlotCounts(total=4, busy=4)
    assert book.worker_slots("w2") == SlotCounts(total=3, busy=3)
    assert book.slots(TTS) == NO_SLOTS


def test_a_doubtful_slot_keeps_the_whole_worker_from_new_work(book: LeaseBook) -> None:
    """The other lease goes on; until the worker is lent again no new request gets a slot of it."""
    book.remove_worker("w1")
    book.lend("w2", STT, now=0.0, slots=2)
    book.request(request("a"), now=0.0)
    book.request(request("b"), now=0.0)
    assert book.give_back("a", ABANDONED, now=1.0) == [Doubted("w2", is_lost=False)]
    assert book.slots(STT) == SlotCounts(total=2, busy=2)
    assert book.request(request("c"), now=2.0) == []
    assert holders(book.lend("w2", STT, now=3.0, slots=2)) == [("c", "w2")]
    assert book.held("b") is not None


def test_a_resting_worker_finishes_its_leases_and_gets_no_other(book: LeaseBook) -> None:
    """It is used until the last of them ends, and its slots are not for new work."""
    book.request(request("a"), now=0.0)
    book.request(request("b"), now=0.0)
    book.rest("w1")
    assert book.is_used("w1")
    assert book.give_back("a", DONE, now=1.0) == []
    assert not book.is_used("w1")
    assert book.slots(STT) == SlotCounts(total=1, busy=1)


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


def test_an_adopted_lease_keeps_its_slot(book: LeaseBook) -> None:
    """It is out as if granted here: adopted twice it is one, and given back its slot serves the next."""
    assert book.adopt(request("a"), lease("a"), now=0.0) == [Granted(lease("a"))]
    assert book.adopt(request("a"), lease("a"), now=0.0) == [Granted(lease("a"))]
    assert book.request(request("b"), now=0.0) == []
    assert holders(book.give_back("a", DONE, now=1.0)) == [("b", "w1")]


def test_a_lease_is_adopted_before_its_worker_is_known() -> None:
    """The worker comes with its slot taken; nothing is counted before it is there."""
    book = LeaseBook()
    book.adopt(request("a"), lease("a"), now=0.0)
    assert book.slots(STT) == NO_SLOTS
    book.request(request("b"), now=0.0)
    assert book.lend("w1", STT, now=1.0) == []
    assert book.slots(STT) == SlotCounts(total=1, busy=1)
    assert holders(book.give_back("a", DONE, now=2.0)) == [("b", "w1")]


def test_more_adopted_leases_than_slots_all_go_on(book: LeaseBook) -> None:
    """The worker is lent again once fewer are out than it has slots."""
    book.request(request("new"), now=0.0)
    assert book.adopt(request("old"), lease("old"), now=1.0) == [Granted(lease("old"))]
    assert book.slots(STT) == SlotCounts(total=1, busy=1)
    book.request(request("next"), now=1.0)
    assert book.give_back("old", DONE, now=2.0) == []
    assert holders(book.give_back("new", DONE, now=2.0)) == [("next", "w1")]


def test_a_request_that_waits_here_may_hold_a_lease_of_the_former_manager(queue: LeaseBook) -> None:
    """It asked again when the answer was lost, and then the answer came: it waits no longer."""
    queue.request(request("a"), now=0.0)
    assert queue.adopt(request("a"), lease("a", "w3"), now=1.0) == [Granted(lease("a", "w3"))]
    assert queue.waiting(STT) == 0
