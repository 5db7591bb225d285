"""The lease book: one holder per slot, first come first served, one end for every request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from actors.leases import Decision, Granted, LeaseBook, Refusal, Refused, SlotState
from actors.messages import LeaseRequest, WorkKind, WorkOutcome

STT = WorkKind.TRANSCRIPTION


def request(
    lease_id: str,
    kind: WorkKind = STT,
    ingress_id: str = "i",
    wait_s: float = 5.0,
    hold_s: float = 10.0,
) -> LeaseRequest:
    return LeaseRequest(lease_id, kind, ingress_id, "call", wait_s, hold_s)


def holders(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    """Return (lease, worker) of each grant; there must be nothing else."""
    assert all(isinstance(decision, Granted) for decision in decisions)
    return [(it.lease.lease_id, it.lease.worker_id) for it in decisions if isinstance(it, Granted)]


@pytest.fixture
def book() -> LeaseBook:
    """A book with one transcription worker, w1."""
    made = LeaseBook(queue_limit=3)
    made.add_worker("w1", STT, now=0.0)
    return made


def test_a_free_slot_is_granted_at_once(book: LeaseBook) -> None:
    """With a free worker nobody waits, not even a request that is not willing to."""
    (granted,) = book.request(request("a", wait_s=0.0), now=1.0)
    assert isinstance(granted, Granted)
    assert (granted.lease.worker_id, granted.lease.wait_ms) == ("w1", 0.0)


def test_the_longest_waiting_gets_the_slot_that_comes_free(book: LeaseBook) -> None:
    """First come, first served; the lease says how long it waited."""
    book.request(request("a"), now=0.0)
    assert book.request(request("b"), now=1.0) == []
    assert book.request(request("c"), now=2.0) == []
    (granted,) = book.give_back("a", WorkOutcome.DONE, now=3.0)
    assert isinstance(granted, Granted)
    assert (granted.lease.lease_id, granted.lease.wait_ms) == ("b", 2000.0)


def test_kinds_do_not_mix(book: LeaseBook) -> None:
    """A transcription worker never gets a sentence."""
    assert book.request(request("a", WorkKind.SYNTHESIS), now=0.0) == []
    assert holders(book.request(request("b"), now=0.0)) == [("b", "w1")]


def test_a_repeated_request_is_the_same_request(book: LeaseBook) -> None:
    """Granted it gets its lease again, waiting it keeps its place, ended it stays ended."""
    first = book.request(request("a"), now=0.0)
    assert book.request(request("a"), now=1.0) == first
    book.request(request("b"), now=1.0)
    book.request(request("c"), now=2.0)
    assert book.request(request("b"), now=3.0) == []
    assert holders(book.give_back("a", WorkOutcome.DONE, now=4.0)) == [("b", "w1")]
    assert book.request(request("a"), now=5.0) == [Refused("a", Refusal.ENDED)]


def test_a_full_queue_refuses_at_once(book: LeaseBook) -> None:
    """The fourth who would wait is told so immediately, and the others keep their places."""
    for lease_id in ("a", "b", "c", "d"):
        book.request(request(lease_id), now=0.0)
    assert book.request(request("e"), now=0.0) == [Refused("e", Refusal.QUEUE_FULL)]
    assert book.waiting(STT) == 3


def test_a_request_that_waited_too_long_is_refused(book: LeaseBook) -> None:
    """Its deadline comes first in `next_deadline`, then `expire` ends it."""
    book.request(request("a"), now=0.0)
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
    late, granted = book.give_back("a", WorkOutcome.DONE, now=5.0)
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
    book.give_back("a", WorkOutcome.DONE, now=1.0)
    assert book.give_back("a", WorkOutcome.LOST, now=2.0) == []
    assert book.state("w1") is SlotState.BUSY
    assert book.held("b") is not None


def test_a_withdrawal_that_overtakes_its_request_wins(book: LeaseBook) -> None:
    """Messages may overtake each other: a request that was given up before it arrived is refused."""
    book.give_back("a", WorkOutcome.ABANDONED, now=0.0)
    assert book.request(request("a"), now=1.0) == [Refused("a", Refusal.ENDED)]
    assert book.state("w1") is SlotState.FREE


def test_a_gone_ingress_leaves_nothing_behind(book: LeaseBook) -> None:
    """What it waited for is refused, what it held rests, and others move up."""
    book.request(request("a", ingress_id="gone"), now=0.0)
    book.request(request("b", ingress_id="gone"), now=0.0)
    book.request(request("c", ingress_id="there"), now=0.0)
    assert book.drop_ingress("gone") == [Refused("b", Refusal.INGRESS_GONE)]
    assert holders(book.readmit("w1", now=1.0)) == [("c", "w1")]


def test_a_retiring_worker_finishes_its_lease_and_gets_no_other(book: LeaseBook) -> None:
    """Retired while busy, the worker completes its work and then rests."""
    book.request(request("a"), now=0.0)
    book.request(request("b"), now=0.0)
    book.retire("w1")
    assert book.state("w1") is SlotState.BUSY
    assert book.give_back("a", WorkOutcome.DONE, now=1.0) == []
    assert book.state("w1") is SlotState.QUARANTINED


def test_a_removed_worker_takes_its_lease_along(book: LeaseBook) -> None:
    """The lease on a removed worker is over; a late report of it harms nobody."""
    book.request(request("a"), now=0.0)
    book.remove_worker("w1")
    assert book.held("a") is None
    assert book.give_back("a", WorkOutcome.DONE, now=1.0) == []
    assert list(book.workers(STT)) == []


class LeaseBookMachine(RuleBasedStateMachine):
    """Any sequence of events, followed by a second set of books kept from the decisions alone."""

    requests: Bundle[str] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.book = LeaseBook(queue_limit=4)
        self.next_number = 0
        self.waiting: dict[str, LeaseRequest] = {}
        self.order: list[str] = []
        self.holder: dict[str, str] = {}  # worker -> lease
        self.ended: set[str] = set()

    def follow(self, decisions: Sequence[Decision]) -> None:
        """Enter decisions; a lease that was granted or ended before must not come again."""
        for decision in decisions:
            if isinstance(decision, Granted):
                lease = decision.lease
                asked = self.waiting.pop(lease.lease_id)
                assert lease.worker_id not in self.holder, "a slot was given to two"
                ahead = self.order[: self.order.index(lease.lease_id)]
                assert not [it for it in ahead if it in self.waiting and self.waiting[it].kind is asked.kind]
                self.holder[lease.worker_id] = lease.lease_id
            else:
                del self.waiting[decision.lease_id]
                self.end(decision.lease_id)

    def end(self, lease_id: str) -> None:
        assert lease_id not in self.ended, "a request ended twice"
        self.ended.add(lease_id)

    def vacate(self, worker_id: str) -> None:
        lease_id = self.holder.pop(worker_id, None)
        if lease_id is not None:
            self.end(lease_id)

    @rule(worker=st.integers(0, 3), kind=st.sampled_from(WorkKind))
    def add_worker(self, worker: int, kind: WorkKind) -> None:
        self.follow(self.book.add_worker(f"{kind}-{worker}", kind, self.now))

    @rule(worker=st.integers(0, 3), kind=st.sampled_from(WorkKind))
    def remove_worker(self, worker: int, kind: WorkKind) -> None:
        self.book.remove_worker(f"{kind}-{worker}")
        self.vacate(f"{kind}-{worker}")

    @rule(worker=st.integers(0, 3), kind=st.sampled_from(WorkKind))
    def quarantine(self, worker: int, kind: WorkKind) -> None:
        self.book.quarantine(f"{kind}-{worker}")
        self.vacate(f"{kind}-{worker}")

    @rule(worker=st.integers(0, 3), kind=st.sampled_from(WorkKind))
    def retire(self, worker: int, kind: WorkKind) -> None:
        self.book.retire(f"{kind}-{worker}")

    @rule(worker=st.integers(0, 3), kind=st.sampled_from(WorkKind))
    def readmit(self, worker: int, kind: WorkKind) -> None:
        self.follow(self.book.readmit(f"{kind}-{worker}", self.now))

    @rule(
        target=requests,
        kind=st.sampled_from(WorkKind),
        ingress=st.sampled_from(["i", "j"]),
        wait_s=st.floats(0, 5),
        hold_s=st.floats(1, 5),
    )
    def ask(self, kind: WorkKind, ingress: str, wait_s: float, hold_s: float) -> str:
        self.next_number += 1
        lease_id = f"lease-{self.next_number}"
        self.waiting[lease_id] = asked = request(lease_id, kind, ingress, wait_s, hold_s)
        self.order.append(lease_id)
        self.follow(self.book.request(asked, self.now))
        return lease_id

    @rule(lease_id=requests, kind=st.sampled_from(WorkKind))
    def ask_again(self, lease_id: str, kind: WorkKind) -> None:
        decisions = self.book.request(request(lease_id, kind), self.now)
        if lease_id in self.ended:
            assert decisions == [Refused(lease_id, Refusal.ENDED)]
        elif lease_id in self.waiting:
            assert decisions == []
        else:
            assert holders(decisions)[0][0] == lease_id

    @rule(lease_id=requests, outcome=st.sampled_from(WorkOutcome))
    def give_back(self, lease_id: str, outcome: WorkOutcome) -> None:
        if lease_id in self.waiting:
            del self.waiting[lease_id]
            self.end(lease_id)
        for worker_id, held in list(self.holder.items()):
            if held == lease_id:
                self.vacate(worker_id)
        self.follow(self.book.give_back(lease_id, outcome, self.now))

    @rule(ingress=st.sampled_from(["i", "j"]))
    def drop_ingress(self, ingress: str) -> None:
        before = dict(self.holder)
        self.follow(self.book.drop_ingress(ingress))
        for worker_id in before:
            if self.book.state(worker_id) is not SlotState.BUSY:
                self.vacate(worker_id)

    @rule(seconds=st.floats(0.01, 4))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        before = dict(self.holder)
        self.follow(self.book.expire(self.now))
        for worker_id in before:
            if self.book.state(worker_id) is not SlotState.BUSY:
                self.vacate(worker_id)
        deadline = self.book.next_deadline()
        assert deadline is None or deadline > self.now

    @invariant()
    def both_books_agree(self) -> None:
        for kind in WorkKind:
            assert self.book.waiting(kind) == sum(it.kind is kind for it in self.waiting.values())
            busy = {worker for worker, state in self.book.workers(kind) if state is SlotState.BUSY}
            assert busy == {worker for worker in self.holder if worker.startswith(kind)}
            # A free slot and somebody who waits for it cannot be there together.
            free = any(state is SlotState.FREE for _, state in self.book.workers(kind))
            assert not (free and self.book.waiting(kind))
        for lease_id in self.holder.values():
            assert self.book.held(lease_id) is not None


TestLeaseBook = LeaseBookMachine.TestCase
TestLeaseBook.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
