"""The lease book: one holder per slot, an order that everybody can read, one end for every request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from actors.leases.book import Answer, Granted, LeaseBook, Refusal, Refused, SlotCounts, SlotState
from actors.leases.queue import EMERGENCY_RUN
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
    wait_s: float = 5.0,
    hold_s: float = 1_000.0,
) -> LeaseRequest:
    return LeaseRequest(lease_id, kind, ingress_id, "call", wait_s, hold_s, priority, is_ahead)


def holders(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """Return (lease, worker) of each grant; there must be nothing else."""
    assert all(isinstance(answer, Granted) for answer in answers)
    return [(it.lease.lease_id, it.lease.worker_id) for it in answers if isinstance(it, Granted)]


def served(book: LeaseBook, holder: str, now: float) -> list[str]:
    """Give the only slot back until nobody waits; return who was served, in order."""
    order: list[str] = []
    while answers := book.give_back(holder, DONE, now):
        ((holder, _),) = holders(answers)
        order.append(holder)
    return order


@pytest.fixture
def book() -> LeaseBook:
    """A book with one transcription worker, w1."""
    made = LeaseBook(queue_limit=3)
    made.add_worker("w1", STT, now=0.0)
    return made


@pytest.fixture
def queue() -> LeaseBook:
    """A book whose only slot is taken, by the emergency `holder`; long queue, aging after 5 s."""
    made = LeaseBook(queue_limit=100, aging_s=5.0)
    made.add_worker("w1", STT, now=0.0)
    made.request(request("holder", EMERGENCY), now=0.0)
    return made


# One slot, one holder


def test_a_free_slot_is_granted_at_once(book: LeaseBook) -> None:
    """With a free worker nobody waits, not even a request that is not willing to."""
    (granted,) = book.request(request("a", wait_s=0.0), now=1.0)
    assert isinstance(granted, Granted)
    assert (granted.lease.worker_id, granted.lease.wait_ms) == ("w1", 0.0)


def test_who_has_nothing_to_do_is_lent_before_who_has_a_slot_left() -> None:
    """Whichever of two workers of two slots became free."""
    book = LeaseBook()
    for worker_id in ("w1", "w2"):
        book.add_worker(worker_id, STT, now=0.0, slots=2)
    ((_, first),) = holders(book.request(request("a"), now=0.0))
    ((_, second),) = holders(book.request(request("b"), now=0.0))
    assert {first, second} == {"w1", "w2"}
    for number, (given_back, idle) in enumerate((("b", second), ("a", first))):
        book.give_back(given_back, DONE, now=1.0)
        assert holders(book.request(request(f"next {number}"), now=1.0)) == [(f"next {number}", idle)]


def test_without_a_free_slot_the_unwilling_are_refused(book: LeaseBook) -> None:
    """Who is not willing to wait is told at once, and takes nobody's place in a full queue."""
    for lease_id in ("a", "b", "c", "d"):
        book.request(request(lease_id), now=0.0)
    assert book.request(request("e", EMERGENCY, wait_s=0.0), now=0.0) == [Refused("e", Refusal.LATE)]
    assert book.waiting(STT) == 3


def test_a_lease_says_how_long_its_request_waited(queue: LeaseBook) -> None:
    """From its arrival to its grant, in milliseconds."""
    queue.request(request("a"), now=1.0)
    (granted,) = queue.give_back("holder", DONE, now=3.0)
    assert isinstance(granted, Granted)
    assert (granted.lease.lease_id, granted.lease.wait_ms) == ("a", 2000.0)


