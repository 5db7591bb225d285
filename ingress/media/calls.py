"""A media worker's calls: limits them, keeps them, reports on them, stops them in order.

A caller who is refused because there are too many calls hears the busy phrase first, as long as it does not
play to too many others; until then the leg is on the clock and is no call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic

from ingress.access.invitations import Invitation, Invitations
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import EndpointingSettings, Settings
from ingress.link.messages import (
    CallEnded,
    CallRecorded,
    InvitationSpent,
    Invited,
    Message,
    Pace,
    PhrasesReady,
    Readiness,
    Refused,
    WorkerHealth,
)
from ingress.link.records import CallRecord, LatenessTotals, MediaHealth
from ingress.media.acceptor import Acceptor, ExtensionListeners, Listeners
from ingress.media.call import Call
from ingress.media.closing import ClosingConnections
from ingress.media.connection import Connection
from ingress.media.endings import Ending, Refusal
from ingress.media.finished_calls import FinishedCalls
from ingress.media.frame_clock import FrameClock
from ingress.media.gc_schedule import CollectionPauses
from ingress.media.hearing.silero import AtThreshold, Confirmer, SpeechConfirmer
from ingress.media.lateness import LatenessHistogram
from ingress.media.leg import Leg
from ingress.media.live_calls import LiveCalls
from ingress.media.recording.call_files import Kept
from ingress.media.recording.recorder import Recorder
from ingress.media.recording.recording import Recording
from ingress.media.return_leg import ReturnLeg
from ingress.phrases.fixed import PhraseShelf

MAXIMUM_REFUSED = 64
"""Refused callers who hear the busy phrase, beside `server.max_calls`: some twenty a second."""
HEALTH_INTERVAL_S = 1.0
UNANSWERED_REPORTS = 3
"""Of health, one after the other: the gateway hangs. Seconds are not counted: for a worker that was itself
stopped no gateway was silent."""

SendToGateway = Callable[[Message], bool]

log = logging.getLogger(__name__)


class Calls:
    """All legs of one media worker."""

    def __init__(self, settings: Settings, book: ExtensionBook, phrases: PhraseShelf) -> None:
        self.settings = settings
        self.extensions = dict(book.extensions)
        self.invitations = Invitations()
        self.phrases = phrases
        self.confirmer: SpeechConfirmer | None = None
        if settings.endpointing.confirmation == "silero":
            self.confirmer = SpeechConfirmer(settings.endpointing.confirmation_threshold)
        self.pauses = CollectionPauses()
        self.recorder = Recorder(settings.recording.folder)
        self._gateway_says_ready = False
        self._unanswered_reports = 0
        """Since the gateway's last message."""
        self.send: SendToGateway = lambda message: False
        """Sends a message to the gateway, or drops it if the gateway is away: calls ask again."""
        self._clock = FrameClock(settings.server.frame_ms, self.pauses.collect_if_due)
        self._acceptor = Acceptor(self)
        self._calls: dict[str, Leg] = {}
        self._refused: dict[str, Leg] = {}
        """Those that hear the busy phrase, the longest first."""
        self._return_legs: dict[ReturnLeg, None] = {}
        """Of running calls, and of calls that have just ended."""
        self.live = LiveCalls(lambda: (*self._calls.values(), *self._refused.values()), self._find)
        """Reports to the web process."""
        self._closing = ClosingConnections()
        self._finished = FinishedCalls()
        self._lateness_totals = LatenessTotals()
        self._unsettled: dict[str, Recording] = {}
        """Of calls that are over, by UUID: their records wait for the disk."""
        self._endings: Counter[Ending] = Counter()
        self._is_draining = False
        self._all_ended = asyncio.Event()
        self._phrases_changed = asyncio.Event()
        self._loading: asyncio.Task[None] | None = None
        self._reporter: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Calls {len(self._calls)} calls, {self._connections} connections>"

    @property
    def _connections(self) -> int:
        live = len(self._calls) + len(self._refused) + len(self._return_legs)
        return len(self._acceptor.handshakes) + live + len(self._closing)

    @property
    def gateway_is_ready(self) -> bool:
        """Whether the gateway can serve turns: it has said so, and does not hang."""
        return self._gateway_says_ready and self._unanswered_reports < UNANSWERED_REPORTS

    async def start(self, listeners: Listeners, send: SendToGateway) -> None:
        """Accept connections on bound sockets, which are ours now; `send` is the gateway's link."""
        self.send = send
        if self.confirmer is not None:
            self.confirmer.start()
        self._phrases_changed.set()
        self._loading = asyncio.create_task(self._load_phrases())
        self._reporter = asyncio.get_running_loop().call_later(HEALTH_INTERVAL_S, self._report)
        for name, listener in listeners.items():
            self._acceptor.listen(name, [("caller", listener)])

    async def stop(self, drain_deadline_s: float) -> None:
        """Refuse new calls, wait for running ones, end the rest. May be cancelled and called again."""
        self._is_draining = True
        if self._has_legs:
            log.info("draining: %d calls may finish within %g s", len(self._calls), drain_deadline_s)
            self._all_ended.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_deadline_s):
                    await self._all_ended.wait()
        if self._calls:
            log.warning("ending %d calls that did not finish in time", len(self._calls))
        calls = (*self._calls.values(), *self._refused.values())
        for leg in (*calls, *self._return_legs, *self._acceptor.handshakes):
            leg.end(Ending.STOPPING)
        await self.recorder.stop()  # the records of recorded calls wait for it
        if self._finished.waits_for_gateway:
            log.error("%d records of finished calls are lost: there is no gateway", len(self._finished))
        self._clock.stop()
        self.live.link_gone()
        await self._closing.wait()
        self._acceptor.close()
        if self._loading is not None and self._reporter is not None:
            self._reporter.cancel()
            self._loading.cancel()
            await asyncio.wait((self._loading,))
        if self.confirmer is not None:
            self.confirmer.stop()

    @property
    def _has_legs(self) -> bool:
        return bool(self._calls or self._refused or self._return_legs)

    async def _load_phrases(self) -> None:
        """Load the phrases in a thread whenever there are more."""
        while True:
            await self._phrases_changed.wait()
            self._phrases_changed.clear()
            try:
                extensions = [each for one in self.extensions.values() for each in one.in_each_language]
                await asyncio.to_thread(self.phrases.load, extensions)
            except Exception:
                log.exception("the phrases could not be loaded; tones take their place")

    def _report(self) -> None:
        """Report this worker's health, and again after a while."""
        self._reporter = asyncio.get_running_loop().call_later(HEALTH_INTERVAL_S, self._report)
        self.pauses.collect_if_due()
        pauses, longest_s = self.pauses.take()
        waits_s = [wait_s for leg in self._calls.values() if (wait_s := leg.wait_s) is not None]
        self._lateness_totals = self._clock.lateness.added_to(self._lateness_totals)
        health = MediaHealth(
            calls=len(self._calls),
            waiting_callers=len(waits_s),
            longest_wait_s=max(waits_s, default=0.0),
            connections=self._connections,
            frame_ms=self._clock.frame_ms,
            lateness=self._clock.lateness.summary(),
            lateness_totals=self._lateness_totals,
            gc_pauses=pauses,
            gc_pause_maximum_ms=longest_s * 1000.0,
            lost_records=self._finished.lost,
            timeline_shifts=self._clock.timeline_shifts,
            closed_peers={ending.value: count for ending, count in self._endings.items()},
        )
        self._clock.lateness = LatenessHistogram()
        self.send(WorkerHealth(health=health))
        self._miss_answer()

    def _miss_answer(self) -> None:
        """A report is on its way: after some without an answer the calls wait for the gateway."""
        was_ready = self.gateway_is_ready
        self._unanswered_reports += 1
        if was_ready and not self.gateway_is_ready:
            log.warning("the gateway hangs: %d reports without an answer; calls wait", UNANSWERED_REPORTS)
            self._tell_calls(Readiness(is_ready=False, detail="the gateway hangs"))

    def _tell_calls(self, readiness: Readiness) -> None:
        for leg in tuple(self._calls.values()):
            leg.receive(readiness)

    def receive(self, message: Message) -> None:
        """Take a message of the gateway."""
        was_hanging = self._gateway_says_ready and not self.gateway_is_ready
        self._unanswered_reports = 0
        if was_hanging:
            log.info("the gateway answers again")
            self._tell_calls(Readiness(is_ready=True, detail="the gateway answers again"))
        self._finished.gateway_speaks(self.send)
        self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case CallRecorded(record_id=record_id):
                self._finished.acknowledge(record_id, self.send)
            case Readiness(is_ready=is_ready):
                self._gateway_says_ready = is_ready
                self._tell_calls(message)
            case Pace():
                frame_ms = max(message.frame_ms, self.settings.server.frame_ms)
                if frame_ms != self._clock.frame_ms:
                    log.info("sending frames of %d ms from now on", frame_ms)
                    self._clock.frame_ms = frame_ms
            case PhrasesReady():
                self._phrases_changed.set()
            case Invited():
                self.invitations.add(_invitation(message, monotonic()))
            case InvitationSpent(call_id=call_id):
                self.invitations.spend(call_id)
            case Refused(call_id=call_id, reason=reason):
                if call_id in self._calls and self._calls[call_id].refuse(reason):
                    self._refused[call_id] = self._calls.pop(call_id)
            case _:
                addressed = self._calls.get(getattr(message, "call_id", ""))
                if addressed is not None:
                    addressed.receive(message)

    def gateway_gone(self) -> None:
        """The link to the gateway broke."""
        self._gateway_says_ready, self._unanswered_reports = False, 0
        for leg in tuple(self._calls.values()):
            leg.gateway_gone()
        self._finished.link_broke()

    def set_extension(self, extension: Extension, listeners: ExtensionListeners | None) -> None:
        """Serve new calls by these settings, on these bound sockets alone; None: on those that it has."""
        self.extensions[extension.name] = extension
        if listeners is not None:
            self._acceptor.listen(extension.name, listeners)
        self._phrases_changed.set()

    def remove_extension(self, name: str) -> None:
        """Take no more calls for an extension. Running calls keep what they began with."""
        self._acceptor.leave(name)
        self.extensions.pop(name, None)

    def confirmer_for(self, endpointing: EndpointingSettings) -> Confirmer | None:
        """Return the second stage of hearing as an extension has it."""
        if self.confirmer is None or endpointing.confirmation == "none":
            return None
        return AtThreshold(self.confirmer, endpointing.confirmation_threshold)

    def identified(self, leg: Leg, call: Call) -> Refusal | None:
        """Put the call on the clock; or return why it is refused, on the clock still if a phrase plays."""
        if older := self._calls.get(call.call_id) or self._refused.get(call.call_id):
            older.read()  # its hangup may have come: a phone may redial within milliseconds
        if call.call_id in self._calls or call.call_id in self._refused:
            return Refusal(
                Ending.IN_USE, "its UUID is in use by a running call; give every AudioSocket() its own"
            )
        if unsettled := self._unsettled.get(call.call_id):
            unsettled.settle()  # the gateway has to know of the older call's end first
        refusal = self.refusal() or self._refusal_of_address(leg.origin)
        if refusal is not None and not refusal.plays_phrase:
            return refusal
        del self._acceptor.handshakes[leg]
        self._clock.add(leg)
        self.live.began(leg)
        if refusal is not None:
            self._refused[call.call_id] = leg
            return refusal
        self._calls[call.call_id] = leg
        if len(self._calls) + len(self._refused) > self.settings.server.max_calls + MAXIMUM_REFUSED:
            longest = next(iter(self._refused.values()))
            longest.end(Ending.REFUSED, f"{Ending.REFUSED.value}: closed to make room for a new call")
        return None

    def join(self, leg: ReturnLeg, call_id: str) -> Leg | Refusal:
        """Put a call's second connection on the clock and return the first; or why it is refused."""
        if (first := self._calls.get(call_id)) is not None and first.return_leg is not None:
            first.return_leg.read()  # its hangup may have come
        if first is None or first.call.extension != leg.extension.name:
            return Refusal(
                Ending.NO_SUCH_CALL,
                f"extension {leg.extension.name} has no running call with this UUID; its caller's connection "
                "comes first, to the extension's port",
            )
        if first.return_leg is not None:
            return Refusal(Ending.IN_USE, "the call has a return leg already; hang that one up first")
        del self._acceptor.handshakes[leg]
        self._clock.add(leg)
        self._return_legs[leg] = None
        return first

    def _find(self, call_id: str) -> Leg | None:
        return self._calls.get(call_id) or self._refused.get(call_id)

    def handshake_ended(self, leg: Leg, connection: Connection, ending: Ending) -> None:
        """Forget a connection that became no call's, and hang up."""
        del self._acceptor.handshakes[leg]
        self.close(connection, ending)

    def return_leg_ended(self, leg: ReturnLeg, connection: Connection, ending: Ending) -> None:
        """Forget a return leg, and hang up."""
        self._clock.remove(leg)
        del self._return_legs[leg]
        self.close(connection, ending)
        self._note_end()

    def ended(
        self,
        leg: Leg,
        connection: Connection,
        ending: Ending,
        record: CallRecord,
        recording: Recording | None = None,
    ) -> None:
        """Forget a caller's leg, hang up, report the call's end to the gateway, with what is kept of it."""
        self.close(connection, ending)
        self._clock.remove(leg)
        self.live.ended(record)
        del (self._refused if record.was_refused else self._calls)[record.call_id]
        message = leg.ended(record)
        if recording is None:
            self._finished.add(message, self.send)
        else:
            self._unsettled[record.call_id] = recording
            recording.finish(partial(self._add_recorded, message))
        self._note_end()

    def _note_end(self) -> None:
        if not self._has_legs:
            self._all_ended.set()

    def _add_recorded(self, message: CallEnded, kept: Kept) -> None:
        record = message.record.model_copy(update=kept._asdict())
        del self._unsettled[record.call_id]
        self._finished.add(message.model_copy(update={"record": record}), self.send)

    def refusal(self) -> Refusal | None:
        """Return why a new call cannot be taken now, or None."""
        limit = self.settings.server.max_calls
        if self._is_draining:
            return Refusal(Ending.DRAINING, Ending.DRAINING.value)
        if len(self._calls) < limit:
            return None
        detail = f"all {limit} calls are taken (server.max_calls)"
        if len(self._refused) < MAXIMUM_REFUSED:
            return Refusal(Ending.REFUSED, detail, plays_phrase=True)
        return Refusal(Ending.FULL, detail)

    def _refusal_of_address(self, origin: str) -> Refusal | None:
        """Return why a call from there cannot be taken now, or None."""
        limit = self.settings.access.calls_per_address
        if limit is None or sum(leg.origin == origin for leg in self._calls.values()) < limit:
            return None
        return Refusal(
            Ending.FULL_ADDRESS, f"all {limit} calls of {origin} are taken (access.calls_per_address)"
        )

    def close(self, connection: Connection | None, ending: Ending) -> None:
        """Count a connection's end, and hang up unless it has been done."""
        self._endings[ending] += 1
        if connection is not None:
            self._closing.add(connection)


def _invitation(message: Invited, now: float) -> Invitation:
    facts = message.model_dump(exclude={"expires_in_s"})
    return Invitation(**facts, expires_s=now + message.expires_in_s)
