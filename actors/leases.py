"""Who may use which worker: slots, the queue before them, and an end for every request.

A worker is one slot. A request goes `waiting -> granted -> ended` or `waiting -> ended`, and it ends
exactly once. First come, first served within a kind of work. A request is known by the id its asker
chose: asked again, it is the same request, so a lost reply can simply be repeated.

Nothing here is trusted to come back by itself: a waiting request ends at its deadline, a granted lease
at its time to live, all of an ingress's when the ingress is gone. A slot whose work did not end well
(lost, abandoned, overdue) may still be busy with it, so nobody gets it until someone has seen its worker
idle and calls `readmit`.

Time is an argument. Methods that can grant or refuse return what they decided, in order.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

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


Decision = Granted | Refused


class SlotState(Enum):
    """What a slot can be."""

    FREE = "free"
    BUSY = "busy"
    FINISHING = "finishing"
    """Its lease is over, its worker may still work on what nobody waits for. Needs `readmit`."""
    QUARANTINED = "quarantined"
    """Its worker was lost, or is on its way out. Needs `readmit`."""


SUSPENDED = (SlotState.FINISHING, SlotState.QUARANTINED)


@dataclass(slots=True)
class _Slot:
    worker_id: str
    kind: WorkKind
    state: SlotState
    lease_id: str | None = None
    retiring: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: LeaseRequest
    since: float

    @property
    def deadline(self) -> float:
        return self.since + self.request.wait_s


@dataclass(frozen=True, slots=True)
class _Held:
    request: LeaseRequest
    lease: Lease
    expires: float


class LeaseBook:
    """All slots and all requests of one fleet."""

    def __init__(self, queue_limit: int = 256) -> None:
        """`queue_limit`: requests of one kind that may wait; the next is refused at once."""
        self._queue_limit = queue_limit
        self._slots: dict[str, _Slot] = {}
        self._free: dict[WorkKind, deque[str]] = {kind: deque() for kind in WorkKind}
        self._queues: dict[WorkKind, OrderedDict[str, _Waiting]] = {kind: OrderedDict() for kind in WorkKind}
        self._held: dict[str, _Held] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    # Slots

    def add_worker(self, worker_id: str, kind: WorkKind, now: float) -> list[Decision]:
        """Add a worker that is ready. Its slot goes to the first who waits."""
        if worker_id in self._slots:
            return self.readmit(worker_id, now)
        self._slots[worker_id] = _Slot(worker_id, kind, SlotState.FREE)
        self._free[kind].append(worker_id)
        return self._grant(kind, now)

    def remove_worker(self, worker_id: str) -> None:
        """Forget a worker. A lease on it ends: its holder finds the worker lost."""
        slot = self._slots.pop(worker_id, None)
        if slot is None:
            return
        self._vacate(slot)

    def quarantine(self, worker_id: str) -> None:
        """Lend the worker to nobody until `readmit`. A lease on it ends."""
        slot = self._slots.get(worker_id)
        if slot is not None:
            self._suspend(slot, SlotState.QUARANTINED)

    def retire(self, worker_id: str) -> None:
        """Lend the worker to nobody any more; a lease that is out may finish its work."""
        slot = self._slots.get(worker_id)
        if slot is not None and slot.state is SlotState.BUSY:
            slot.retiring = True
        elif slot is not None:
            self._suspend(slot, SlotState.QUARANTINED)

    def readmit(self, worker_id: str, now: float) -> list[Decision]:
        """Take back a worker that was seen idle. Its slot goes to the first who waits."""
        slot = self._slots.get(worker_id)
        if slot is None or slot.state not in SUSPENDED:
            return []
        slot.state, slot.retiring = SlotState.FREE, False
        self._free[slot.kind].append(worker_id)
        return self._grant(slot.kind, now)

    def state(self, worker_id: str) -> SlotState | None:
        """Return what the worker's slot is, None if there is no such worker."""
        slot = self._slots.get(worker_id)
        return slot.state if slot else None

    def suspended(self) -> list[str]:
        """Return the workers that wait for `readmit`."""
        return [slot.worker_id for slot in self._slots.values() if slot.state in SUSPENDED]

    # Requests

    def request(self, request: LeaseRequest, now: float) -> list[Decision]:
        """Take a request in. The answer to it, if there is one already, is among the decisions.

        A repeated request gets its lease again, or goes on waiting in its old place.
        """
        held = self._held.get(request.lease_id)
        if held is not None:
            return [Granted(held.lease)]
        if request.lease_id in self._ended:
            return [Refused(request.lease_id, Refusal.ENDED)]
        if any(request.lease_id in queue for queue in self._queues.values()):
            return []
        queue = self._queues[request.kind]
        if not self._free[request.kind]:
            if len(queue) >= self._queue_limit:
                return [self._refuse(request.lease_id, Refusal.QUEUE_FULL)]
            if request.wait_s <= 0:
                return [self._refuse(request.lease_id, Refusal.LATE)]
        queue[request.lease_id] = _Waiting(request, now)
        return self._grant(request.kind, now)

    def give_back(self, lease_id: str, outcome: WorkOutcome, now: float) -> list[Decision]:
        """End a request: withdraw it if it waits, free or suspend its slot if it holds one.

        An unknown id is remembered as ended: the request may still be on its way.
        """
        held = self._held.get(lease_id)
        if held is None:
            for queue in self._queues.values():
                queue.pop(lease_id, None)
            self._end(lease_id)
            return []
        slot = self._slots[held.lease.worker_id]
        if outcome is WorkOutcome.LOST or slot.retiring:
            self._suspend(slot, SlotState.QUARANTINED)
            return []
        if outcome is WorkOutcome.ABANDONED:
            self._suspend(slot, SlotState.FINISHING)
            return []
        self._vacate(slot)
        slot.state = SlotState.FREE
        self._free[slot.kind].append(slot.worker_id)
        return self._grant(slot.kind, now)

    def drop_ingress(self, ingress_id: str) -> list[Decision]:
        """End everything an ingress waits for or holds. Its slots may still be busy."""
        decisions: list[Decision] = []
        for queue in self._queues.values():
            for lease_id in [
                key for key, waiting in queue.items() if waiting.request.ingress_id == ingress_id
            ]:
                del queue[lease_id]
                decisions.append(self._refuse(lease_id, Refusal.INGRESS_GONE))
        for held in [held for held in self._held.values() if held.request.ingress_id == ingress_id]:
            self._suspend(self._slots[held.lease.worker_id], SlotState.FINISHING)
        return decisions

    def expire(self, now: float) -> list[Decision]:
        """Refuse requests whose deadline has come; end overdue leases."""
        decisions: list[Decision] = []
        for queue in self._queues.values():
            for lease_id in [key for key, waiting in queue.items() if waiting.deadline <= now]:
                del queue[lease_id]
                decisions.append(self._refuse(lease_id, Refusal.LATE))
        for held in [held for held in self._held.values() if held.expires <= now]:
            self._suspend(self._slots[held.lease.worker_id], SlotState.FINISHING)
        return decisions

    def next_deadline(self) -> float | None:
        """Return the earliest instant at which `expire` has something to do, None if there is none."""
        waiting = (entry.deadline for queue in self._queues.values() for entry in queue.values())
        held = (entry.expires for entry in self._held.values())
        return min((*waiting, *held), default=None)

    # Counts and facts

    def held(self, lease_id: str) -> tuple[LeaseRequest, Lease] | None:
        """Return a lease that is out and its request, None if it is not (any more)."""
        entry = self._held.get(lease_id)
        return (entry.request, entry.lease) if entry else None

    def workers(self, kind: WorkKind) -> Iterator[tuple[str, SlotState]]:
        """Yield every worker of a kind and what its slot is."""
        return ((slot.worker_id, slot.state) for slot in self._slots.values() if slot.kind is kind)

    def waiting(self, kind: WorkKind) -> int:
        """Return how many requests wait for a slot of `kind`."""
        return len(self._queues[kind])

    def _grant(self, kind: WorkKind, now: float) -> list[Decision]:
        decisions: list[Decision] = []
        queue, free = self._queues[kind], self._free[kind]
        while queue and free:
            lease_id, waiting = queue.popitem(last=False)
            if waiting.deadline <= now and waiting.since < now:
                decisions.append(self._refuse(lease_id, Refusal.LATE))
                continue
            slot = self._slots[free.popleft()]
            slot.state, slot.lease_id = SlotState.BUSY, lease_id
            lease = Lease(lease_id, kind, slot.worker_id, (now - waiting.since) * 1000.0)
            self._held[lease_id] = _Held(waiting.request, lease, now + waiting.request.hold_s)
            decisions.append(Granted(lease))
        return decisions

    def _suspend(self, slot: _Slot, state: SlotState) -> None:
        self._vacate(slot)
        slot.state = state

    def _vacate(self, slot: _Slot) -> None:
        """Take the slot out of the free ones and end the lease on it."""
        if slot.state is SlotState.FREE:
            self._free[slot.kind].remove(slot.worker_id)
        if slot.lease_id is not None:
            del self._held[slot.lease_id]
            self._end(slot.lease_id)
            slot.lease_id = None

    def _refuse(self, lease_id: str, reason: Refusal) -> Refused:
        self._end(lease_id)
        return Refused(lease_id, reason)

    def _end(self, lease_id: str) -> None:
        self._ended[lease_id] = None
        while len(self._ended) > REMEMBERED_ENDINGS:
            self._ended.popitem(last=False)