def test_kinds_do_not_mix(book: LeaseBook) -> None:
    """A transcription worker never gets a sentence."""
    assert book.request(request("a", kind=TTS), now=0.0) == []
    assert holders(book.request(request("b"), now=0.0)) == [("b", "w1")]


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
    ("outcome", "state"),
    [
        (WorkOutcome.DONE, SlotState.FREE),
        (WorkOutcome.FAILED, SlotState.FREE),
        (WorkOutcome.ABANDONED, SlotState.FINISHING),
        (WorkOutcome.LOST, SlotState.QUARANTINED),
    ],
)
def test_the_outcome_decides_what_becomes_of_the_slot(
    book: LeaseBook, outcome: WorkOutcome, state: SlotState
) -> None:
    """Done or refused by the engine, the slot is free; abandoned or lost, it must be looked at first."""
    book.request(request("a"), now=0.0)
    book.give_back("a", outcome, now=1.0)
    assert book.state("w1") is state
    assert ("w1" in book.suspended()) == (state is not SlotState.FREE)


def test_a_report_sent_twice_frees_the_slot_once(book: LeaseBook) -> None:
    """The second report of a lease must not take the slot from its next holder."""
    book.request(request("a"), now=0.0)
    book.request(request("b"), now=0.0)
    book.give_back("a", DONE, now=1.0)
    assert book.give_back("a", LOST, now=2.0) == []
    assert book.state("w1") is SlotState.BUSY
    assert book.held("b") is not None


def test_a_withdrawal_that_overtakes_its_request_wins(book: LeaseBook) -> None:
    """Messages may overtake each other: a request that was given up before it arrived is refused."""
    book.give_back("a", ABANDONED, now=0.0)
    assert book.request(request("a"), now=1.0) == [Refused("a", Refusal.ENDED)]
    assert book.state("w1") is SlotState.FREE


def test_a_gone_ingress_leaves_nothing_behind(book: LeaseBook) -> None:
    """What it waited for is refused, what it held rests, and others move up."""
    book.request(request("a", ingress_id="gone"), now=0.0)
    book.request(request("b", ingress_id="gone"), now=0.0)
    book.request(request("c", ingress_id="there"), now=0.0)
    assert book.drop_ingress("gone") == [Refused("b", Refusal.INGRESS_GONE)]
    assert holders(book.readmit("w1", now=1.0)) == [("c", "w1")]


# The order


def test_classes_come_in_their_order(queue: LeaseBook) -> None:
    """Emergency, high, normal, background; within a class final work before ahead-of-time work."""
    for priority in reversed(Priority):
        for is_ahead in (True, False):
            name = f"{priority} {'ahead' if is_ahead else 'final'}"
            queue.request(request(name, priority, is_ahead=is_ahead), now=0.0)
    assert served(queue, "holder", now=1.0) == [
        f"{priority} {which}" for priority in Priority for which in ("final", "ahead")
    ]


def test_the_earliest_deadline_comes_first_within_a_class(queue: LeaseBook) -> None:
    """Not who came first, but who can wait least; between equals who came first."""
    for lease_id, wait_s, now in (("a", 9.0, 0.0), ("b", 4.0, 1.0), ("c", 3.0, 2.0), ("d", 7.0, 2.0)):
        queue.request(request(lease_id, wait_s=wait_s), now=now)
    assert served(queue, "holder", now=3.0) == ["b", "c", "a", "d"]


def test_waiting_counts_as_a_higher_class(queue: LeaseBook) -> None:
    """After one aging time normal work stands with high work, where the earlier deadline comes first."""
    queue.request(request("old", NORMAL, wait_s=20.0), now=0.0)
    queue.request(request("urgent", HIGH, wait_s=5.0), now=4.0)
    queue.request(request("patient", HIGH, wait_s=40.0), now=4.0)
    assert served(queue, "holder", now=5.0) == ["urgent", "old", "patient"]


def test_waiting_a_moment_less_does_not(queue: LeaseBook) -> None:
    """Aging goes by whole steps."""
    queue.request(request("old", NORMAL, wait_s=20.0), now=0.0)
    queue.request(request("patient", HIGH, wait_s=40.0), now=4.0)
    assert served(queue, "holder", now=4.99) == ["patient", "old"]


