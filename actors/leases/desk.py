"""The lease book for coroutines: each waits for its own answer, and the clock is read here.

`LeaseBook` decides; this class hands each answer to the coroutine that waits for it, and each doubt about a
worker to the fleet. All methods are called from one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from actors.errors import CapacityError
from actors.leases.book import Answer, Doubted, Granted, LeaseBook, Refused
from actors.messages import Lease, LeaseRequest, WorkKind, WorkOutcome


class LeaseDesk:
    """Grants leases to coroutines."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.book = LeaseBook()
        self.on_doubt: Callable[[Doubted], None] = lambda doubted: None
        """Called when work on a worker did not end well. Set by the fleet."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after each event: slots may be in use or free. Set by the manager."""
        self._clock = clock
        self._askers: dict[str, asyncio.Future[Lease]] = {}

    async def acquire(self, request: LeaseRequest) -> Lease:
        """Return a lease when it is this request's turn. Raises CapacityError.

        The deadline is kept as exactly as `expire` is called. A cancelled asker still has to give the
        lease back, since it may have been granted already.
        """
        asker = self._askers.setdefault(request.lease_id, asyncio.get_running_loop().create_future())
        self._deliver(self.book.request(request, self._clock()))
        # Shielded: the same request asked twice waits for the same answer.
        return await asyncio.shield(asker)

    def promote(self, lease_id: str) -> None:
        """Let ahead-of-time work that waits be final from now on. Unknown ids do no harm."""
        self._deliver(self.book.promote(lease_id, self._clock()))

    def give_back(self, lease_id: str, outcome: WorkOutcome) -> None:
        """End a request, waiting or granted. Unknown ids do no harm."""
        self._refuse(lease_id, "withdrawn")
        self._deliver(self.book.give_back(lease_id, outcome, self._clock()))

    def adopt(self, request: LeaseRequest, lease: Lease) -> None:
        """Take over a lease that a former manager granted and that is in use."""
        self._deliver(self.book.adopt(request, lease, self._clock()))

    def lend(self, worker_id: str, kind: WorkKind, slots: int = 1, worker: Any = None) -> None:
        """Lend a worker that is ready and idle, for the first time or again."""
        self._deliver(self.book.lend(worker_id, kind, self._clock(), slots, worker))

    def doubt(self, worker_id: str, is_lost: bool) -> None:
        """Lend a worker no more that does not answer, until `lend`."""
        self._deliver(self.book.doubt(worker_id, is_lost))

    def drop_ingress(self, ingress_id: str) -> None:
        """End everything an ingress waits for or holds."""
        self._deliver(self.book.drop_ingress(ingress_id))

    def hold_background(self, holds: bool) -> None:
        """Grant no background and no ahead-of-time work while `holds`; then at once what waited."""
        if holds != self.book.holds_background:
            self.book.holds_background = holds
            self.expire()

    def expire(self) -> None:
        """Refuse requests that have waited too long, end overdue leases, grant what may be granted."""
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
                case Doubted():
                    self.on_doubt(answer)
        self.on_change()

    def _refuse(self, lease_id: str, why: str) -> None:
        asker = self._askers.pop(lease_id, None)
        if asker is not None and not asker.done():
            asker.set_exception(CapacityError(f"request for a slot refused: {why}"))
            asker.exception()  # seen, even if the asker has gone
