"""What leases cost: how long requests waited, what their work took, in totals by kind.

A lease is entered when its holder reports. Its worker may have reported before that the work is done, so
that the slot serves another already: until the holder's report comes the lease is remembered here.
"""

from __future__ import annotations

from collections import OrderedDict

from actors.messages import Lease, LeaseRequest, WorkKind, WorkReport, WorkTally
from actors.percentiles import Distribution
from actors.status import Percentiles

REMEMBERED_UNREPORTED = 1_024
"""Finished leases that are kept for their holders' reports."""


class LeaseAccounts:
    """Waiting and work of one fleet's leases."""

    def __init__(self) -> None:
        self._tallies = dict.fromkeys(WorkKind, WorkTally())
        self._waits = {kind: Distribution() for kind in WorkKind}
        self._unreported: OrderedDict[str, tuple[LeaseRequest, Lease]] = OrderedDict()

    def finish(self, request: LeaseRequest, lease: Lease) -> None:
        """Remember a lease whose worker says that its work is done."""
        self._unreported[lease.lease_id] = request, lease
        while len(self._unreported) > REMEMBERED_UNREPORTED:
            self._unreported.popitem(last=False)

    def take_unreported(self, lease_id: str) -> tuple[LeaseRequest, Lease] | None:
        """Return a finished lease whose report has come now, and forget it; None if it is not one."""
        return self._unreported.pop(lease_id, None)

    def enter(self, request: LeaseRequest, lease: Lease, report: WorkReport) -> None:
        """Count one piece of work."""
        self._tallies[request.kind] = self._tallies[request.kind].plus(report, lease.wait_ms)
        self._waits[request.kind].add(lease.wait_ms)

    def drop_ingress(self, ingress_id: str) -> None:
        """Forget what an ingress that is gone will not report any more."""
        for lease_id in [key for key, (it, _) in self._unreported.items() if it.ingress_id == ingress_id]:
            del self._unreported[lease_id]

    def tally(self, kind: WorkKind) -> WorkTally:
        """Return the totals of a kind."""
        return self._tallies[kind]

    def waits(self, kind: WorkKind) -> Percentiles:
        """Return how long granted requests of a kind waited."""
        return self._waits[kind].summary()