def test_age_never_passes_an_emergency(queue: LeaseBook) -> None:
    """Who waited for ages counts as emergency, yet behind those that are; of the aged the oldest is first."""
    queue.request(request("older", BACKGROUND, wait_s=900.0), now=0.0)
    queue.request(request("old", HIGH, wait_s=600.0), now=1.0)
    queue.request(request("emergency", EMERGENCY, wait_s=999.0), now=100.0)
    queue.request(request("emergency ahead", EMERGENCY, is_ahead=True, wait_s=1.0), now=100.0)
    assert served(queue, "holder", now=100.0) == ["emergency", "older", "old", "emergency ahead"]


def test_an_endless_flow_of_emergencies_starves_nobody(queue: LeaseBook) -> None:
    """One turn in nine goes to who waited for ages; the others are all the emergencies'."""
    queue.request(request("old", BACKGROUND, wait_s=999.0), now=0.0)
    holder, order = "holder", []
    for number in range(2 * EMERGENCY_RUN):
        queue.request(request(f"emergency {number}", EMERGENCY), now=100.0)
        ((holder, _),) = holders(queue.give_back(holder, DONE, now=100.0))
        order.append(holder)
    assert "old" in order
    assert order.index("old") <= EMERGENCY_RUN
    assert [it for it in order if it != "old"] == [f"emergency {it}" for it in range(len(order) - 1)]


@pytest.mark.parametrize("flood", [EMERGENCY, HIGH, NORMAL])
def test_whoever_waits_is_served_some_day(flood: Priority) -> None:
    """One slot, always more urgent newcomers with earlier deadlines: background work still gets its turn."""
    book = LeaseBook(queue_limit=1_000, aging_s=5.0)
    book.add_worker("w1", STT, now=0.0)
    book.request(request("flood 0", flood), now=0.0)
    book.request(request("old", BACKGROUND, wait_s=1e9), now=0.0)
    holder = "flood 0"
    for now in range(1, 100):  # one more comes than is served
        book.request(request(f"flood {2 * now}", flood, wait_s=1e6), now=float(now))
        book.request(request(f"flood {2 * now + 1}", flood, wait_s=1e6), now=float(now))
        ((holder, _),) = holders(book.give_back(holder, DONE, now=float(now)))
        if holder == "old":
            break
    assert holder == "old"
    assert now <= 3 * 5 + EMERGENCY_RUN + 1


def test_work_ahead_of_time_does_not_age(queue: LeaseBook) -> None:
    """However long it waited, it stays behind the final work of its class."""
    queue.request(request("ahead", NORMAL, is_ahead=True, wait_s=999.0), now=0.0)
    queue.request(request("high", HIGH, wait_s=999.0), now=100.0)
    queue.request(request("final", NORMAL, wait_s=999.0), now=100.0)
    assert served(queue, "holder", now=100.0) == ["high", "final", "ahead"]


def test_promoted_work_has_waited_since_it_came(queue: LeaseBook) -> None:
    """It takes the place of final work, and its age counts from its arrival."""
    queue.request(request("ahead", NORMAL, is_ahead=True, wait_s=30.0), now=0.0)
    queue.request(request("final", NORMAL, wait_s=1.0), now=6.0)
    queue.promote("ahead")
    assert served(queue, "holder", now=6.0) == ["ahead", "final"]


def test_a_request_repeated_as_final_is_promoted(queue: LeaseBook) -> None:
    """A promotion may be lost on its way; the asker who asks again says what the work is now."""
    queue.request(request("ahead", NORMAL, is_ahead=True), now=0.0)
    queue.request(request("background", BACKGROUND), now=0.0)
    queue.request(request("final", NORMAL), now=1.0)
    assert queue.request(request("ahead", NORMAL), now=2.0) == []
    assert served(queue, "holder", now=2.0) == ["ahead", "final", "background"]


# A full queue, deadlines


