"""The lease book against a simple model of it, in any order of events.

The model knows the rules in their plainest form (sort everything, count everything) and checks each answer as
it comes: who was served before whom, who was refused and why, what was revoked for whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.leases.book import Answer, Granted, LeaseBook, Refusal, Refused, SlotState
from actors.leases.queue import EMERGENCY_RUN
from actors.messages import Lease, LeaseRequest, Priority, WorkKind, WorkOutcome

QUEUE_LIMIT = 4
AGING_S = 2.0
INGRESSES = ("i", "j")
KINDS = st.sampled_from([WorkKind.TRANSCRIPTION] * 3 + [WorkKind.SYNTHESIS])
WORKERS = st.integers(0, 1)
QUARTERS = st.integers(0, 32).map(lambda count: count / 4)
"""Seconds that add up without rounding, so that the model may divide where the book compares."""
REQUESTS = st.builds(
    LeaseRequest,
    lease_id=st.just(""),
    kind=KINDS,
    ingress_id=st.sampled_from(INGRESSES),
    session_id=st.just("call"),
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

    @property
    def deadline(self) -> float:
        return self.since + self.request.wait_s

    def place(self, now: float) -> int:
        request = self.request
        if request.is_ahead:
            return 2 + 2 * request.priority.rank
        if request.priority is Priority.EMERGENCY:
            return 0
        return 1 + 2 * max(0, request.priority.rank - int((now - self.since) // AGING_S))

    def order(self, now: float) -> tuple[int, float, int]:
        place = self.place(now)
        return place, self.since if place == 1 else self.deadline, self.number


@dataclass
class House:
    """A worker in the model."""

    slots: int
    leases: set[str] = field(default_factory=set)
    finishing: int = 0
    suspension: SlotState | None = None
    is_retiring: bool = False

    @property
    def serves(self) -> bool:
        return self.suspension is None and not self.is_retiring

    @property
    def is_usable(self) -> bool:
        return self.serves and len(self.leases) < self.slots

    def rest(self, state: SlotState) -> None:
        if self.suspension is not SlotState.QUARANTINED:
            self.suspension = state

    def settle(self) -> None:
        if self.is_retiring and not self.leases:
            self.suspension = SlotState.QUARANTINED


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
        self.revoked: set[str] = set()
        self.ended: set[str] = set()
        self.run = dict.fromkeys(WorkKind, 0)
        self.holds = False
        self.orphans: dict[str, tuple[LeaseRequest, Lease]] = {}
        """Leases in use that the present book has not been told of."""
        self.unheard: dict[str, LeaseRequest] = {}
        """Requests whose manager died before it answered them."""

    # Following the answers

    def follow(self, answers: Sequence[Answer], newcomer: str | None = None) -> None:
        for answer in answers:
            if isinstance(answer, Granted):
                self.grant(answer.lease)
            else:
                self.refuse(answer, newcomer)

    def grant(self, lease: Lease) -> None:
        asked = self.waiting[lease.lease_id]
        kind = asked.request.kind
        assert asked is self.first(kind), "somebody was passed over"
        assert asked.deadline > self.now or asked.since == self.now, "granted after its deadline"
        self.run[kind] = self.run[kind] + 1 if asked.place(self.now) == 0 else 0
        assert self.houses[lease.worker_id].is_usable, "a slot was lent that is not there"
        assert lease.wait_ms == (self.now - asked.since) * 1000.0
        del self.waiting[lease.lease_id]
        self.hold(asked.request, lease)

    def refuse(self, refused: Refused, newcomer: str | None) -> None:
        asked = self.waiting.pop(refused.lease_id)
        rivals = [it for it in self.waiting.values() if it.request.kind is asked.request.kind]
        match refused.reason:
            case Refusal.LATE:
                assert asked.deadline <= self.now
            case Refusal.QUEUE_FULL:
                assert refused.lease_id == newcomer
                assert len(rivals) == QUEUE_LIMIT
                assert all(self.standing(it)[:2] <= self.standing(asked)[:2] for it in rivals)
            case Refusal.DISPLACED:
                assert newcomer is not None
                others = [it for it in rivals if it.request.lease_id != newcomer]
                assert len(others) == QUEUE_LIMIT - 1
                assert self.standing(self.waiting[newcomer])[:2] < self.standing(asked)[:2]
                assert all(self.standing(it) < self.standing(asked) for it in others)
            case _:
                raise AssertionError(refused)
        self.end(refused.lease_id)

    def standing(self, asked: Asked) -> tuple[bool, int, float, int]:
        return (self.is_held_back(asked), *asked.order(self.now))

    def is_held_back(self, asked: Asked) -> bool:
        return self.holds and asked.request.priority is Priority.BACKGROUND

    def first(self, kind: WorkKind) -> Asked | None:
        """Return whom the rules serve next."""
        crowd = [it for it in self.waiting.values() if it.request.kind is kind and not self.is_held_back(it)]
        crowd.sort(key=lambda it: it.order(self.now))
        aged = [it for it in crowd if it.place(self.now) == 1]
        if aged and self.run[kind] >= EMERGENCY_RUN:
            return aged[0]
        return crowd[0] if crowd else None

    def hold(self, request: LeaseRequest, lease: Lease) -> None:
        assert lease.lease_id not in self.held, "a lease was granted twice"
        self.held[lease.lease_id] = request, lease, self.now + request.hold_s
        if lease.worker_id in self.houses:
            self.houses[lease.worker_id].leases.add(lease.lease_id)

    def end(self, lease_id: str) -> None:
        assert lease_id not in self.ended, "a request ended twice"
        self.ended.add(lease_id)

    def close(self, lease_id: str, rest: SlotState | None) -> None:
        _, lease, _ = self.held.pop(lease_id)
        self.revoked.discard(lease_id)
        self.end(lease_id)
        house = self.houses.get(lease.worker_id)
        if house is not None:
            house.leases.remove(lease_id)
            if rest is not None:
                house.finishing += 1
                house.rest(rest)
            house.settle()

    # Workers

    @initialize(slots=st.integers(1, 2))
    def begin(self, slots: int) -> None:
        for kind in WorkKind:
            self.add_worker(0, kind, slots)

    @rule(worker=WORKERS, kind=KINDS, slots=st.integers(1, 3))
    def add_worker(self, worker: int, kind: WorkKind, slots: int) -> None:
        worker_id = f"{kind}-{worker}"
        house = self.houses.get(worker_id)
        if house is None:
            here = [key for key, (_, lease, _) in self.held.items() if lease.worker_id == worker_id]
            house = self.houses[worker_id] = House(slots, set(here))
            for lease_id in reversed(here[slots:]):
                self.close(lease_id, SlotState.FINISHING)
        else:
            house.suspension, house.is_retiring, house.finishing = None, False, 0
        self.follow(self.book.add_worker(worker_id, kind, self.now, slots))

    @rule(worker=WORKERS, kind=KINDS, trouble=st.sampled_from(["dies", "quarantined", "retires"]))
    def worker_in_trouble(self, worker: int, kind: WorkKind, trouble: str) -> None:
        match trouble:
            case "dies":
                self.worker_dies(f"{kind}-{worker}")
            case "quarantined":
                self.quarantine(f"{kind}-{worker}")
            case _:
                self.retire(f"{kind}-{worker}")

    def worker_dies(self, worker_id: str) -> None:
        self.book.remove_worker(worker_id)
        for lease_id in [key for key, (_, lease, _) in self.held.items() if lease.worker_id == worker_id]:
            self.close(lease_id, None)
        self.houses.pop(worker_id, None)

    def quarantine(self, worker_id: str) -> None:
        self.book.quarantine(worker_id)
        for lease_id in [key for key, (_, lease, _) in self.held.items() if lease.worker_id == worker_id]:
            self.close(lease_id, SlotState.QUARANTINED)
        if worker_id in self.houses:
            self.houses[worker_id].suspension = SlotState.QUARANTINED

    def retire(self, worker_id: str) -> None:
        self.book.retire(worker_id)
        if worker_id in self.houses:
            self.houses[worker_id].is_retiring = True
            self.houses[worker_id].settle()

    @rule(worker=WORKERS, kind=KINDS)
    def readmit(self, worker: int, kind: WorkKind) -> None:
        worker_id = f"{kind}-{worker}"
        house = self.houses.get(worker_id)
        if house is not None:
            house.suspension, house.is_retiring, house.finishing = None, False, 0
        self.follow(self.book.readmit(worker_id, self.now))

    # Requests

    def enter(self, request: LeaseRequest) -> None:
        """Ask for a request that the book does not know."""
        self.numbers += 1
        self.waiting[request.lease_id] = Asked(request, self.now, self.numbers)
        self.follow(self.book.request(request, self.now), newcomer=request.lease_id)

    @rule(requests=st.lists(REQUESTS, min_size=1, max_size=6))
    def ask(self, requests: list[LeaseRequest]) -> None:
        for request in requests:
            self.asked += 1
            self.ids.append(f"lease-{self.asked}")
            self.enter(replace(request, lease_id=self.ids[-1]))

    @rule(data=st.data(), outcome=st.sampled_from(WorkOutcome))
    def report(self, data: st.DataObject, outcome: WorkOutcome) -> None:
        """Report a lease: out, waiting, ended long ago, or never heard of."""
        lease_id = data.draw(st.sampled_from([*self.ids, "unknown"]))
        if lease_id in self.waiting:
            del self.waiting[lease_id]
            self.end(lease_id)
        elif lease_id in self.held:
            rests = {WorkOutcome.LOST: SlotState.QUARANTINED, WorkOutcome.ABANDONED: SlotState.FINISHING}
            self.close(lease_id, rests.get(outcome))
        else:
            self.ended.add(lease_id)
            self.orphans.pop(lease_id, None)
            self.unheard.pop(lease_id, None)
        self.follow(self.book.give_back(lease_id, outcome, self.now))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), count=st.integers(1, 4))
    def work_is_done(self, data: st.DataObject, count: int) -> None:
        for _ in range(min(count, len(self.held))):
            lease_id = data.draw(st.sampled_from(sorted(self.held)))
            self.close(lease_id, None)
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

    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        lease_id = data.draw(st.sampled_from([*self.ids, "unknown"]))
        if lease_id in self.waiting:
            asked = self.waiting[lease_id]
            asked.request = replace(asked.request, is_ahead=False)
        if lease_id in self.held:
            request, lease, expires = self.held[lease_id]
            self.held[lease_id] = replace(request, is_ahead=False), lease, expires
            self.revoked.discard(lease_id)
        self.book.promote(lease_id)

    @rule(ingress=st.sampled_from(INGRESSES))
    def ingress_goes(self, ingress: str) -> None:
        gone = {key for key, it in self.waiting.items() if it.request.ingress_id == ingress}
        answers = self.book.drop_ingress(ingress)
        assert {it.lease_id for it in answers if isinstance(it, Refused)} == gone
        assert len(answers) == len(gone)
        for lease_id in gone:
            del self.waiting[lease_id]
            self.end(lease_id)
        for lease_id in [key for key, (it, _, _) in self.held.items() if it.ingress_id == ingress]:
            self.close(lease_id, SlotState.FINISHING)
        assert self.book.revoked(ingress) == ()

    @rule(seconds=QUARTERS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for lease_id in [key for key, (_, _, expires) in self.held.items() if expires <= self.now]:
            self.close(lease_id, SlotState.FINISHING)
        self.follow(self.book.expire(self.now))
        assert not [it for it in self.waiting.values() if it.deadline <= self.now]
        deadline = self.book.next_deadline()
        assert deadline is None or deadline > self.now

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
        self.held, self.waiting, self.houses, self.revoked = {}, {}, {}, set()
        self.run = dict.fromkeys(WorkKind, 0)
        self.ids = [*self.orphans, *self.unheard]
        self.ended = set()

    @rule(ingress=st.sampled_from(INGRESSES))
    def ingress_reconnects(self, ingress: str) -> None:
        """It brings its leases, twice for good measure, and asks again for what it waited for."""
        for lease_id, (request, lease) in list(self.orphans.items()):
            if request.ingress_id != ingress:
                continue
            del self.orphans[lease_id]
            answers = self.book.adopt(request, lease, self.now)
            house = self.houses.get(lease.worker_id)
            if house is not None and len(house.leases) + house.finishing >= house.slots:
                assert answers == [Refused(lease_id, Refusal.TAKEN)]
                self.end(lease_id)
                house.rest(SlotState.FINISHING)
            else:
                assert answers == [Granted(lease)]
                self.hold(request, lease)
                assert self.book.adopt(request, lease, self.now) == [Granted(lease)]
            assert self.book.state(lease.worker_id) is not SlotState.FREE
        for lease_id, request in list(self.unheard.items()):
            if request.ingress_id == ingress:
                del self.unheard[lease_id]
                self.enter(request)

    # What always holds

    @invariant()
    def books_agree(self) -> None:
        for kind in WorkKind:
            crowd = [it for it in self.waiting.values() if it.request.kind is kind]
            houses = {key: house for key, house in self.houses.items() if key.startswith(kind)}
            assert self.book.waiting(kind) == len(crowd)
            assert {worker_id for worker_id, _ in self.book.workers(kind)} == set(houses)
            open_houses = [it for it in houses.values() if it.suspension is not SlotState.QUARANTINED]
            counts = self.book.slots(kind)
            assert counts.total == sum(it.slots for it in open_houses)
            assert counts.busy == sum(min(it.slots, len(it.leases) + it.finishing) for it in open_houses)
            if any(house.is_usable for house in houses.values()):
                assert all(self.is_held_back(it) for it in crowd), "somebody waits before a free slot"
        for lease_id, (request, lease, _) in self.held.items():
            assert self.book.held(lease_id) == (request, lease)
        for worker_id, house in self.houses.items():
            assert len(house.leases) <= house.slots, "two leases on one slot"
            assert (worker_id in self.book.suspended()) == (house.suspension is not None)
        assert self.book.waiting(WorkKind.SYNTHESIS) <= QUEUE_LIMIT

    @invariant()
    def only_who_must_gives_way(self) -> None:
        revoked = {lease_id for ingress in INGRESSES for lease_id in self.book.revoked(ingress)}
        assert self.revoked <= revoked, "a revoked lease was forgotten"
        for kind in WorkKind:
            finals = [
                it
                for it in self.waiting.values()
                if it.request.kind is kind and not it.request.is_ahead and not self.is_held_back(it)
            ]
            finals.sort(key=lambda it: it.order(self.now))
            ahead = {
                key: Asked(request, self.now, 0).place(self.now)
                for key, (request, lease, _) in self.held.items()
                if request.kind is kind and request.is_ahead and self.serves(lease)
            }
            for lease_id in (revoked - self.revoked) & {
                k for k, (r, _, _) in self.held.items() if r.kind is kind
            }:
                assert lease_id in ahead, "revoked although it is final, or its slot would not be lent"
                assert finals[0].place(self.now) < ahead[lease_id], "revoked for somebody less urgent"
                assert len(revoked & ahead.keys()) <= len(finals), "more revoked than wait"
        self.revoked = revoked

    def serves(self, lease: Lease) -> bool:
        return lease.worker_id in self.houses and self.houses[lease.worker_id].serves

    def teardown(self) -> None:
        """In the end everything ends: nothing waits, nothing is out, nothing is due."""
        self.time_passes(1_000.0)
        self.time_passes(1_000.0)
        assert not self.waiting
        assert not self.held
        assert set(self.ids) <= self.ended | self.orphans.keys() | self.unheard.keys()
        assert self.book.next_deadline() is None


TestLeaseBook = LeaseBookMachine.TestCase
TestLeaseBook.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, phases=set(Phase) - {Phase.explain}
)
