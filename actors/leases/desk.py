"""The lease book with people at the counter: askers await their turn, the clock is read here.

`LeaseBook` decides; this class hands each answer to the coroutine that waits for it, and says whose revoked
leases have changed. All methods are called from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from actors.errors import CapacityError
from actors.leases.book import Answer, Granted, LeaseBook, Refused
from actors.messages import Lease, LeaseRequest, WorkKind, WorkOutcome


class LeaseDesk:
    """Grants leases to coroutines."""

    def __init__(self, clock: Callable[[], float], queue_limit: int = 256, aging_s: float = 5.0) -> None:
        self.book = LeaseBook(queue_limit, aging_s)
        self.on_revoked: Callable[[set[str]], None] = lambda ingress_ids: None
        """Called with the ingresses whose `book.revoked` has changed. Set by who wants to know."""
        self._clock = clock
        self._askers: dict[str, asyncio.Future[Lease]] = {}

    async def acquire(self, request: LeaseRequest) -> Lease:
        """Return a lease when it is this request's turn. Raises CapacityError.

        `expire` has to be called in time for the deadline to be kept. A cancelled asker still has to
        give the lease back, since it may have been granted already.
        """
        asker = self._askers.setdefault(request.lease_id, asyncio.get_running_loop().create_future())
        self._deliver(self.book.request(request, self._clock()))
        # Shielded: the same request asked twice waits for the same answer.
        return await asyncio.shield(asker)

    def promote(self, lease_id: str) -> None:
        """Let ahead-of-time work, waiting or granted, be final from now on. Unknown ids do no harm."""
        self.book.promote(lease_id)
        self._deliver(())

    def give_back(self, lease_id: str, outcome: WorkOutcome) -> None:
        """End a request, waiting or granted. Unknown ids do no harm."""
        self._refuse(lease_id, "withdrawn")
        self._deliver(self.book.give_back(lease_id, outcome, self._clock()))

    def adopt(self, request: LeaseRequest, lease: Lease) -> None:
        """Take over a lease that a former manager granted, if its slot is not lent to another."""
        self._deliver(self.book.adopt(request, lease, self._clock()))

    def admit(self, worker_id: str, kind: WorkKind, slots: int = 1) -> None:
        """Lend out a worker that is ready, for the first time or after a quarantine."""
        self._deliver(self.book.add_worker(worker_id, kind, self._clock(), slots))

    def drop_ingress(self, ingress_id: str) -> None:
        """End everything an ingress waits for or holds."""
        self._deliver(self.book.drop_ingress(ingress_id))

    def hold_background(self, holds: bool) -> None:
        """Grant nothing of priority background while `holds`; then at once what waited."""
        if holds != self.book.holds_background:
            self.book.holds_background = holds
            self.expire()

    def expire(self) -> None:
        """Refuse who has waited too long, take overdue leases back, grant what may be granted."""
        self._deliver(self.book.expire(self._clock()))

    def _deliver(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            match answer:
                case Granted(lease):
                    asker = self._askers.pop(lease.lease_id, None)
                    if asker is not None and not asker.done():
                        asker.set_result(lease)
                case Refused(lease_id, reason):
                    self._refuse(lease_id, reason.value)
        changed = self.book.take_changed()
        if changed:
            self.on_revoked(changed)

    def _refuse(self, lease_id: str, why: str) -> None:
        asker = self._askers.pop(lease_id, None)
        if asker is not None and not asker.done():
            asker.set_exception(CapacityError(f"request for a slot refused: {why}"))
            asker.exception()  # seen, even if the asker has gone