def test_a_full_queue_refuses_at_once(book: LeaseBook) -> None:
    """The fourth who would wait is told so immediately, and the others keep their places."""
    for lease_id in ("a", "b", "c", "d"):
        book.request(request(lease_id), now=0.0)
    sooner = request("e", wait_s=1.0)  # an earlier deadline displaces nobody
    assert book.request(sooner, now=0.0) == [Refused("e", Refusal.QUEUE_FULL)]
    assert book.waiting(STT) == 3


def test_a_more_urgent_newcomer_displaces_the_last(book: LeaseBook) -> None:
    """The least urgent class loses its latest deadline, and is told at once."""
    book.request(request("holder"), now=0.0)
    for lease_id, priority, wait_s in (("a", NORMAL, 3.0), ("b", BACKGROUND, 2.0), ("c", BACKGROUND, 4.0)):
        book.request(request(lease_id, priority, wait_s=wait_s), now=0.0)
    assert book.request(request("d", HIGH), now=0.0) == [Refused("c", Refusal.DISPLACED)]
    assert book.request(request("e", NORMAL), now=0.0) == [Refused("b", Refusal.DISPLACED)]
    assert book.request(request("f", NORMAL), now=0.0) == [Refused("f", Refusal.QUEUE_FULL)]
    assert served(book, "holder", now=1.0) == ["d", "a", "e"]


def test_final_work_displaces_work_ahead_of_time(book: LeaseBook) -> None:
    """Within a class too."""
    for lease_id in ("holder", "a", "b"):
        book.request(request(lease_id), now=0.0)
    book.request(request("ahead", is_ahead=True), now=0.0)
    assert book.request(request("c"), now=0.0) == [Refused("ahead", Refusal.DISPLACED)]


def test_age_keeps_a_place_in_a_full_queue(book: LeaseBook) -> None:
    """Normal work that counts as high by its age does not make room for high work."""
    for lease_id in ("holder", "a", "b", "c"):
        book.request(request(lease_id, wait_s=60.0), now=0.0)
    assert book.request(request("d", HIGH), now=5.0) == [Refused("d", Refusal.QUEUE_FULL)]


def test_the_overdue_take_no_place_in_a_full_queue(book: LeaseBook) -> None:
    """They are refused as late before anybody is refused for want of room."""
    for lease_id in ("a", "b", "c", "d"):
        book.request(request(lease_id, wait_s=1.0), now=0.0)
    assert book.request(request("e"), now=2.0) == [Refused(it, Refusal.LATE) for it in ("b", "c", "d")]
    assert book.waiting(STT) == 1


def test_a_request_that_waited_too_long_is_refused(book: LeaseBook) -> None:
    """Its deadline comes first in `next_deadline`, then `expire` ends it."""
    book.request(request("a", hold_s=10.0), now=0.0)
    book.request(request("b", wait_s=2.0), now=1.0)
    assert book.next_deadline() == 3.0
    assert book.expire(now=2.9) == []
    assert book.expire(now=3.0) == [Refused("b", Refusal.LATE)]
    assert book.next_deadline() == 10.0


def test_a_slot_that_comes_free_late_skips_the_overdue(book: LeaseBook) -> None:
    """A request past its deadline is never granted, even if nobody called `expire` yet."""
    book.request(request("a"), now=0.0)
    book.request(request("b", wait_s=1.0), now=0.0)
    book.request(request("c", wait_s=9.0), now=0.0)
    late, granted = book.give_back("a", DONE, now=5.0)
    assert late == Refused("b", Refusal.LATE)
    assert holders([granted]) == [("c", "w1")]


def test_an_overdue_lease_ends_but_its_slot_rests(book: LeaseBook) -> None:
    """Past its time to live the lease is over; the slot returns when its worker was seen idle."""
    book.request(request("a", hold_s=10.0), now=0.0)
    book.request(request("b", wait_s=60.0), now=1.0)
    assert book.expire(now=10.0) == []
    assert book.held("a") is None
    assert book.state("w1") is SlotState.FINISHING
    assert holders(book.readmit("w1", now=11.0)) == [("b", "w1")]


