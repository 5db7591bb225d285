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
        self._ended: dict[str, CallEnded] = {}
        """By their records' ids, the oldest first."""
        self._is_new_link = True
        self._to_repeat: deque[str] = deque()
        """Ids of those that have not been sent on this link."""

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._ended)

    @property
    def waits_for_gateway(self) -> bool:
        """Whether there are records and no gateway to send them to."""
        return bool(self._ended) and self._is_new_link

    def add(self, ended: CallEnded, send: Callable[[Message], bool]) -> None:
        """Send a record, with what the dialog needs for its last event, and keep it."""
        if len(self._ended) == KEPT_RECORDS:
            del self._ended[next(iter(self._ended))]
            if not self.lost:
                log.error("no gateway takes the records of finished calls: the oldest are lost")
            self.lost += 1
        self._ended[ended.record.record_id] = ended
        send(ended)

    def acknowledge(self, record_id: str, send: Callable[[Message], bool]) -> None:
        """The gateway has a record: send the next that it may not have."""
        self._ended.pop(record_id, None)
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
        self._to_repeat.extend(self._ended)
        self._repeat(REPEATED_AT_ONCE, send)

    def _repeat(self, count: int, send: Callable[[Message], bool]) -> None:
        while count and self._to_repeat:
            ended = self._ended.get(self._to_repeat.popleft())
            if ended is not None:  # else acknowledged, or lost, since
                send(ended.model_copy(update={"is_repeated": True}))
                count -= 1
