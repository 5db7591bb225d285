"""A media worker's calls: takes them in, limits them, tracks them, stops in order.

A connection that cannot be taken is accepted and answered with a hangup at once, so that the dialplan
goes on; a closed port would make Asterisk log errors and, on some versions, close another call's socket
(`res_audiosocket.c:151-184`). A caller who is refused because there are too many calls is told so first,
as long as not too many others are being told; while that lasts the connection is on the clock and is no call.
Stopping: refuse new calls, let running ones finish until a deadline, end the rest.

Whoever connects and says nothing holds a place among the handshakes, never one among the calls. When all
those places are taken the oldest gives way to the newest, so that idle connections cannot lock out a PBX,
which says its UUID at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable

from ingress.audiosocket import AudioSocket, Role
from ingress.configuration.extensions import DEFAULT_EXTENSION, Extension, Phrase, extensions
from ingress.configuration.settings import Settings
from ingress.dialogs.registry import dialog
from ingress.link.messages import (
    CallEnded,
    Message,
    Pace,
    PhrasesReady,
    Readiness,
    Refused,
    WorkerHealth,
)
from ingress.link.records import CallRecord, MediaHealth
from ingress.media.call import Call
from ingress.media.closing import Departures
from ingress.media.connection import Line
from ingress.media.endings import Ending
from ingress.media.frame_clock import FrameClock
from ingress.media.gc_schedule import CollectionPauses
from ingress.media.hearing.silero import SpeechConfirmer
from ingress.media.lateness import LatenessHistogram
from ingress.media.leg import Phrases, Refusal, Session

Listeners = dict[str, socket.socket]
"""A media worker's listening sockets, by extension; the server's own port first."""
BACKLOG = 256
"""Connections the kernel holds for us: a burst of calls while we are busy for a moment."""
MAXIMUM_HANDSHAKES = 512
"""Connections without a UUID yet, beside the calls."""
MAXIMUM_REFUSED = 64
"""Refused callers who are being told, beside `server.max_calls`: some twenty a second."""
ACCEPTS_PER_ROUND = 4
"""Half a millisecond's work: a flood of connections never keeps the loop from the clock for long."""
HEALTH_INTERVAL_S = 1.0
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

SendToGateway = Callable[[Message], bool]

log = logging.getLogger(__name__)


def describe(listener: socket.socket) -> str:
    """Return where it listens, for the log."""
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