def test_a_lease_that_was_given_back_is_never_overdue(book: LeaseBook) -> None:
    """Its slot stays free when its time to live would have ended."""
    book.request(request("a", hold_s=10.0), now=0.0)
    book.give_back("a", DONE, now=1.0)
    assert book.next_deadline() is None
    assert book.expire(now=10.0) == []
    assert book.state("w1") is SlotState.FREE


def test_background_work_waits_while_it_is_held_back(book: LeaseBook) -> None:
    """Not even a free slot is for it; others pass; afterwards, or at its deadline, it is answered."""
    book.holds_background = True
    assert book.request(request("back", BACKGROUND, wait_s=60.0), now=0.0) == []
    assert book.request(request("late", BACKGROUND, wait_s=30.0), now=0.0) == []
    assert holders(book.request(request("a"), now=20.0)) == [("a", "w1")]
    assert book.give_back("a", DONE, now=21.0) == []
    assert book.expire(now=30.0) == [Refused("late", Refusal.LATE)]
    book.holds_background = False
    assert holders(book.expire(now=31.0)) == [("back", "w1")]


def test_held_back_work_makes_room_whatever_its_age(book: LeaseBook) -> None:
    """In a full queue it stands behind everything else."""
    book.holds_background = True
    book.request(request("holder"), now=0.0)
    for lease_id in ("a", "b", "c"):
        book.request(request(lease_id, BACKGROUND, wait_s=60.0), now=0.0)
    assert book.request(request("d"), now=59.0) == [Refused("c", Refusal.DISPLACED)]
    assert book.request(request("e", BACKGROUND), now=59.0) == [Refused("e", Refusal.QUEUE_FULL)]


# Workers with several slots


def test_a_worker_may_have_several_slots(book: LeaseBook) -> None:
    """Each serves one request; leases are spread over the workers before one gets a second."""
    book.add_worker("w2", STT, now=0.0, slots=3)
    workers = [holders(book.request(request(f"{number}"), now=0.0))[0][1] for number in range(4)]
    assert workers == ["w1", "w2", "w2", "w2"]
    assert book.request(request("5"), now=0.0) == []
    assert book.slots(STT) == SlotCounts(total=4, busy=4)
    assert book.worker_slots("w2") == SlotCounts(total=3, busy=3)
    assert book.slots(TTS) == SlotCounts()


def test_a_finishing_slot_keeps_the_whole_worker_from_new_work(book: LeaseBook) -> None:
    """The other lease goes on; until the worker was seen idle nobody new gets a slot of it."""
    book.remove_worker("w1")
    book.add_worker("w2", STT, now=0.0, slots=2)
    book.request(request("a"), now=0.0)
    book.request(request("b"), now=0.0)
    assert book.give_back("a", ABANDONED, now=1.0) == []
    assert (book.state("w2"), book.suspended()) == (SlotState.BUSY, ["w2"])
    assert book.slots(STT) == SlotCounts(total=2, busy=2)
    assert book.request(request("c"), now=2.0) == []
    assert holders(book.readmit("w2", now=3.0)) == [("c", "w2")]
    assert book.held("b") is not None
    assert book.slots(STT) == SlotCounts(total=2, busy=2)


def test_a_retiring_worker_finishes_its_leases_and_gets_no_other(book: LeaseBook) -> None:
    """Retired while busy, the worker completes its work and then rests; wanted again, it serves again."""
    book.add_worker("w2", STT, now=0.0, slots=2)
    for lease_id in ("a", "b", "c", "d"):
        book.request(request(lease_id), now=0.0)
    book.retire("w2")
    assert book.give_back("b", DONE, now=1.0) == []
    assert book.state("w2") is SlotState.BUSY
    assert book.give_back("c", DONE, now=1.0) == []
    assert book.state("w2") is SlotState.QUARANTINED
    assert book.slots(STT) == SlotCounts(total=1, busy=1)
    assert holders(book.readmit("w2", now=2.0)) == [("d", "w2")]


