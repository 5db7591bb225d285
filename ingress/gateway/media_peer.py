"""One media worker as the gateway sees it: its link, its health, and what runs for its calls.

Calls are the worker's; here is only what serves them, and it goes with the link: when that breaks, all work
for the worker's calls stops and their places are given back. A worker that comes back makes its calls known
again and asks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from actors.errors import LinkError
from actors.messages import Admission, SessionStarted, SessionSummary
from ingress.configuration.extensions import Extension
from ingress.gateway.admission import Places
from ingress.gateway.call import CallWork
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.link import Link
from ingress.link.messages import (
    Admitted,
    CallEnded,
    CallStarted,
    CancelTurn,
    Digit,
    DropAhead,
    Greet,
    Message,
    Refused,
    TranscribeAhead,
    TurnFinished,
    Utterance,
    WorkerHealth,
)
from ingress.link.records import CallRecord, MediaHealth, TurnRecord

STOP_DEADLINE_S = 1.0
"""For cancelled turns to end: a dialog is somebody else's code."""
HEALTH_KEPT_S = 3.0
"""A worker tells every second; an older report says nothing about now."""

log = logging.getLogger(__name__)


class MediaLink:
    """One media worker's end of the link."""

    def __init__(
        self,
        link: Link,
        ingress_id: str,
        runner: TurnRunner,
        places: Places,
        extension: Callable[[str], Extension],
        on_turn: Callable[[TurnRecord], None],
        on_ended: Callable[[CallRecord], None],
        on_summary: Callable[[CallRecord, SessionSummary | None], None],
    ) -> None:
        """`extension` finds one by name; `on_turn` and `on_ended` are told what is over; `on_summary` follows
        for each finished call, once what it used is known, or that nobody knows."""
        assert link.peer is not None
        self.name = link.peer.name
        self.health: MediaHealth | None = None
        """The worker's last report; None before the first."""
        self._link = link
        self._ingress_id = ingress_id
        self._runner = runner
        self._places = places
        self._extension = extension
        self._on_turn = on_turn
        self._on_ended = on_ended
        self._on_summary = on_summary
        self._calls: dict[str, CallWork] = {}
        self._health_s = 0.0
        self._new_shifts = 0
        self._is_closed = False

    @property
    def calls(self) -> int:
        """How many calls the worker has that were not refused."""
        return len(self._calls)

    def calls_by_extension(self) -> Counter[str]:
        """Return how many calls each extension has here."""
        return Counter(work.extension.name for work in self._calls.values())

    def lateness_p99_ms(self, now: float) -> float:
        """Return how late the worker's frames are now; 0.0 when it has not told for a while."""
        if self.health is None or now - self._health_s > HEALTH_KEPT_S:
            return 0.0
        return self.health.lateness.p99_ms

    def take_timeline_shifts(self) -> int:
        """Return how many stalls moved the worker's timeline since this was last asked."""
        shifts, self._new_shifts = self._new_shifts, 0
        return shifts

    def tell(self, message: Message) -> None:
        """Send a message if the worker is still there; if it is not, the receiving side notices."""
        with contextlib.suppress(LinkError):
            self._link.send(message)

    async def serve(self) -> None:
        """Take what the worker says until the link breaks. Raises LinkError."""
        try:
            while not self._is_closed:
                self._take(await self._link.receive())
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop all work and give all places back; nothing is taken from now on. Idempotent."""
        self._is_closed = True
        calls, self._calls = self._calls, {}
        stopped = set[asyncio.Task[Any]]()
        for work in calls.values():
            stopped.update(work.stop())
            work.place.end()
        if stopped:
            await asyncio.wait(stopped, timeout=STOP_DEADLINE_S)

    def _take(self, message: Message) -> None:
        match message:
            case CallStarted():
                self._begin(message)
            case TurnFinished(call_id=call_id, record=record):
                log.info("call %s %s", call_id, record.describe())
                self._finished(call_id, record)
            case CallEnded(record=record):
                self._end(record)
            case WorkerHealth(health=health):
                self._take_health(health)
            case Greet() | Utterance() | Digit() | CancelTurn() | TranscribeAhead() | DropAhead():
                # Of a call that was refused, turns may still be on their way: nobody waits for them.
                work = self._calls.get(message.call_id)
                if work is not None:
                    _do(work, message)
            case _:
                raise LinkError(f"a media worker does not send {message.type}")

    def _begin(self, started: CallStarted) -> None:
        """A call exists. It may be known already: it is made known again whenever we become ready."""
        known = self._calls.get(started.call_id)
        if known is not None:
            if known.place.is_held:
                self.tell(Admitted(call_id=started.call_id))
            return
        extension = self._extension(started.extension)
        session = SessionStarted(
            session_id=started.call_id,
            ingress_id=self._ingress_id,
            extension=extension.name,
            priority=extension.priority,
            extension_limit=extension.max_calls,
        )

        def decided(admission: Admission) -> None:
            if admission.is_admitted:
                self._admit(started.call_id)
            else:
                self._refuse(started.call_id, admission.reason)

        def replaced() -> None:
            log.warning("call %s is served no longer: another call has its UUID", started.call_id)
            self._calls.pop(started.call_id).stop()

        place = self._places.take(session, started.is_admitted, decided, replaced)
        self._calls[started.call_id] = CallWork(started, extension, place, self._runner, self._send)

    def _admit(self, call_id: str) -> None:
        self.tell(Admitted(call_id=call_id))
        work = self._calls.get(call_id)
        if work is not None:  # the verdict took its time, and the caller may have spoken meanwhile
            work.note()

    def _refuse(self, call_id: str, reason: str) -> None:
        log.info("call %s refused: %s", call_id, reason)
        del self._calls[call_id]  # turns that wait for the verdict end with it
        self.tell(Refused(call_id=call_id, reason=reason))

    def _finished(self, call_id: str, record: TurnRecord) -> None:
        work = self._calls.get(call_id)
        if work is not None:
            work.figures.finished(record)
            work.note()
        self._on_turn(record)

    def _end(self, record: CallRecord) -> None:
        self._on_ended(record)
        work = self._calls.pop(record.call_id, None)
        if work is None:  # it was refused, or ended before we could know it
            self._on_summary(record, None)
            return
        work.stop()
        work.figures.ended(record)
        work.note()
        work.place.end(lambda summary: self._on_summary(record, summary))

    def _take_health(self, health: MediaHealth) -> None:
        if self.health is not None:  # the first report's count is from before this link
            self._new_shifts += max(0, health.timeline_shifts - self.health.timeline_shifts)
        self.health = health
        self._health_s = asyncio.get_running_loop().time()

    async def _send(self, message: Message) -> None:
        self._link.send(message)
        await self._link.drain()


def _do(
    work: CallWork, request: Greet | Utterance | Digit | CancelTurn | TranscribeAhead | DropAhead
) -> None:
    match request:
        case Greet() | Utterance() | Digit():
            work.run_turn(request)
        case CancelTurn(turn=turn):
            work.cancel_turn(turn)
        case TranscribeAhead():
            work.begin_ahead(request)
        case DropAhead():
            work.drop_ahead()
