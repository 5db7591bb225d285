"""Records of finished calls, kept until a gateway says that it has them.

A gateway may be away when a call ends, or be killed before the record is in its file: each record that it
has not acknowledged is sent again to the next one, or on the next link: a few at once, then one for each
acknowledgement, so that the audio clock does not wait for all of them. Each is written once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from ingress.link.messages import CallEnded, Message
from ingress.link.records import CallRecord

KEPT_RECORDS = 1_024
"""Some 50 MB if all had their most turns; the oldest is lost first."""

REPEATED_AT_ONCE = 16
"""About 1 ms: encoding a record takes up to 70 µs."""

log = logging.getLogger(__name__)


class FinishedCalls:
    """The records that no gateway has acknowledged."""

    def __init__(self) -> None:
        self.lost = 0
        """Records for which there was no room."""
        self._records: dict[str, CallRecord] = {}
        """By their ids, the oldest first."""
        self._is_new_link = True
        self._to_repeat: deque[str] = deque()
        """Ids of those that have not been sent on this link."""

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._records)

    @property
    def waits_for_gateway(self) -> bool:
        """Whether there are records and no gateway to send them to."""
        return bool(self._records) and self._is_new_link

    def add(self, record: CallRecord, send: Callable[[Message], bool]) -> None:
        """Send a record and keep it."""
        if len(self._records) == KEPT_RECORDS:
            del self._records[next(iter(self._records))]
            if not self.lost:
                log.error("no gateway takes the records of finished calls: the oldest are lost")
            self.lost += 1
        self._records[record.record_id] = record
        send(CallEnded(record=record))

    def acknowledge(self, record_id: str, send: Callable[[Message], bool]) -> None:
        """The gateway has a record: send the next that it may not have."""
        self._records.pop(record_id, None)
        self._repeat(1, send)

    def link_broke(self) -> None:
        """What was sent may not have arrived."""
        self._is_new_link = True
        self._to_repeat.clear()

    def gateway_speaks(self, send: Callable[[Message], bool]) -> None:
        """A message of the gateway has come: if it is the first on its link, send what it may not have."""
        if not self._is_new_link:
            return
        self._is_new_link = False
        self._to_repeat.extend(self._records)
        self._repeat(REPEATED_AT_ONCE, send)

    def _repeat(self, count: int, send: Callable[[Message], bool]) -> None:
        while count and self._to_repeat:
            record = self._records.get(self._to_repeat.popleft())
            if record is not None:  # else acknowledged, or lost, since
                send(CallEnded(record=record, is_repeated=True))
                count -= 1