def test_a_worker_that_retires_may_change_its_mind(book: LeaseBook) -> None:
    """Readmitted while its lease is out, it goes on as if nothing had been."""
    book.request(request("a"), now=0.0)
    book.retire("w1")
    book.request(request("b"), now=0.0)
    assert book.readmit("w1", now=1.0) == []
    assert holders(book.give_back("a", DONE, now=2.0)) == [("b", "w1")]


def test_a_removed_worker_takes_its_lease_along(book: LeaseBook) -> None:
    """The lease on a removed worker is over; a late report of it harms nobody."""
    book.request(request("a"), now=0.0)
    book.remove_worker("w1")
    assert book.held("a") is None
    assert book.give_back("a", DONE, now=1.0) == []
    assert list(book.workers(STT)) == []


def test_a_quarantine_is_not_softened(book: LeaseBook) -> None:
    """A worker that was lost stays so when another of its slots is merely abandoned."""
    book.remove_worker("w1")
    book.add_worker("w2", STT, now=0.0, slots=2)
    book.request(request("a"), now=0.0)
    book.request(request("b"), now=0.0)
    book.give_back("a", LOST, now=1.0)
    book.give_back("b", ABANDONED, now=1.0)
    assert book.state("w2") is SlotState.QUARANTINED
    assert book.slots(STT) == SlotCounts()


# Giving way


@pytest.fixture
def ahead() -> LeaseBook:
    """A book with three slots: final work, then older and newer work ahead of time, of class normal."""
    made = LeaseBook()
    made.add_worker("w", STT, now=0.0, slots=3)
    made.request(request("final"), now=0.0)
    made.request(request("older", is_ahead=True), now=1.0)
    made.request(request("newer", is_ahead=True, ingress_id="j"), now=2.0)
    made.take_changed()
    return made


def test_the_newest_work_ahead_gives_way_to_final_work(ahead: LeaseBook) -> None:
    """One for each who waits, the newest first; it stays listed until it is given back."""
    ahead.request(request("a"), now=3.0)
    assert (ahead.revoked("i"), ahead.revoked("j")) == ((), ("newer",))
    assert ahead.take_changed() == {"j"}
    ahead.expire(now=3.5)
    assert ahead.take_changed() == set()
    ahead.request(request("b"), now=4.0)
    assert (ahead.revoked("i"), ahead.revoked("j")) == (("older",), ("newer",))
    ahead.request(request("c"), now=4.0)
    assert holders(ahead.give_back("newer", DONE, now=5.0)) == [("a", "w")]
    assert (ahead.revoked("i"), ahead.revoked("j")) == (("older",), ())
    assert ahead.take_changed() == {"i", "j"}


@pytest.mark.parametrize(
    ("priority", "is_ahead"), [(BACKGROUND, False), (NORMAL, True), (HIGH, True), (EMERGENCY, True)]
)
def test_who_is_less_urgent_or_ahead_himself_revokes_nothing(
    ahead: LeaseBook, priority: Priority, is_ahead: bool
) -> None:
    """Only final work of the same class or a higher one does."""
    ahead.request(request("a", priority, is_ahead=is_ahead), now=3.0)
    assert (ahead.revoked("i"), ahead.revoked("j")) == ((), ())


def test_age_counts_when_somebody_has_to_give_way(ahead: LeaseBook) -> None:
    """Background work that counts as normal stands before normal work ahead of time."""
    ahead.request(request("a", BACKGROUND, wait_s=60.0), now=3.0)
    ahead.expire(now=7.9)
    assert ahead.revoked("j") == ()
    ahead.expire(now=8.0)
    assert ahead.revoked("j") == ("newer",)


