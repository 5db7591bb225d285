"""Who may use which worker: slots, the queue before them, and an end for every request.

A worker is one slot or more. A request goes `waiting -> granted -> ended` or `waiting -> ended`, and it ends
exactly once. In which order requests are served, and who leaves a full queue, is said in
`actors.leases.queue`; nobody waits while a slot may be lent to him. A request is known by the id its asker
chose: asked again, it is the same request, so a lost reply can simply be repeated.

Nothing here is trusted to come back by itself: a waiting request ends at its deadline, a granted lease
at its time to live, all of an ingress's when the ingress is gone. A slot whose work did not end well
(lost, abandoned, overdue) may still be busy with it, so its worker gets no new work until someone has seen
it idle and calls `readmit`; its other leases go on.

Only ahead-of-time work gives way. While final work waits that stands before it in the order, the newest
such leases are revoked, one for each waiting request that no slot is coming back for already: never more than
wait. A revoked lease stays out until it is given back. A lease that a former manager granted is taken over as
it is, also before its worker is known here, so that its slot is not lent twice.

Time is an argument. Methods that can grant or refuse return what they answered, in order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from actors.leases.deadlines import Agenda
from actors.leases.queue import LeaseQueue, place
from actors.messages import Lease, LeaseRequest, Priority, WorkKind, WorkOutcome

REMEMBERED_ENDINGS = 4_096
"""Ids of ended requests that are kept, so that a late repetition is not taken for a new request."""


class Refusal(Enum):
    """Why a request was refused; the text finishes the sentence "refused: ..."."""

    QUEUE_FULL = "too many requests are waiting already"
    DISPLACED = "too many requests are waiting, and a more urgent one came"
    LATE = "no slot came free within the time it was willing to wait"
    ENDED = "it has ended before"
    TAKEN = "the slot of its former lease serves another"
    INGRESS_GONE = "its ingress is gone"


@dataclass(frozen=True, slots=True)
class Granted:
    """A request has its slot."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Refused:
    """A request ended without a slot."""

    lease_id: str
    reason: Refusal


Answer = Granted | Refused


class SlotState(Enum):
    """What a worker's slots can be."""

    FREE = "free"
    """No lease on the worker is out."""
    BUSY = "busy"
    """A lease is out, at least one; also while a slot beside it is finishing."""
    FINISHING = "finishing"
    """Its lease is over, its worker may still work on what nobody waits for. Needs `readmit`."""
    QUARANTINED = "quarantined"
    """Its worker was lost, or is on its way out. Needs `readmit`."""


@dataclass(frozen=True, slots=True)
class SlotCounts:
    """Slots of workers that are not quarantined."""

    total: int = 0
    busy: int = 0
    """Lent, or finishing."""


@dataclass(slots=True)
class _Worker:
    """Not known yet (no slots) while there is only an adopted lease that names it."""

    worker_id: str
    kind: WorkKind
    slots: int = 0
    leases: OrderedDict[str, None] = field(default_factory=OrderedDict)
    finishing: int = 0
    """Slots whose lease is over and whose work may not be."""
    suspension: SlotState | None = None
    is_retiring: bool = False
    counted: SlotCounts = SlotCounts()

    @property
    def is_known(self) -> bool:
        return self.slots > 0

    @property
    def serves(self) -> bool:
        """Whether a slot that comes free here is lent again."""
        return self.is_known and self.suspension is None and not self.is_retiring

    @property
    def state(self) -> SlotState:
        if self.suspension is SlotState.QUARANTINED:
            return SlotState.QUARANTINED
        return SlotState.BUSY if self.leases else self.suspension or SlotState.FREE

    def suspend(self, state: SlotState) -> None:
        """A quarantine is not softened by a slot that only finishes."""
        if self.suspension is not SlotState.QUARANTINED:
            self.suspension = state


@dataclass(slots=True)
class _Held:
    request: LeaseRequest
    lease: Lease


