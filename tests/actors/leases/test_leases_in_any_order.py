"""The lease book against a simple model of it, in any order of events.

The model knows the rules in their plainest form (sort everything, count everything) and checks each answer as
it comes: which request was served before which, which was refused and why, which worker was doubted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.leases.book import Answer, Doubted, Granted, LeaseBook, Refusal, Refused
from actors.messages import Lease, LeaseRequest, Priority, WorkKind, WorkOutcome

QUEUE_LIMIT = 2
AGING_S = 2.0
INGRESSES = ("i", "j")
KINDS = st.sampled_from([WorkKind.TRANSCRIPTION] * 3 + [WorkKind.SYNTHESIS])
WORKERS = st.integers(0, 1)
QUARTERS = st.integers(0, 32).map(lambda count: count / 4)
"""Seconds that add up without rounding."""
GAPS = st.sampled_from([0.0, 0.0, AGING_S / 2])
REQUESTS = st.builds(
    LeaseRequest,
    lease_id=st.just(""),
    kind=KINDS,
    ingress_id=st.sampled_from(INGRESSES),
    session_id=st.sampled_from(["call", None]),
    wait_s=QUARTERS,
    hold_s=QUARTERS.map(lambda seconds: seconds + 1),
    priority=st.sampled_from(Priority),
    is_ahead=st.booleans(),
)


@dataclass
class Asked:
    """A request that waits."""

    request: LeaseRequest
    since: float
    number: int
    deadline: float

    def order(self) -> tuple[float, ...]:
        request = self.request
        if request.is_ahead:
            return 2, self.request.session_id is None, self.number
        if request.priority is Priority.EMERGENCY:
            return 0, self.number
        return 1, self.since + AGING_S * request.priority.rank, request.priority.rank, self.number

    def lane(self) -> tuple[WorkKind, Priority | bool]:
        is_for_a_call = self.request.session_id is not None
        return self.request.kind, is_for_a_call if self.request.is_ahead else self.request.priority


@dataclass
class House:
    """A worker in the model."""

    slots: int
    leases: set[str] = field(default_factory=set)
    is_lent: bool = True

    @property
    def free(self) -> int:
        return max(0, self.slots - len(self.leases)) if self.is_lent else 0


class LeaseBookMachine(RuleBasedStateMachine):
    """Any sequence of events, followed by the model."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.book = LeaseBook(QUEUE_LIMIT, AGING_S)
        self.asked = 0
        self.ids: list[str] = []
        self.numbers = 0
        self.waiting: dict[str, Asked] = {}
        self.held: dict[str, tuple[LeaseRequest, Lease, float]] = {}
        self.houses: dict[str, House] = {}
        self.ended: set[str] = set()
        self.holds = False
        self.orphans: dict[str, tuple[LeaseRequest, Lease]] = {}
        """Leases in use that the present book does not know."""
        self.unheard: dict[str, LeaseRequest] = {}
        """Requests whose manager died before it answered them."""

    # Following the answers

    def follow(self, answers: Sequence[Answer], doubts: Sequence[Doubted] = ()) -> None:
        """Check the answers; the doubts among them are to be these."""
        assert sorted(doubts, key=str) == sorted((it for it in answers if isinstance(it, Doubted)), key=str)
        for answer in answers:
            if isinstance(answer, Granted):
                self.grant(answer.lease)
            elif isinstance(answer, Refused):
                self.refuse(answer)

    def grant(self, lease: Lease) -> None:
        asked = self.waiting[lease.lease_id]
        assert asked is self.next(asked.request.kind), "another was to be served"
        assert asked.deadline > self.now or asked.since == self.now, "granted after its deadline"
        assert lease.kind is asked.request.kind, "another kind of slot"
        assert lease.worker_id.startswith(lease.kind), "another kind of worker"
        assert self.houses[lease.worker_id].free, "a slot was lent that is not there"
        assert lease.wait_ms == (self.now - asked.since) * 1000.0
        del self.waiting[lease.lease_id]
        self.hold(asked.request, lease)

    def refuse(self, refused: Refused) -> None:
        asked = self.waiting.pop(refused.lease_id)
        match refused.reason:
            case Refusal.LATE:
                assert asked.deadline <= self.now
            case Refusal.QUEUE_FULL:
                assert asked.number == self.numbers, "only a newcomer is refused"
                assert sum(it.lane() == asked.lane() for it in self.waiting.values()) >= QUEUE_LIMIT
            case _:
                raise AssertionError(refused)
        self.end(refused.lease_id)

    def free(self, kind: WorkKind) -> int:
        return sum(house.free for key, house in self.houses.items() if key.startswith(kind))

    def total(self, kind: WorkKind) -> int:
        return sum(house.slots for key, house in self.houses.items() if key.startswith(kind))

    def next(self, kind: WorkKind) -> Asked | None:
        """Return the request that the rules serve next, if there is a slot for it."""
        spares_one = self.free(kind) > 1 or self.total(kind) == 1
        crowd = [
            it
            for it in self.waiting.values()
            if it.request.kind is kind
            and (spares_one or not it.request.is_ahead)
            and not (self.holds and (it.request.is_ahead or it.request.priority is Priority.BACKGROUND))
        ]
        return min(crowd, key=Asked.order, default=None) if self.free(kind) else None

    def hold(self, request: LeaseRequest, lease: Lease) -> None:
        assert lease.lease_id not in self.held, "a lease was granted twice"
        self.held[lease.lease_id] = request, lease, self.now + request.hold_s
        if lease.worker_id in self.houses:
            self.houses[lease.worker_id].leases.add(lease.lease_id)

    def end(self, lease_id: str) -> None:
        assert lease_id not in self.ended, "a request ended twice"
        self.ended.add(lease_id)

    def close(self, lease_id: str) -> str:
        """End a lease that is out; return its worker."""
        _, lease, _ = self.held.pop(lease_id)
        self.end(lease_id)
        if lease.worker_id in self.houses:
            self.houses[lease.worker_id].leases.remove(lease_id)
        return lease.worker_id

    def doubt(self, worker_id: str, is_lost: bool = False) -> Doubted:
        house = self.houses.get(worker_id)
        if house is not None:
            house.is_lent = False
            house.slots = 0 if is_lost else house.slots
        return Doubted(worker_id, is_lost)

    def on_worker(self, worker_id: str) -> list[str]:
        return [key for key, (_, lease, _) in self.held.items() if lease.worker_id == worker_id]

    # Workers

    @initialize(slots=st.integers(1, 2))
    def begin(self, slots: int) -> None:
        for kind in WorkKind:
            self.lend(0, kind, slots)

    @rule(worker=WORKERS, kind=KINDS, slots=st.integers(1, 3))
    def lend(self, worker: int, kind: WorkKind, slots: int) -> None:
        worker_id = f"{kind}-{worker}"
        self.houses[worker_id] = House(slots, set(self.on_worker(worker_id)))
        self.follow(self.book.lend(worker_id, kind, self.now, slots))

    @rule(worker=WORKERS, kind=KINDS)
    def rest(self, worker: int, kind: WorkKind) -> None:
        worker_id = f"{kind}-{worker}"
        self.book.rest(worker_id)
        if worker_id in self.houses:
            self.houses[worker_id].is_lent = False

    @rule(worker=WORKERS, kind=KINDS)
    def worker_goes(self, worker: int, kind: WorkKind) -> None:
        worker_id = f"{kind}-{worker}"
        self.book.remove_worker(worker_id)
        for lease_id in self.on_worker(worker_id):
            self.close(lease_id)
        self.houses.pop(worker_id, None)

    # Requests

    def enter(self, request: LeaseRequest) -> None:
        """Ask for a request that the book does not know."""
        self.numbers += 1
        deadline = self.now + request.wait_s
        self.waiting[request.lease_id] = Asked(request, self.now, self.numbers, deadline)
        self.follow(self.book.request(request, self.now))
        if request.lease_id in self.waiting:
            assert request.wait_s > 0, "it is not willing to wait"

    @rule(requests=st.lists(st.tuples(GAPS, REQUESTS), min_size=1, max_size=6))
    def ask(self, requests: list[tuple[float, LeaseRequest]]) -> None:
        for gap_s, request in requests:
            if gap_s:
                self.time_passes(gap_s)
            self.asked += 1
            self.ids.append(f"lease-{self.asked}")
            self.enter(replace(request, lease_id=self.ids[-1]))

    @rule(data=st.data(), outcome=st.sampled_from(WorkOutcome))
    def report(self, data: st.DataObject, outcome: WorkOutcome) -> None:
        """Report a lease: out, waiting, ended long ago, or never heard of."""
        lease_id = data.draw(st.sampled_from([*self.ids, "unknown"]))
        doubts: list[Doubted] = []
        if lease_id in self.waiting:
            del self.waiting[lease_id]
            self.end(lease_id)
        elif lease_id in self.held:
            worker_id = self.close(lease_id)
            if outcome in (WorkOutcome.LOST, WorkOutcome.ABANDONED):
                doubts.append(self.doubt(worker_id, outcome is WorkOutcome.LOST))
        else:
            self.ended.add(lease_id)
            self.orphans.pop(lease_id, None)
            self.unheard.pop(lease_id, None)
        self.follow(self.book.give_back(lease_id, outcome, self.now), doubts)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), count=st.integers(1, 4))
    def work_is_done(self, data: st.DataObject, count: int) -> None:
        for _ in range(min(count, len(self.held))):
            lease_id = data.draw(st.sampled_from(sorted(self.held)))
            self.close(lease_id)
            self.follow(self.book.give_back(lease_id, WorkOutcome.DONE, self.now))

    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        """A request that the book knows is repeated as it was: nothing changes."""
        known = sorted(self.waiting.keys() | self.held.keys() | self.ended)
        if not known:
            return
        lease_id = data.draw(st.sampled_from(known))
        if lease_id in self.waiting:
            assert self.book.request(self.waiting[lease_id].request, self.now) == []
        elif lease_id in self.held:
            request, lease, _ = self.held[lease_id]
            assert self.book.request(request, self.now) == [Granted(lease)]
        else:
            request = LeaseRequest(lease_id, WorkKind.SYNTHESIS, "i", "call", 5.0, 5.0)
            assert self.book.request(request, self.now) == [Refused(lease_id, Refusal.ENDED)]

    @rule(data=st.data(), is_repeated=st.booleans())
    def promote(self, data: st.DataObject, is_repeated: bool) -> None:
        """By a message of its own, or by repeating the request as final work."""
        lease_id = data.draw(st.sampled_from([*self.ids, "unknown"]))
        asked = self.waiting.get(lease_id)
        if asked is not None and asked.request.is_ahead:
            self.numbers += 1
            asked.request = replace(asked.request, is_ahead=False)
            asked.since, asked.number = self.now, self.numbers
        if asked is not None and is_repeated:
            self.follow(self.book.request(asked.request, self.now))
        else:
            self.follow(self.book.promote(lease_id, self.now))

    @rule(ingress=st.sampled_from(INGRESSES))
    def ingress_goes(self, ingress: str) -> None:
        waiting = {key for key, it in self.waiting.items() if it.request.ingress_id == ingress}
        answers = self.book.drop_ingress(ingress)
        refused = [it for it in answers if isinstance(it, Refused)]
        assert len(refused) == len(waiting)
        assert set(refused) == {Refused(key, Refusal.INGRESS_GONE) for key in waiting}
        for lease_id in waiting:
            del self.waiting[lease_id]
            self.end(lease_id)
        held = [key for key, (it, _, _) in self.held.items() if it.ingress_id == ingress]
        doubts = [self.doubt(self.close(lease_id)) for lease_id in held]
        self.follow([it for it in answers if not isinstance(it, Refused)], doubts)

    @rule(seconds=QUARTERS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        overdue = [key for key, (_, _, expires) in self.held.items() if expires <= self.now]
        doubts = [self.doubt(self.close(lease_id)) for lease_id in overdue]
        self.follow(self.book.expire(self.now), doubts)
        assert not [it for it in self.waiting.values() if it.deadline <= self.now]
        for kind in WorkKind:
            assert self.next(kind) is None, "a request waits before a slot that is for it"

    @rule(holds=st.booleans())
    def hold_background(self, holds: bool) -> None:
        self.holds = self.book.holds_background = holds
        self.time_passes(0.0)

    # A new manager

    @rule()
    def manager_dies(self) -> None:
        """The next one knows nothing: no worker, no request, no lease."""
        self.book = LeaseBook(QUEUE_LIMIT, AGING_S)
        self.book.holds_background = self.holds
        self.orphans |= {key: (request, lease) for key, (request, lease, _) in self.held.items()}
        self.unheard |= {key: asked.request for key, asked in self.waiting.items()}
        self.held, self.waiting, self.houses = {}, {}, {}
        self.ids = [*self.orphans, *self.unheard]
        self.ended = set()

    @rule(ingress=st.sampled_from(INGRESSES))
    def ingress_reconnects(self, ingress: str) -> None:
        """It brings its leases, each twice, and asks again for what it waited for."""
        for lease_id, (request, lease) in list(self.orphans.items()):
            if request.ingress_id == ingress:
                del self.orphans[lease_id]
                assert self.book.adopt(request, lease, self.now) == [Granted(lease)]
                self.hold(request, lease)
                assert self.book.adopt(request, lease, self.now) == [Granted(lease)]
        for lease_id, request in list(self.unheard.items()):
            if request.ingress_id == ingress:
                del self.unheard[lease_id]
                self.enter(request)

    # What always holds

    @invariant()
    def books_agree(self) -> None:
        for kind in WorkKind:
            crowd = [it for it in self.waiting.values() if it.request.kind is kind]
            counts = self.book.slots(kind)
            assert self.book.waiting(kind) == len(crowd)
            assert (counts.total, counts.total - counts.busy) == (self.total(kind), self.free(kind))
            assert 0 <= counts.for_no_call <= counts.busy
            final = [it for it in crowd if not it.request.is_ahead]
            if self.free(kind) and not self.holds:
                assert not final, "final work waits before a free slot"
        for lease_id, (request, lease, _) in self.held.items():
            assert self.book.held(lease_id) == (request, lease)
            assert self.book.is_used(lease.worker_id)

    def teardown(self) -> None:
        """In the end everything ends: nothing waits, nothing is out."""
        self.time_passes(1_000.0)
        self.time_passes(1_000.0)
        assert not self.waiting
        assert not self.held
        assert set(self.ids) <= self.ended | self.orphans.keys() | self.unheard.keys()


TestLeaseBook = LeaseBookMachine.TestCase
TestLeaseBook.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, phases=set(Phase) - {Phase.explain}
)