def test_final_work_never_gives_way(queue: LeaseBook) -> None:
    """However urgent the others are."""
    queue.give_back("holder", DONE, now=0.0)
    queue.request(request("background", BACKGROUND), now=0.0)
    queue.request(request("a", EMERGENCY), now=0.0)
    assert queue.revoked("i") == ()


def test_no_more_is_revoked_while_a_slot_is_coming(ahead: LeaseBook) -> None:
    """A revoked lease that came back abandoned has still to be seen idle: that slot is as good as free."""
    ahead.add_worker("x", STT, now=2.0)
    ahead.request(request("newest", is_ahead=True), now=2.0)
    ahead.request(request("a"), now=3.0)
    assert ahead.revoked("i") == ("newest",)
    assert ahead.give_back("newest", ABANDONED, now=3.1) == []
    ahead.expire(now=3.2)
    assert (ahead.revoked("i"), ahead.revoked("j")) == ((), ())
    ahead.request(request("b"), now=3.3)  # for two who wait one slot is not enough
    assert (ahead.revoked("i"), ahead.revoked("j")) == ((), ("newer",))


def test_a_lost_slot_is_not_coming(ahead: LeaseBook) -> None:
    """If the revoked lease's worker is lost, another lease has to give way."""
    ahead.add_worker("x", STT, now=2.0)
    ahead.request(request("newest", is_ahead=True), now=2.0)
    ahead.request(request("a"), now=3.0)
    ahead.give_back("newest", LOST, now=3.1)
    assert ahead.revoked("j") == ("newer",)


def test_promoted_work_does_not_give_way_any_more(ahead: LeaseBook) -> None:
    """Revoked a moment ago or not: it is final now, and somebody else has to go."""
    ahead.request(request("a"), now=3.0)
    ahead.promote("newer")
    assert (ahead.revoked("i"), ahead.revoked("j")) == (("older",), ())
    assert ahead.take_changed() == {"i", "j"}
    held = ahead.held("newer")
    assert held is not None
    assert not held[0].is_ahead
    ahead.promote("older")
    assert ahead.revoked("i") == ()


def test_promotion_in_the_queue_makes_others_give_way(ahead: LeaseBook) -> None:
    """What waited ahead of time becomes final work that waits."""
    ahead.request(request("a", is_ahead=True), now=3.0)
    ahead.promote("a")
    assert ahead.revoked("j") == ("newer",)


def test_held_back_work_makes_nobody_give_way() -> None:
    """It would not use the slot."""
    book = LeaseBook()
    book.add_worker("w", STT, now=0.0)
    book.request(request("ahead", BACKGROUND, is_ahead=True), now=0.0)
    book.holds_background = True
    book.request(request("a", BACKGROUND), now=0.0)
    assert book.revoked("i") == ()
    book.holds_background = False
    book.expire(now=0.1)
    assert book.revoked("i") == ("ahead",)


def test_a_slot_that_would_not_be_lent_again_is_not_asked_for(ahead: LeaseBook) -> None:
    """Work on a retiring worker may finish: nobody would get its slot."""
    ahead.retire("w")
    ahead.request(request("a"), now=3.0)
    assert (ahead.revoked("i"), ahead.revoked("j")) == ((), ())


# A former manager's leases


def lease(lease_id: str, worker_id: str = "w1") -> Lease:
    return Lease(lease_id, STT, worker_id, wait_ms=1.0)


def test_an_adopted_lease_keeps_its_slot(book: LeaseBook) -> None:
    """It is out as if granted here: told twice it is one, and given back its slot serves the next."""
    assert book.adopt(request("a"), lease("a"), now=0.0) == [Granted(lease("a"))]
    assert book.adopt(request("a"), lease("a"), now=0.0) == [Granted(lease("a"))]
    assert book.request(request("b"), now=0.0) == []
    assert holders(book.give_back("a", DONE, now=1.0)) == [("b", "w1")]


