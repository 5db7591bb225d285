"""Who may use which worker: slots, the queue before them, and an end for every request.

A worker is one slot or more. A request goes `waiting -> granted -> ended` or `waiting -> ended`, and it ends
exactly once. It is known by the id its asker chose: asked again, it is the same request, so a lost reply can
simply be repeated. The order of those that wait is that of `actors.leases.queue`; ahead-of-time work never
takes the last free slot of its kind where there are several. Each class of final work, ahead-of-time work of
calls, and that of no call may have `queue_limit` requests waiting; the next is refused at once.

| what ends a request | when |
|---|---|
| its deadline | while it waits |
| its report | at any time |
| its time to live | while its lease is out |
| its ingress or its worker is gone | at any time |

Where work did not end well (lost, abandoned, overdue) the slot may still be busy with it. Its worker gets
no new work until `lend` is called again, which is for the fleet to decide; its other leases go on.

Time is an argument. Methods that can grant, refuse or doubt return what happened, in order.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from actors.leases.queue import LeaseQueue, Waiting
from actors.messages import Lease, LeaseRequest, WorkKind, WorkOutcome

REMEMBERED_ENDINGS = 4_096
"""Ids of ended requests that are kept, so that a late repetition is not taken for a new request."""


class Refusal(Enum):
    """Why a request was refused; the text finishes the sentence "refused: ..."."""

    QUEUE_FULL = "too many requests are waiting already"
    LATE = "no slot came free within the time it was willing to wait"
    ENDED = "it has ended before"
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


@dataclass(frozen=True, slots=True)
class Doubted:
    """Work on a worker did not end well: it is not lent until it has been looked at."""

    worker_id: str
    is_lost: bool
    """The worker may be gone. Otherwise it may only be busy still."""


Answer = Granted | Refused | Doubted


class SlotCounts(NamedTuple):
    """Slots of one worker or of many."""

    total: int = 0
    busy: int = 0
    """Slots that cannot be lent now: a lease is out, or their worker is not lent."""
    for_no_call: int = 0
    """Leases among them whose work no call asked for."""


NO_SLOTS = SlotCounts()


@dataclass(slots=True)
class _Worker:
    """No slots: only leases that were taken over name it, or it was lost."""

    worker_id: str
    kind: WorkKind
    worker: Any = None
    slots: int = 0
    is_lent: bool = False
    leases: dict[str, LeaseRequest] = field(default_factory=dict)
    counted: SlotCounts = NO_SLOTS

    def counts(self) -> SlotCounts:
        if not self.slots:
            return NO_SLOTS
        busy = min(self.slots, len(self.leases)) if self.is_lent else self.slots
        for_no_call = sum(request.session_id is None for request in self.leases.values())
        return SlotCounts(self.slots, busy, min(busy, for_no_call))


@dataclass(frozen=True, slots=True)
class _Held:
    request: LeaseRequest
    lease: Lease
    worker: _Worker
    ends: float


class LeaseBook:
    """All slots and all requests of one fleet."""

    def __init__(self, queue_limit: int = 256, aging_s: float = 5.0) -> None:
        """`queue_limit`: of one kind and class. `aging_s`: see `actors.leases.queue`."""
        self.queue_limit = queue_limit
        self.aging_s = aging_s
        self.holds_background = False
        """While True no background and no ahead-of-time work is granted. `expire` grants what waited."""
        self._workers: dict[str, _Worker] = {}
        self._usable: dict[WorkKind, dict[str, _Worker]] = {kind: {} for kind in WorkKind}
        """Workers with a slot to lend; the one that has had one longest is first."""
        self._counts = dict.fromkeys(WorkKind, NO_SLOTS)
        self._queues = {kind: LeaseQueue() for kind in WorkKind}
        self._waiting: dict[str, Waiting] = {}
        self._held: dict[str, _Held] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    # Workers

    def lend(
        self, worker_id: str, kind: WorkKind, now: float, slots: int = 1, worker: Any = None
    ) -> list[Answer]:
        """Lend a worker that is ready, for the first time or again. Its slots go to the first that wait.

        `worker`: the worker itself, for its leases (`Lease.worker`).
        Leases that are out on it keep their slots: their work may not have begun when it was seen idle.
        """
        entry = self._workers.setdefault(worker_id, _Worker(worker_id, kind))
        entry.worker, entry.slots, entry.is_lent = worker, slots, True
        self._refresh(entry)
        return self._grant(kind, now)

    def rest(self, worker_id: str) -> None:
        """Lend the worker no more; leases that are out may finish their work."""
        worker = self._workers.get(worker_id)
        if worker is not None:
            worker.is_lent = False
            self._refresh(worker)

    def doubt(self, worker_id: str, is_lost: bool) -> list[Answer]:
        """Lend the worker no more until `lend`: it does not answer."""
        worker = self._workers.get(worker_id)
        return [] if worker is None else [self._doubt(worker, is_lost)]

    def remove_worker(self, worker_id: str) -> None:
        """Forget a worker. Leases on it end: their holders find the worker lost."""
        worker = self._workers.get(worker_id)
        if worker is not None:
            for lease_id in list(worker.leases):
                self._close(lease_id)
            worker.slots = 0
            self._refresh(worker)

    def slots(self, kind: WorkKind) -> SlotCounts:
        """Return how many slots of a kind there are and are in use."""
        return self._counts[kind]

    def worker_slots(self, worker_id: str) -> SlotCounts:
        """Return the same of one worker; zeros if it is not known."""
        worker = self._workers.get(worker_id)
        return worker.counted if worker else NO_SLOTS

    def is_used(self, worker_id: str) -> bool:
        """Whether a lease on the worker is out."""
        worker = self._workers.get(worker_id)
        return worker is not None and bool(worker.leases)

    # Requests

    def request(self, request: LeaseRequest, now: float) -> list[Answer]:
        """Take a request in. The answer to it, if there is one already, is among the answers.

        A repeated request gets its lease again, or goes on waiting in its old place; repeated as final
        work, it is promoted.
        """
        lease_id = request.lease_id
        if lease_id in self._ended:
            return [Refused(lease_id, Refusal.ENDED)]
        if lease_id in self._held:
            return [Granted(self._held[lease_id].lease)]
        if lease_id in self._waiting:
            return [] if request.is_ahead else self.promote(lease_id, now)
        self._wait(Waiting(request, now, now + request.wait_s))
        answers = self._grant(request.kind, now)
        if lease_id in self._waiting and request.wait_s <= 0:
            answers.append(self._refuse(lease_id, Refusal.LATE))
        return answers + self._refuse_beyond_limit(lease_id)

    def promote(self, lease_id: str, now: float) -> list[Answer]:
        """Let ahead-of-time work that waits be final from now on. Does nothing to any other.

        It is refused as any newcomer is, if too many final requests wait already.
        """
        waiting = self._waiting.get(lease_id)
        if waiting is None or not waiting.request.is_ahead:
            return []
        self._leave(lease_id)
        self._wait(Waiting(replace(waiting.request, is_ahead=False), now, waiting.deadline))
        return self._grant(waiting.request.kind, now) + self._refuse_beyond_limit(lease_id)

    def give_back(self, lease_id: str, outcome: WorkOutcome, now: float) -> list[Answer]:
        """End a request: withdraw it if it waits, free its slot or doubt its worker if it holds one.

        An unknown id is remembered as ended: the request may still be on its way.
        """
        if lease_id not in self._held:
            if lease_id in self._waiting:
                self._leave(lease_id)
            self._end(lease_id)
            return []
        worker = self._close(lease_id)
        answers: list[Answer] = []
        if outcome in (WorkOutcome.LOST, WorkOutcome.ABANDONED):
            answers.append(self._doubt(worker, outcome is WorkOutcome.LOST))
        return [*answers, *self._grant(worker.kind, now)]

    def adopt(self, request: LeaseRequest, lease: Lease, now: float) -> list[Answer]:
        """Take over a lease that a former manager granted and that is in use; its time to live begins anew.

        If the worker's slots were lent to others meanwhile it has more leases than slots for a while.
        """
        lease_id = lease.lease_id
        if lease_id in self._held or lease_id in self._ended:
            return self.request(request, now)
        if lease_id in self._waiting:
            self._leave(lease_id)
        worker = self._workers.setdefault(lease.worker_id, _Worker(lease.worker_id, lease.kind))
        self._hold(request, lease, worker, now)
        return [Granted(lease)]

    def drop_ingress(self, ingress_id: str) -> list[Answer]:
        """End everything an ingress waits for or holds. Its slots may still be busy."""
        waiting = [key for key, it in self._waiting.items() if it.request.ingress_id == ingress_id]
        held = [key for key, it in self._held.items() if it.request.ingress_id == ingress_id]
        answers: list[Answer] = [self._refuse(lease_id, Refusal.INGRESS_GONE) for lease_id in waiting]
        return answers + [self._doubt(self._close(lease_id)) for lease_id in held]

    def expire(self, now: float) -> list[Answer]:
        """Refuse requests whose deadline has come, end overdue leases, grant what may be granted."""
        due = [(it.deadline, lease_id) for lease_id, it in self._waiting.items() if it.deadline <= now]
        due += [(it.ends, lease_id) for lease_id, it in self._held.items() if it.ends <= now]
        answers: list[Answer] = [
            self._refuse(lease_id, Refusal.LATE)
            if lease_id in self._waiting
            else self._doubt(self._close(lease_id))
            for _, lease_id in sorted(due)
        ]
        return answers + [answer for kind in WorkKind for answer in self._grant(kind, now)]

    def held(self, lease_id: str) -> tuple[LeaseRequest, Lease] | None:
        """Return a lease that is out and its request, None if it is not (any more)."""
        entry = self._held.get(lease_id)
        return (entry.request, entry.lease) if entry else None

    def waiting(self, kind: WorkKind) -> int:
        """Return how many requests wait for a slot of `kind`."""
        return len(self._queues[kind])

    def longest_wait_s(self, now: float) -> float:
        """Return how long the oldest final request waits, background apart; 0.0 if there is none."""
        oldest = (queue.oldest_load() for queue in self._queues.values())
        return max((now - waiting.since for waiting in oldest if waiting), default=0.0)

    # Decisions

    def _grant(self, kind: WorkKind, now: float) -> list[Answer]:
        answers: list[Answer] = []
        usable = self._usable[kind]
        while usable and (waiting := self._next(kind)) is not None:
            request = waiting.request
            worker = _least_busy(usable)
            wait_ms = (now - waiting.since) * 1000.0
            lease = Lease(request.lease_id, kind, worker.worker_id, wait_ms, worker.worker)
            self._leave(request.lease_id)
            self._hold(request, lease, worker, now)
            answers.append(Granted(lease))
        return answers

    def _next(self, kind: WorkKind) -> Waiting | None:
        """Return the request that gets the next slot, given that there is one to lend."""
        queue, counts = self._queues[kind], self._counts[kind]
        final = queue.first_final(self.aging_s, self.holds_background)
        if final is not None or self.holds_background:
            return final
        is_last = counts.total - counts.busy <= 1
        return None if is_last and counts.total > 1 else queue.first_ahead()

    def _doubt(self, worker: _Worker, is_lost: bool = False) -> Doubted:
        """Lend the worker no more, and count it out if it may be gone."""
        worker.is_lent = False
        if is_lost:
            worker.slots = 0
        self._refresh(worker)
        return Doubted(worker.worker_id, is_lost)

    # Bookkeeping

    def _wait(self, waiting: Waiting) -> None:
        self._waiting[waiting.request.lease_id] = waiting
        self._queues[waiting.request.kind].lane(waiting.request)[waiting.request.lease_id] = waiting

    def _leave(self, lease_id: str) -> None:
        """Take a request out of the queue."""
        request = self._waiting.pop(lease_id).request
        del self._queues[request.kind].lane(request)[lease_id]

    def _hold(self, request: LeaseRequest, lease: Lease, worker: _Worker, now: float) -> None:
        self._held[lease.lease_id] = _Held(request, lease, worker, now + request.hold_s)
        worker.leases[lease.lease_id] = request
        self._refresh(worker)

    def _close(self, lease_id: str) -> _Worker:
        """End a lease that is out."""
        worker = self._held.pop(lease_id).worker
        del worker.leases[lease_id]
        self._end(lease_id)
        self._refresh(worker)
        return worker

    def _refresh(self, worker: _Worker) -> None:
        """Make counts and the workers to lend agree with what the worker is now."""
        usable = self._usable[worker.kind]
        if worker.is_lent and len(worker.leases) < worker.slots:
            usable.setdefault(worker.worker_id, worker)
        else:
            usable.pop(worker.worker_id, None)
        old, worker.counted = worker.counted, worker.counts()
        new, counts = worker.counted, self._counts[worker.kind]
        self._counts[worker.kind] = SlotCounts(
            counts.total - old.total + new.total,
            counts.busy - old.busy + new.busy,
            counts.for_no_call - old.for_no_call + new.for_no_call,
        )
        if not worker.slots and not worker.leases:
            self._workers.pop(worker.worker_id, None)

    def _refuse_beyond_limit(self, lease_id: str) -> list[Answer]:
        """Refuse a request that has just joined its lane, if that is too long now."""
        waiting = self._waiting.get(lease_id)
        if (
            waiting is None
            or len(self._queues[waiting.request.kind].lane(waiting.request)) <= self.queue_limit
        ):
            return []
        return [self._refuse(lease_id, Refusal.QUEUE_FULL)]

    def _refuse(self, lease_id: str, reason: Refusal) -> Refused:
        self._leave(lease_id)
        self._end(lease_id)
        return Refused(lease_id, reason)

    def _end(self, lease_id: str) -> None:
        self._ended[lease_id] = None
        while len(self._ended) > REMEMBERED_ENDINGS:
            self._ended.popitem(last=False)


def _least_busy(usable: dict[str, _Worker]) -> _Worker:
    """A slot beside others' work is slower than a worker of one's own."""
    idle = next((worker for worker in usable.values() if not worker.leases), None)
    return idle or min(usable.values(), key=lambda worker: len(worker.leases))
