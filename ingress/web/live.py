"""What runs now and what has just ended, as the web process knows it: one model for page, API and metrics.

| from | comes |
|---|---|
| each media worker, on `live.sock` | its running calls, as they begin, change and end |
| the gateway, on a link of its own | the status every two seconds; each turn and call that is over |
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ingress.link.link import Link
from ingress.link.live import Activity, LiveCall
from ingress.link.messages import CallEnded, CallGone, CallSeen, StatusReply, TurnFinished
from ingress.link.records import CallOutcome, CallRecord
from ingress.link.status import ServerStatus
from ingress.web.subscription import Change, Subscription
from ingress.web.totals import Totals

KEPT_RECORDS = 256
"""Finished calls, the newest: as many as the gateway keeps."""
MAXIMUM_CALLS = 20_000
"""Running calls; of further ones nothing is shown. More than all media workers of a machine can serve."""
OWN_READERS = 1
"""Subscriptions of this process itself (`ingress.web.watch`)."""

log = logging.getLogger(__name__)


class LiveModel:
    """Running calls by UUID, finished ones, the newest status, and the readers of changes."""

    def __init__(self) -> None:
        self.status: ServerStatus | None = None
        """The gateway's last; None while it is away."""
        self.totals = Totals()
        self._calls: dict[str, tuple[LiveCall, Link]] = {}
        self._records: dict[str, CallRecord] = {}
        """By the records' ids, the oldest first: two calls may have had the same UUID."""
        self._outcomes: dict[str, CallOutcome] = {}
        """Of the newest calls, from their media workers: known also while the gateway is away."""
        self._subscriptions: set[Subscription] = set()
        self._was_full = False
        """Whether a call was not kept: that is logged once."""

    @property
    def calls(self) -> list[LiveCall]:
        """All running calls, the oldest first."""
        calls = (call for call, _ in self._calls.values())
        return sorted(calls, key=lambda call: (call.started_at_s, call.call_id))

    @property
    def return_legs(self) -> Counter[str]:
        """How many running calls have a return leg now, by extension."""
        return Counter(call.extension for call, _ in self._calls.values() if call.return_activity is not None)

    @property
    def activities(self) -> Counter[tuple[str, Activity]]:
        """How many running calls there are, by extension and activity."""
        return Counter((call.extension, call.activity) for call, _ in self._calls.values())

    @property
    def records(self) -> list[CallRecord]:
        """Finished calls, the newest first. Words are in them only if the operator keeps transcripts."""
        return list(reversed(self._records.values()))

    @property
    def readers(self) -> int:
        """How many subscriptions there are."""
        return len(self._subscriptions)

    def find(self, call_id: str) -> tuple[LiveCall, Link] | None:
        """Return a running call and its media worker's link; None if there is no such call."""
        return self._calls.get(call_id)

    def record(self, call_id: str) -> CallRecord | None:
        """Return the newest record of a call; None if it is not over, or was too long ago."""
        return next((record for record in self.records if record.call_id == call_id), None)

    def outcome(self, call_id: str) -> CallOutcome | None:
        """Return how a call ended; None if it is not over, or was too long ago."""
        return self._outcomes.get(call_id)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Collect changes from now on, for as long as the context lasts."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    # Media workers

    def seen(self, call: LiveCall, link: Link) -> None:
        """Take what a media worker reports of a call. A new one beyond `MAXIMUM_CALLS` is not kept."""
        if call.call_id not in self._calls and len(self._calls) >= MAXIMUM_CALLS:
            if not self._was_full:
                self._was_full = True
                log.warning("more than %d calls: further ones are served but not shown", MAXIMUM_CALLS)
            return
        self._calls[call.call_id] = call, link
        self._outcomes.pop(call.call_id, None)  # of an earlier call with this UUID
        self._report(CallSeen(call=call))

    def gone(self, call_id: str, outcome: CallOutcome | None = None) -> None:
        """A call is over."""
        if outcome is not None:
            self._outcomes[call_id] = outcome
            if len(self._outcomes) > KEPT_RECORDS:
                del self._outcomes[next(iter(self._outcomes))]
        if self._calls.pop(call_id, None) is not None:
            self._report(CallGone(call_id=call_id))

    def worker_gone(self, link: Link) -> None:
        """A media worker's link broke: it sends all its calls again on the next."""
        for call_id in [call_id for call_id, (_, of) in self._calls.items() if of is link]:
            self.gone(call_id)

    # The gateway

    def take(self, message: StatusReply | TurnFinished | CallEnded) -> None:
        """Take what the gateway reports. A record that is sent again, by a new gateway, is ignored."""
        match message:
            case StatusReply(status=status):
                self.status = status
                self.totals.know(extension.name for extension in status.extensions)
            case TurnFinished(record=turn):
                self.totals.take_turn(turn)
            case CallEnded(record=record):
                if record.record_id in self._records:
                    return
                self._records[record.record_id] = record
                if len(self._records) > KEPT_RECORDS:
                    del self._records[next(iter(self._records))]
                self.totals.take_call(record)
        self._report(message)

    def gateway_gone(self) -> None:
        """The gateway's link broke: what it said of now is not known any more."""
        self.status = None

    def _report(self, change: Change) -> None:
        for subscription in self._subscriptions:
            subscription.put(change)