class LeaseBook:
    """All slots and all requests of one fleet."""

    def __init__(self, queue_limit: int = 256, aging_s: float = 5.0) -> None:
        """`queue_limit`: requests of one kind that may wait. `aging_s`: see `actors.leases.queue`."""
        self.queue_limit = queue_limit
        self._workers: dict[str, _Worker] = {}
        self._usable: dict[WorkKind, OrderedDict[str, None]] = {kind: OrderedDict() for kind in WorkKind}
        """Workers with a free slot to lend; who has had one longest is first."""
        self._counts = dict.fromkeys(WorkKind, SlotCounts())
        self._queues = {kind: LeaseQueue(aging_s) for kind in WorkKind}
        self._held: dict[str, _Held] = {}
        self._expiries = Agenda()
        self._ahead: dict[WorkKind, dict[str, _Held]] = {kind: {} for kind in WorkKind}
        """Leases of ahead-of-time work that are out and not revoked, in order of their grant."""
        self._revoked: dict[str, _Held] = {}
        self._changed: set[str] = set()
        self._ended: OrderedDict[str, None] = OrderedDict()

    @property
    def aging_s(self) -> float:
        """What a request has to wait to count as one class higher. A change holds from the next step on."""
        return self._queues[WorkKind.TRANSCRIPTION].aging_s

    @aging_s.setter
    def aging_s(self, aging_s: float) -> None:
        for queue in self._queues.values():
            queue.aging_s = aging_s

    @property
    def holds_background(self) -> bool:
        """While True nothing of priority background is granted. `expire` grants what waited for the end."""
        return self._queues[WorkKind.TRANSCRIPTION].holds_background

    @holds_background.setter
    def holds_background(self, holds: bool) -> None:
        for queue in self._queues.values():
            queue.holds_background = holds

    # Workers

    def add_worker(self, worker_id: str, kind: WorkKind, now: float, slots: int = 1) -> list[Answer]:
        """Add a worker that is ready, or readmit it. Its slots go to the first who wait.

        Adopted leases that name it take their slots first. If there are more than slots, the newest end
        and the worker rests: it has more work than it should.
        """
        worker = self._workers.get(worker_id)
        if worker is not None and worker.is_known:
            return self.readmit(worker_id, now)
        if worker is None:
            worker = self._workers[worker_id] = _Worker(worker_id, kind)
        worker.slots, worker.suspension, worker.is_retiring, worker.finishing = slots, None, False, 0
        while len(worker.leases) > slots:
            self._close(next(reversed(worker.leases)))
            worker.finishing += 1
            worker.suspend(SlotState.FINISHING)
        self._refresh(worker)
        return self._settle(worker.kind, now)

    def remove_worker(self, worker_id: str) -> None:
        """Forget a worker. Leases on it end: their holders find the worker lost."""
        worker = self._workers.get(worker_id)
        if worker is None:
            return
        self._close_all(worker)
        worker.slots = 0
        self._refresh(worker)

    def quarantine(self, worker_id: str) -> None:
        """Lend the worker to nobody until `readmit`. Leases on it end."""
        worker = self._workers.get(worker_id)
        if worker is None:
            return
        worker.finishing += len(worker.leases)
        worker.suspend(SlotState.QUARANTINED)
        self._close_all(worker)
        self._refresh(worker)

    def retire(self, worker_id: str) -> None:
        """Lend the worker to nobody any more; leases that are out may finish their work."""
        worker = self._workers.get(worker_id)
        if worker is not None:
            worker.is_retiring = True
            self._refresh(worker)

    def readmit(self, worker_id: str, now: float) -> list[Answer]:
        """Take back a worker that was seen idle, or is wanted again. Its slots go to the first who wait.

        A lease that is still out keeps its slot: its work may not have begun when the worker was seen.
        """
        worker = self._workers.get(worker_id)
        if worker is None or not worker.is_known:
            return []
        worker.suspension, worker.is_retiring, worker.finishing = None, False, 0
        self._refresh(worker)
        return self._settle(worker.kind, now)

    def state(self, worker_id: str) -> SlotState | None:
        """Return what the worker's slots are, None if nothing is known of it."""
        worker = self._workers.get(worker_id)
        return worker.state if worker else None

    def suspended(self) -> list[str]:
        """Return the workers that wait for `readmit`."""
        return [it.worker_id for it in self._workers.values() if it.is_known and it.suspension is not None]

    def workers(self, kind: WorkKind) -> Iterator[tuple[str, SlotState]]:
        """Yield every worker of a kind and what its slots are."""
        return ((it.worker_id, it.state) for it in self._workers.values() if it.kind is kind and it.is_known)

    def slots(self, kind: WorkKind) -> SlotCounts:
        """Return how many slots of a kind there are and are in use."""
        return self._counts[kind]

    def worker_slots(self, worker_id: str) -> SlotCounts:
        """Return the same of one worker; zeros if it is not known or quarantined."""
        worker = self._workers.get(worker_id)
        return worker.counted if worker else SlotCounts()

    # Requests

    def request(self, request: LeaseRequest, now: float) -> list[Answer]:
        """Take a request in. The answer to it, if there is one already, is among the answers.

        A repeated request gets its lease again, or goes on waiting in its old place; repeated as final
        work, it is promoted.
        """
        lease_id = request.lease_id
        if lease_id in self._ended:
            return [Refused(lease_id, Refusal.ENDED)]
        if lease_id in self._held or any(lease_id in queue for queue in self._queues.values()):
            if not request.is_ahead:
                self.promote(lease_id)
            return [Granted(self._held[lease_id].lease)] if lease_id in self._held else []
        kind, queue = request.kind, self._queues[request.kind]
        answers = self._settle(kind, now)  # the overdue fill no queue
        is_held_back = self.holds_background and request.priority is Priority.BACKGROUND
        if not self._usable[kind] or is_held_back:
            if request.wait_s <= 0:
                return [*answers, self._refuse(lease_id, Refusal.LATE)]
            if len(queue) >= self.queue_limit:
                displaced = queue.gives_way(request)
                if displaced is None:
                    return [*answers, self._refuse(lease_id, Refusal.QUEUE_FULL)]
                queue.remove(displaced)
                answers.append(self._refuse(displaced, Refusal.DISPLACED))
        queue.add(request, now)
        answers += self._grant(kind, now)
        self._revoke(kind)
        return answers

    def promote(self, lease_id: str) -> None:
        """Let ahead-of-time work, waiting or granted, be final from now on. Unknown ids do no harm."""
        held = self._held.get(lease_id)
        if held is None:
            for kind, queue in self._queues.items():
                if queue.promote(lease_id):
                    self._revoke(kind)
        elif held.request.is_ahead:
            held.request = replace(held.request, is_ahead=False)
            self._ahead[held.request.kind].pop(lease_id, None)
            if self._revoked.pop(lease_id, None) is not None:
                self._changed.add(held.request.ingress_id)
                self._revoke(held.request.kind)

    def give_back(self, lease_id: str, outcome: WorkOutcome, now: float) -> list[Answer]:
        """End a request: withdraw it if it waits, free or suspend its slot if it holds one.

        An unknown id is remembered as ended: the request may still be on its way.
        """
        if lease_id not in self._held:
            for queue in self._queues.values():
                queue.remove(lease_id)
            self._end(lease_id)
            return []
        worker = self._close(lease_id)
        if outcome is WorkOutcome.LOST:
            worker.finishing += 1
            worker.suspend(SlotState.QUARANTINED)
        elif outcome is WorkOutcome.ABANDONED:
            worker.finishing += 1
            worker.suspend(SlotState.FINISHING)
        self._refresh(worker)
        return self._settle(worker.kind, now)

    def adopt(self, request: LeaseRequest, lease: Lease, now: float) -> list[Answer]:
        """Take over a lease that a former manager granted and that is in use; its time to live begins anew.

        Refused if it has ended here, or if all slots of its worker serve others by now.
        """
        lease_id = lease.lease_id
        if lease_id in self._held or lease_id in self._ended:
            return self.request(request, now)
        for queue in self._queues.values():
            queue.remove(lease_id)
        worker = self._workers.get(lease.worker_id)
        if worker is None:
            worker = self._workers[lease.worker_id] = _Worker(lease.worker_id, lease.kind)
        elif worker.is_known and len(worker.leases) + worker.finishing >= worker.slots:
            worker.suspend(SlotState.FINISHING)  # it has more work than slots
            self._refresh(worker)
            return [self._refuse(lease_id, Refusal.TAKEN)]
        self._hold(request, lease, worker, now)
        self._revoke(worker.kind)
        return [Granted(lease)]

    def drop_ingress(self, ingress_id: str) -> list[Answer]:
        """End everything an ingress waits for or holds. Its slots may still be busy."""
        answers: list[Answer] = []
        for queue in self._queues.values():
            for lease_id in queue.of_ingress(ingress_id):
                queue.remove(lease_id)
                answers.append(self._refuse(lease_id, Refusal.INGRESS_GONE))
        for lease_id in [key for key, held in self._held.items() if held.request.ingress_id == ingress_id]:
            self._close_unfinished(lease_id)
        return answers

    def expire(self, now: float) -> list[Answer]:
        """Refuse requests whose deadline has come, end overdue leases, grant what may be granted."""
        for lease_id in self._expiries.take_due(now):
            self._close_unfinished(lease_id)
        return [answer for kind in WorkKind for answer in self._settle(kind, now)]

    def next_deadline(self) -> float | None:
        """Return the earliest instant at which a request or a lease ends, None if there is none."""
        instants = [self._expiries.earliest(), *(queue.next_deadline() for queue in self._queues.values())]
        return min((instant for instant in instants if instant is not None), default=None)

    def held(self, lease_id: str) -> tuple[LeaseRequest, Lease] | None:
        """Return a lease that is out and its request, None if it is not (any more)."""
        entry = self._held.get(lease_id)
        return (entry.request, entry.lease) if entry else None

    def requests_held(self, kind: WorkKind) -> Iterator[LeaseRequest]:
        """Yield the requests whose leases are out."""
        return (it.request for it in self._held.values() if it.request.kind is kind)

    def waiting(self, kind: WorkKind) -> int:
        """Return how many requests wait for a slot of `kind`."""
        return len(self._queues[kind])

    def revoked(self, ingress_id: str) -> tuple[str, ...]:
        """Return the leases of an ingress whose work must stop; each until it is given back."""
        return tuple(key for key, held in self._revoked.items() if held.request.ingress_id == ingress_id)

    def take_changed(self) -> set[str]:
        """Return the ingresses whose `revoked` has changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    # Decisions

    def _settle(self, kind: WorkKind, now: float) -> list[Answer]:
        """Bring everything that depends on time and free slots up to date."""
        queue = self._queues[kind]
        queue.climb(now)
        answers: list[Answer] = [self._refuse(it, Refusal.LATE) for it in queue.take_overdue(now)]
        answers += self._grant(kind, now)
        self._revoke(kind)
        return answers

    def _grant(self, kind: WorkKind, now: float) -> list[Answer]:
        answers: list[Answer] = []
        usable = self._usable[kind]
        while usable and (waiting := self._queues[kind].take_first()) is not None:
            # The least busy one: a slot beside others' work is slower than a worker of one's own.
            worker_id = min(usable, key=lambda each: len(self._workers[each].leases))
            wait_ms = (now - waiting.since) * 1000.0
            lease = Lease(waiting.request.lease_id, kind, worker_id, wait_ms)
            self._hold(waiting.request, lease, self._workers[worker_id], now)
            answers.append(Granted(lease))
        return answers

    def _revoke(self, kind: WorkKind) -> None:
        """Revoke ahead-of-time work for final work that waits before it and has no slot coming."""
        ahead = self._ahead[kind]
        if not ahead or not self._queues[kind]:
            return
        coming = self._coming(kind)
        for index, waiting in enumerate(self._queues[kind].finals()):
            if index < coming:
                continue
            newest = next(
                (
                    key
                    for key, held in reversed(ahead.items())
                    if waiting.place < place(held.request) and self._workers[held.lease.worker_id].serves
                ),
                None,
            )
            if newest is None:  # those behind stand before even less
                return
            held = self._revoked[newest] = ahead.pop(newest)
            self._changed.add(held.request.ingress_id)

    def _coming(self, kind: WorkKind) -> int:
        """Return how many slots will come free without another revocation."""
        workers = [it for it in self._workers.values() if it.kind is kind and not it.is_retiring]
        finishing = sum(it.finishing for it in workers if it.suspension is SlotState.FINISHING)
        revoked = (held for held in self._revoked.values() if held.request.kind is kind)
        homes = (self._workers[held.lease.worker_id] for held in revoked)
        return finishing + sum(
            it.is_known and not it.is_retiring and it.suspension is not SlotState.QUARANTINED for it in homes
        )

    # Bookkeeping

    def _hold(self, request: LeaseRequest, lease: Lease, worker: _Worker, now: float) -> None:
        held = self._held[lease.lease_id] = _Held(request, lease)
        self._expiries.set(lease.lease_id, now + request.hold_s)
        if request.is_ahead:
            self._ahead[worker.kind][lease.lease_id] = held
        worker.leases[lease.lease_id] = None
        self._refresh(worker)

    def _close(self, lease_id: str) -> _Worker:
        """End a lease that is out. The worker returned is to be refreshed when its slot is judged."""
        held = self._held.pop(lease_id)
        self._expiries.drop(lease_id)
        self._ahead[held.request.kind].pop(lease_id, None)
        if self._revoked.pop(lease_id, None) is not None:
            self._changed.add(held.request.ingress_id)
        worker = self._workers[held.lease.worker_id]
        del worker.leases[lease_id]
        self._end(lease_id)
        return worker

    def _close_unfinished(self, lease_id: str) -> None:
        """End a lease whose work may go on."""
        worker = self._close(lease_id)
        worker.finishing += 1
        worker.suspend(SlotState.FINISHING)
        self._refresh(worker)

    def _close_all(self, worker: _Worker) -> None:
        for lease_id in list(worker.leases):
            self._close(lease_id)

    def _refresh(self, worker: _Worker) -> None:
        """Make counts and the workers to lend agree with what the worker is now."""
        if worker.is_retiring and not worker.leases:
            worker.suspend(SlotState.QUARANTINED)
        usable = self._usable[worker.kind]
        if not worker.serves or len(worker.leases) >= worker.slots:
            usable.pop(worker.worker_id, None)
        else:
            usable.setdefault(worker.worker_id)
        old, new = worker.counted, SlotCounts()
        if worker.is_known and worker.suspension is not SlotState.QUARANTINED:
            new = SlotCounts(worker.slots, min(worker.slots, len(worker.leases) + worker.finishing))
        worker.counted = new
        counts = self._counts[worker.kind]
        self._counts[worker.kind] = SlotCounts(
            counts.total - old.total + new.total, counts.busy - old.busy + new.busy
        )
        if not worker.is_known and not worker.leases:
            self._workers.pop(worker.worker_id, None)

    def _refuse(self, lease_id: str, reason: Refusal) -> Refused:
        self._end(lease_id)
        return Refused(lease_id, reason)

    def _end(self, lease_id: str) -> None:
        self._ended[lease_id] = None
        while len(self._ended) > REMEMBERED_ENDINGS:
            self._ended.popitem(last=False)
