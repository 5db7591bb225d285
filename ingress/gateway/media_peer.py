"""One media worker as the gateway sees it: its link and its health.

When the link breaks, all work for its calls stops and their places are given back. A media worker that
connects again starts its calls anew and repeats the requests that were not answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from actors.errors import LinkError, MessageTooLargeError
from ingress.gateway.call import CallServices
from ingress.gateway.places import Places
from ingress.link.link import Link
from ingress.link.messages import (
    Admitted,
    CallEnded,
    CallRecorded,
    CallStarted,
    CancelTurn,
    DropAhead,
    HealthTaken,
    Message,
    StopSaying,
    TranscribeAhead,
    TurnFinished,
    TurnRequest,
    WorkerHealth,
)
from ingress.link.records import MediaHealth, TurnRecord

HEALTH_KEPT_S = 3.0
"""A media worker reports every second; an older report says nothing about now."""

log = logging.getLogger(__name__)


class MediaPeer:
    """The gateway's end of one media worker's link."""

    def __init__(
        self,
        link: Link,
        places: Places,
        services: CallServices,
        came: Callable[[CallStarted], bool] = lambda started: False,
    ) -> None:
        """`came`: takes note of a call, and says whether a place was kept for it."""
        assert link.peer is not None
        self.name = link.peer.name
        self.health: MediaHealth | None = None
        """The last report."""
        self._link = link
        self._places = places
        self._services = services
        self._came = came
        self._health_s = 0.0
        self._new_shifts = 0
        self._is_closed = False

    def calls_by_extension(self) -> Counter[str]:
        """Return how many calls each extension has here that were not refused."""
        return Counter(call.extension.name for call in self._places.of(self._link))

    def lateness_p99_ms(self, now: float) -> float:
        """Return how late the media worker's frames are; 0.0 without a report of the last seconds."""
        if self.health is None or now - self._health_s > HEALTH_KEPT_S:
            return 0.0
        return self.health.lateness.p99_ms

    def take_timeline_shifts(self) -> int:
        """Return how many stalls moved the media worker's timeline since the last call."""
        shifts, self._new_shifts = self._new_shifts, 0
        return shifts

    def send(self, message: Message) -> None:
        """Send a message, unless the link is gone: the receiving side notices that."""
        try:
            self._link.send(message)
        except MessageTooLargeError as error:
            log.error("media worker %s: %s; it was not sent", self.name, error)
        except LinkError:
            pass

    async def serve(self) -> None:
        """Receive messages until the link breaks. Raises LinkError."""
        try:
            while not self._is_closed:
                self._take(await self._link.receive())
        finally:
            self.close()

    def close(self) -> None:
        """End all calls, and take no more messages. Idempotent."""
        self._is_closed = True
        for call in self._places.of(self._link):
            call.end()

    def _take(self, message: Message) -> None:
        match message:
            case CallStarted():
                # It may be here already: it is repeated whenever the gateway becomes ready.
                call = self._places.find(message.call_id, self._link)
                if call is None:
                    is_admitted = self._came(message) or message.is_admitted
                    started = message.model_copy(update={"is_admitted": is_admitted})
                    self._places.begin(started, self._link)
                elif call.is_held:
                    self.send(Admitted(call_id=message.call_id))
            case CallEnded():
                self._end(message)
            case TurnFinished(call_id=call_id, record=record):
                self._services.followers.report(message)
                self._finish_turn(call_id, record)
            case WorkerHealth(health=health):
                if self.health is not None:  # the first report's count is from before this link
                    self._new_shifts += max(0, health.timeline_shifts - self.health.timeline_shifts)
                self.health, self._health_s = health, asyncio.get_running_loop().time()
                self.send(HealthTaken())
            case TurnRequest() | CancelTurn() | StopSaying() | TranscribeAhead() | DropAhead():
                # Without a call, it was refused: turns of it may still be on their way.
                call = self._places.find(message.call_id, self._link)
                if call is not None:
                    call.take(message)
            case _:
                raise LinkError(f"a media worker does not send {message.kind}")

    def _end(self, ended: CallEnded) -> None:
        record = ended.record

        def acknowledge() -> None:
            self.send(CallRecorded(record_id=record.record_id))

        if not self._services.ledger.take_call(record, acknowledge, ended.is_repeated):
            return  # it was taken before
        # What was said goes to the dialog alone.
        self._services.followers.report(CallEnded(record=record, is_repeated=ended.is_repeated))
        call = self._places.find(record.call_id, self._link)
        if self._services.ended is not None:
            started = None if call is None else call.started
            extension = self._services.extension(record.extension) if call is None else call.extension
            self._services.ended.take(ended, extension, started)
        if self._services.traces is not None:
            self._services.traces.take_call(None if call is None else call.started, record)
        if call is not None:
            call.end(record)
        else:  # it was refused, or ended before the gateway could know it
            self._services.ledger.write(record, None)

    def _finish_turn(self, call_id: str, record: TurnRecord) -> None:
        log.info("call %s %s", call_id, record.describe())
        call = self._places.find(call_id, self._link)
        if call is not None:
            call.finish_turn(record)
        self._services.ledger.take_turn(record)
        if self._services.traces is not None:
            self._services.traces.take_turn(call_id, None if call is None else call.started, record)
        pool = self._services.pool
        if pool is not None and record.kind == "utterance" and record.first_answer_ms is not None:
            pool.note_answer(record.first_answer_ms)