def test_a_lease_is_adopted_before_its_worker_is_known() -> None:
    """The worker comes with its slot taken; nothing is counted before it is there."""
    book = LeaseBook()
    book.adopt(request("a"), lease("a"), now=0.0)
    assert (book.state("w1"), book.suspended(), list(book.workers(STT))) == (SlotState.BUSY, [], [])
    assert book.slots(STT) == SlotCounts()
    book.request(request("b"), now=0.0)
    assert book.add_worker("w1", STT, now=1.0) == []
    assert book.slots(STT) == SlotCounts(total=1, busy=1)
    assert holders(book.give_back("a", DONE, now=2.0)) == [("b", "w1")]


def test_an_adopted_lease_lives_its_time_anew() -> None:
    """Also on a worker that never comes; then nothing of it is left."""
    book = LeaseBook()
    book.adopt(request("a", hold_s=10.0), lease("a"), now=5.0)
    assert book.next_deadline() == 15.0
    book.expire(now=15.0)
    assert (book.held("a"), book.state("w1"), book.next_deadline()) == (None, None, None)


def test_a_slot_that_serves_another_is_not_adopted(book: LeaseBook) -> None:
    """Two leases on one slot never; the worker rests, for it has more work than it should."""
    book.request(request("new"), now=0.0)
    assert book.adopt(request("old"), lease("old"), now=1.0) == [Refused("old", Refusal.TAKEN)]
    assert book.suspended() == ["w1"]
    assert book.held("new") is not None
    assert book.give_back("old", DONE, now=2.0) == []


def test_more_adopted_leases_than_slots_come_down_to_them() -> None:
    """When the worker shows how many it has, the newest leases end, and it rests until it was seen idle."""
    book = LeaseBook()
    for lease_id in ("a", "b"):
        book.adopt(request(lease_id), lease(lease_id), now=0.0)
    book.request(request("c"), now=0.0)
    assert book.add_worker("w1", STT, now=1.0) == []
    assert (book.held("a") is not None, book.held("b")) == (True, None)
    assert book.give_back("a", DONE, now=2.0) == []
    assert holders(book.readmit("w1", now=3.0)) == [("c", "w1")]


def test_what_ended_is_not_adopted(book: LeaseBook) -> None:
    """A report may overtake the registration it belongs behind."""
    book.give_back("a", DONE, now=0.0)
    assert book.adopt(request("a"), lease("a"), now=0.0) == [Refused("a", Refusal.ENDED)]
    assert book.state("w1") is SlotState.FREE


def test_a_request_that_waits_here_may_hold_a_lease_of_the_former_manager(queue: LeaseBook) -> None:
    """It asked again when the answer was lost, and then the answer came: it waits no longer."""
    queue.add_worker("w2", TTS, now=0.0)
    queue.request(request("a"), now=0.0)
    assert queue.adopt(request("a"), lease("a", "w3"), now=1.0) == [Granted(lease("a", "w3"))]
    assert queue.waiting(STT) == 0


def test_adopted_work_ahead_gives_way_too(book: LeaseBook) -> None:
    """Once its worker is known."""
    book.adopt(request("ahead", is_ahead=True), lease("ahead"), now=0.0)
    book.request(request("a"), now=0.0)
    assert book.revoked("i") == ("ahead",)


def test_settings_may_change_while_requests_wait(queue: LeaseBook) -> None:
    """The limit holds for the next newcomer, the aging time for the next step."""
    queue.request(request("a", wait_s=60.0), now=0.0)
    queue.queue_limit, queue.aging_s = 1, 2.0
    assert queue.request(request("b"), now=0.0) == [Refused("b", Refusal.QUEUE_FULL)]
    queue.queue_limit = 9
    queue.request(request("c", wait_s=60.0), now=1.0)
    queue.request(request("high", HIGH, wait_s=90.0), now=3.0)
    assert served(queue, "holder", now=3.0) == ["c", "high", "a"]