class MediaServer:
    """All sessions of one media worker."""

    def __init__(self, settings: Settings, phrases: Phrases | None = None) -> None:
        """`phrases`: what can be said without the gateway; None: nothing, tones take its place."""
        self.settings = settings
        self.phrases = phrases or _NoPhrases()
        self.confirmer: SpeechConfirmer | None = None
        if settings.endpointing.confirmation == "silero":
            self.confirmer = SpeechConfirmer(settings.endpointing.confirmation_threshold)
        self._extensions = extensions(settings)
        self._send: SendToGateway = _no_gateway
        self.pauses = CollectionPauses()
        self._clock = FrameClock(settings.server.frame_ms, self.pauses.collect_if_due)
        self._handshakes: dict[Session, None] = {}
        self._calls: dict[str, Session] = {}
        self._refused: dict[str, Session] = {}
        """By their UUIDs, as the calls: who is being told, the longest first."""
        self._departures = Departures()
        self._endings: Counter[Ending] = Counter()
        self.gateway_is_ready = False
        self._is_draining = False
        self._listeners: list[socket.socket] = []
        self._loading: asyncio.Future[None] | None = None
        self._loads_again = False
        self._spare = -1
        """A descriptor held back: with none left, a connection can still be accepted and refused."""
        self._all_ended = asyncio.Event()
        self._reporter: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<MediaServer {len(self._calls)} calls, {self._connections} connections>"

    @property
    def _connections(self) -> int:
        live = len(self._calls) + len(self._refused)
        return len(self._handshakes) + live + len(self._departures)

    # Life

    async def start(self, listener: socket.socket, send: SendToGateway) -> None:
        """Accept the server's own port's connections; `send` takes messages for the gateway."""
        self._send = send
        if self.confirmer is not None:
            self.confirmer.start()
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._load_phrases()
        self.listen(DEFAULT_EXTENSION, listener)
        self._reporter = asyncio.get_running_loop().call_later(HEALTH_INTERVAL_S, self._report)

    def listen(self, name: str, listener: socket.socket) -> None:
        """Accept an extension's connections on a bound, listening socket; it is closed with the server."""
        extension = self._extensions[name]
        listens = dialog(extension.dialog).needs_speech
        self._listeners.append(listener)
        listener.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener, extension, listens)

    async def stop(self, drain_deadline_s: float) -> None:
        """Refuse new calls, wait for running ones, end the rest. May be cancelled and called again."""
        self._is_draining = True
        if self._calls or self._refused:
            log.info("draining: %d calls may finish within %g s", len(self._calls), drain_deadline_s)
            self._all_ended.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_deadline_s):
                    await self._all_ended.wait()
        if self._calls:
            log.warning("ending %d calls that did not finish in time", len(self._calls))
        for session in (*self._calls.values(), *self._refused.values(), *self._handshakes):
            session.end(Ending.STOPPING, Ending.STOPPING.value)
        self._clock.stop()
        await self._departures.wait()
        self._close()

    def _close(self) -> None:
        if not self._listeners:
            return
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        self._listeners.clear()
        os.close(self._spare)
        if self._reporter is not None:
            self._reporter.cancel()
        if self.confirmer is not None:
            self.confirmer.stop()

    # The gateway

    def receive(self, message: Message) -> None:
        """Take a message of the gateway."""
        match message:
            case Readiness(is_ready=is_ready):
                self._set_readiness(is_ready)
            case Pace():
                frame_ms = max(message.frame_ms, self.settings.server.frame_ms)
                if frame_ms != self._clock.frame_ms:
                    log.info("sending frames of %d ms from now on", frame_ms)
                    self._clock.frame_ms = frame_ms
            case PhrasesReady():
                self._load_phrases()
            case Refused(call_id=call_id, reason=reason):
                self._refuse(call_id, reason)
            case _:
                session = self._calls.get(getattr(message, "call_id", ""))
                if session is not None:
                    session.receive(message)

    def gateway_gone(self) -> None:
        """The link to the gateway broke."""
        self._set_readiness(False)

    def _set_readiness(self, is_ready: bool) -> None:
        self.gateway_is_ready = is_ready
        for session in tuple(self._calls.values()):
            if is_ready:
                session.gateway_ready()
            else:
                session.gateway_gone()

    def _refuse(self, call_id: str, reason: str) -> None:
        """Take a call out of the calls, and tell its caller; one that was admitted stays."""
        session = self._calls.get(call_id)
        if session is not None and not session.is_admitted:
            self._refused[call_id] = self._calls.pop(call_id)
            session.refuse(reason)

    def _load_phrases(self) -> None:
        """Have the phrases loaded in a thread, and again if this is asked meanwhile."""
        if self._loading is None:
            loading = asyncio.get_running_loop().run_in_executor(None, self.phrases.load)
            loading.add_done_callback(self._phrases_loaded)
            self._loading = loading
        else:
            self._loads_again = True

    def _phrases_loaded(self, loading: asyncio.Future[None]) -> None:
        self._loading = None
        if not loading.cancelled() and (error := loading.exception()) is not None:
            log.error("the phrases could not be loaded; tones take their place", exc_info=error)
        if self._loads_again:
            self._loads_again = False
            self._load_phrases()

    def _report(self) -> None:
        """Tell the gateway how this worker's clock does."""
        self._reporter = asyncio.get_running_loop().call_later(HEALTH_INTERVAL_S, self._report)
        self.pauses.collect_if_due()
        pauses, longest_s = self.pauses.take()
        health = MediaHealth(
            calls=len(self._calls),
            connections=self._connections,
            frame_ms=self._clock.frame_ms,
            lateness=self._clock.lateness.summary(),
            gc_pauses=pauses,
            gc_pause_maximum_ms=longest_s * 1000.0,
            timeline_shifts=self._clock.timeline_shifts,
            closed_peers={ending.value: count for ending, count in self._endings.items()},
        )
        self._clock.lateness = LatenessHistogram()
        self._send(WorkerHealth(health=health))

    # What sessions ask

    def identified(self, session: Session, call: Call) -> Refusal | None:
        """Put the call on the clock; or return why it is refused, on the clock still if it is to be told."""
        if call.call_id in self._calls or call.call_id in self._refused:
            detail = "its UUID is in use by a running call; give every AudioSocket() its own"
            return Refusal(Ending.IN_USE, detail)
        refusal = self._refusal()
        if refusal is not None and not refusal.is_told:
            return refusal
        del self._handshakes[session]
        self._clock.add(session)
        if refusal is not None:
            self._refused[call.call_id] = session
            return refusal
        self._calls[call.call_id] = session
        if len(self._calls) + len(self._refused) > self.settings.server.max_calls + MAXIMUM_REFUSED:
            told_longest = next(iter(self._refused.values()))
            told_longest.end(Ending.REFUSED, f"{Ending.REFUSED.value}: gave way to a new call")
        return None

    def forward(self, messages: list[Message]) -> None:
        """Send messages to the gateway, or drop them if it is away: calls ask again."""
        for message in messages:
            self._send(message)

    def ended(self, session: Session, line: Line, ending: Ending, record: CallRecord | None) -> None:
        """Forget a session, say goodbye on its line, tell the gateway."""
        self._endings[ending] += 1
        self._handshakes.pop(session, None)
        self._departures.add(line)
        if record is None:
            return
        self._clock.remove(session)
        del (self._refused if record.was_refused else self._calls)[record.call_id]
        self._send(CallEnded(record=record))
        if not self._calls and not self._refused:
            self._all_ended.set()

    # Accepting

    def _refusal(self) -> Refusal | None:
        """Return why a new call cannot be taken now, or None."""
        limit = self.settings.server.max_calls
        if self._is_draining:
            return Refusal(Ending.DRAINING, Ending.DRAINING.value)
        if len(self._calls) < limit:
            return None
        detail = f"all {limit} calls are taken (server.max_calls)"
        if len(self._refused) < MAXIMUM_REFUSED:
            return Refusal(Ending.REFUSED, detail, is_told=True)
        return Refusal(Ending.FULL, detail)

    def _accept(self, listener: socket.socket, extension: Extension, listens: bool) -> None:
        """Take the connections that wait."""
        for _ in range(ACCEPTS_PER_ROUND):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in OUT_OF_DESCRIPTORS:
                    return  # that connection is gone already (accept(2)); the next round takes the others
                if not self._refuse_without_descriptors(listener):
                    return
                continue
            line = self._line(connection, f"{address[0]}:{address[1]}")
            if line is not None:
                self._handshakes[Session(self, line, extension, listens)] = None

    def _line(self, connection: socket.socket, peer: str) -> Line | None:
        """Return the connection's line if it may say its UUID; else hang up."""
        try:
            line = Line(connection, peer, self.settings.server.send_backlog_ms)
        except OSError as error:  # reset while it waited
            log.debug("connection from %s is gone: %s", peer, error)
            connection.close()
            return None
        refusal = self._refusal()
        if refusal is not None and not refusal.is_told:
            log.info("connection from %s closed: %s", peer, refusal.detail)
            self._endings[refusal.ending] += 1
            self._departures.add(line)
            return None
        if len(self._handshakes) >= MAXIMUM_HANDSHAKES:
            oldest = next(iter(self._handshakes))
            oldest.end(Ending.CROWDED, Ending.CROWDED.value)
        return line

    def _refuse_without_descriptors(self, listener: socket.socket) -> bool:
        """Give the spare descriptor to the next connection for as long as it takes to hang up."""
        os.close(self._spare)
        try:
            connection, _ = listener.accept()
        except OSError:
            return False
        else:
            with contextlib.suppress(OSError), connection:
                connection.setblocking(False)
                connection.send(AudioSocket(Role.SERVER).encode_hangup())
            if not self._endings[Ending.NO_DESCRIPTORS]:
                log.error("%s: raise LimitNOFILE", Ending.NO_DESCRIPTORS.value)
            self._endings[Ending.NO_DESCRIPTORS] += 1
            return True
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _no_gateway(message: Message) -> bool:
    return False


class _NoPhrases:
    """A shelf with nothing on it."""

    def audio(self, extension: str, phrase: Phrase) -> bytes | None:
        return None

    def load(self) -> None:
        pass
