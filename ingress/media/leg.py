"""One AudioSocket connection: the only place where line, protocol, hearing, call and clock meet.

Until the UUID has come the line is watched; from then on it is read and written on the clock's tick alone.
Out: the call gives a frame, one write per message (`res_audiosocket.c:387-405` drops a call whose payload
has a hole of 5 ms). In: bytes → events → 20 ms frames → the ear → the call, whose messages go to the
gateway. When a decision about the caller's speech is near, what has come is read on every tick, while the
caller surely speaks on every other one, and while nobody does on every third: a frame waits 10 to 30 ms on
average for its reading, and a call costs no wake-up of its own and a third of the reads.

Every way a connection ends goes through `end`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from time import monotonic
from typing import Protocol

from actors.telephone import FRAME_S
from ingress.audiosocket import (
    CallIdentified,
    DigitReceived,
    Event,
    PeerFailed,
    PeerHungUp,
    UnknownMessage,
)
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.settings import Settings
from ingress.link.messages import Message
from ingress.link.records import CallRecord
from ingress.media.call import Call, Verdict
from ingress.media.connection import WHOLE, Line
from ingress.media.endings import Ending
from ingress.media.hearing.events import (
    CallerPaused,
    CallerResumed,
    CallerSpeaking,
    HeardUtterance,
    HearingEvent,
)
from ingress.media.hearing.hearing import Hearing
from ingress.media.hearing.silero import SpeechConfirmer
from ingress.media.lateness import LatenessHistogram
from ingress.media.pacing import LONG_GAP_S
from ingress.media.receiver import BadPeerError, Uplink

UNUSUAL_GAP_S = 0.03
"""Shorter gaps between two sends are not told apart: the longest is this or more."""
FRAMES_PER_READING = 5
"""Three ticks of 30 ms, and jitter."""

log = logging.getLogger(__name__)


class SessionState(Enum):
    """Where a connection is in its life."""

    HANDSHAKE = "handshake"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection does not become a call."""

    ending: Ending
    detail: str
    is_told: bool = False
    """Whether the caller is told before the hangup, and is on the clock until then."""


class Phrases(Protocol):
    """What can be said without a gateway, rendered before."""

    def audio(self, extension: str, phrase: Phrase) -> bytes | None:
        """Return the phrase as 8 kHz int16, at once; None if it has not been rendered."""

    def load(self) -> None:
        """Fetch what has been rendered meanwhile; blocks."""


class SessionHost(Protocol):
    """What a session asks of the server that accepted it."""

    settings: Settings
    confirmer: SpeechConfirmer | None
    phrases: Phrases
    gateway_is_ready: bool

    def identified(self, session: Session, call: Call) -> Refusal | None:
        """Put the call on the clock; or return why it is refused, on the clock still if it is to be told."""

    def forward(self, messages: list[Message]) -> None:
        """Send messages to the gateway, or drop them if it is away."""

    def ended(self, session: Session, line: Line, ending: Ending, record: CallRecord | None) -> None:
        """Forget the session and close its line; `record` is there if it was a call."""


class Session:
    """One connection, from accept to goodbye."""

    __slots__ = (
        "_call",
        "_deadline",
        "_extension",
        "_has_failed",
        "_hearing",
        "_host",
        "_last_send_s",
        "_lateness",
        "_line",
        "_listens",
        "_long_gaps",
        "_longest_gap_s",
        "_refusal",
        "_settings",
        "_started_s",
        "_state",
        "_unread_ticks",
        "_uplink",
    )

    def __init__(self, host: SessionHost, line: Line, extension: Extension, listens: bool) -> None:
        """`listens`: whether the dialog wants to know what callers say; they are heard in any case."""
        self._host = host
        self._line = line
        self._extension = extension
        self._listens = listens
        self._refusal: str | None = None
        """Why the call was refused; it goes on until its caller has been told."""
        self._settings = host.settings.server
        self._uplink = Uplink(line.protocol)
        self._state = SessionState.HANDSHAKE
        self._call: Call | None = None
        self._hearing: Hearing
        self._lateness = LatenessHistogram()
        self._started_s = 0.0
        self._last_send_s = 0.0
        self._longest_gap_s = UNUSUAL_GAP_S
        self._long_gaps = 0
        self._unread_ticks = 0
        """How many more ticks leave what has come in the kernel."""
        self._has_failed = False
        """Whether Asterisk has reported an error: said once."""
        line.watch(self._read)
        deadline_s = self._settings.handshake_deadline_s
        self._deadline = asyncio.get_running_loop().call_later(
            deadline_s, self.end, Ending.NO_UUID, f"no UUID within {deadline_s:g} s"
        )

    # The clock

    def send(self, frames: int, frame_bytes: int, due_s: float) -> None:
        """Send what is due. Called by the clock for a live call; never blocks."""
        now = monotonic()
        call = self._call
        assert call is not None
        self._lateness.add(now - due_s, frames)
        if now - self._last_send_s > UNUSUAL_GAP_S:
            self._note_gap(now - self._last_send_s)
        self._last_send_s = now
        try:
            for _ in range(frames):
                message = self._line.protocol.encode_audio(call.next_frame(now, frame_bytes))
                if self._line.transmit(message, WHOLE) != len(message):
                    raise BlockingIOError
        except BlockingIOError:
            self.end(Ending.NOT_READING, Ending.NOT_READING.value)
        except BrokenPipeError:
            # It closed some frames ago; a connection that broke would be reset. What it said last is there.
            self._read()
            self._peer_closed()
        except OSError as error:
            self._lost(error)

    def listen(self) -> None:
        """Take what has come. Called by the clock after the frames of all calls have left; never blocks."""
        call, hearing = self._call, self._hearing
        assert call is not None
        if self._unread_ticks:
            self._unread_ticks -= 1
            if not hearing.is_in_speech:
                return  # whatever there is to do can wait for the next reading
        else:
            self._read()
            if self._state is not SessionState.LIVE:
                return
            self._unread_ticks = 0 if hearing.is_deciding else 1 if hearing.is_in_speech else 2
        now = self._last_send_s
        if hearing.is_in_speech and (events := hearing.pause(now)):
            self._tell(events, now)
        if call.outbox:
            self._forward(call)
        since_s, deadline_s = self._uplink.message_since_s, self._settings.message_deadline_s
        if since_s is not None and now - since_s > deadline_s:
            self.end(Ending.UNFINISHED, f"a message was not complete within {deadline_s:g} s")
        elif call.is_at_end:
            if self._refusal is None:
                self.end(Ending.DIALOG, Ending.DIALOG.value)
            else:
                self.end(Ending.REFUSED, f"{Ending.REFUSED.value}: {self._refusal}")

    def fault(self, error: Exception) -> None:
        """A mistake of ours came up on the clock: it costs this call, and no other."""
        log.error("call %s failed", self._name, exc_info=error)
        self.end(Ending.FAULT, f"internal fault: {type(error).__name__}")

    # The gateway

    def receive(self, message: Message) -> None:
        """Take a message of the gateway for this call."""
        if self._call is not None:
            self._call.receive(message, monotonic())
            self._forward(self._call)

    def gateway_ready(self) -> None:
        """The gateway can serve turns."""
        if self._call is not None:
            self._call.gateway_ready(monotonic())
            self._forward(self._call)

    def gateway_gone(self) -> None:
        """The gateway cannot serve turns for now."""
        if self._call is not None:
            self._call.gateway_gone(monotonic())

    @property
    def is_admitted(self) -> bool:
        """Whether the call has been taken for good."""
        return self._call is not None and self._call.verdict is Verdict.ADMITTED

    def refuse(self, reason: str) -> None:
        """The call is not taken: tell the caller, then hang up. `reason` is for the log and the record."""
        if self._call is not None:
            self._refusal = reason
            log.info("call %s refused: %s", self._name, reason)
            self._call.refuse(monotonic())

    # The end

    def end(self, ending: Ending, detail: str) -> None:
        """End the connection: the one place where a session releases what it holds. Idempotent."""
        if self._state is SessionState.ENDED:
            return
        if self._state is SessionState.HANDSHAKE:
            self._line.unwatch()
        self._state = SessionState.ENDED
        self._deadline.cancel()
        record = None
        if self._call is None:
            log.info("connection from %s closed: %s", self._line.peer, detail)
        else:
            self._hearing.close()
            record = self._record(self._call, detail)
            log.info("%s", record.describe())
        self._host.ended(self, self._line, ending, record)

    # Inside

    def _note_gap(self, gap_s: float) -> None:
        self._longest_gap_s = max(self._longest_gap_s, gap_s)
        self._long_gaps += gap_s >= LONG_GAP_S

    def _read(self) -> None:
        """Take what has come."""
        try:
            data = self._line.receive()
        except OSError as error:
            self._lost(error)
            return
        if not data:
            if data is None:
                self._peer_closed()
            return
        now = monotonic()
        received: Sequence[bytes | Event]
        try:
            frames = self._uplink.frames(data, now)
            if frames is not None and self._hearing.has_ignored(frames, now):
                return
            received = frames or self._uplink.receive(data, now)
        except BadPeerError as error:
            self.end(error.ending, str(error))
            return
        # Frames that are read together came one after the other; of a longer backlog nobody knows.
        at_s = now - FRAME_S * min(len(received) - 1, FRAMES_PER_READING)
        for item in received:
            if not isinstance(item, bytes):
                self._take(item, now)
                if self._state is SessionState.ENDED:
                    return
            elif events := self._hearing.frame(item, at_s):
                self._tell(events, now)
            at_s = min(now, at_s + FRAME_S)

    def _peer_closed(self) -> None:
        try:
            self._uplink.end()
        except BadPeerError as error:
            self.end(error.ending, str(error))
            return
        if self._call is None:
            self.end(Ending.NO_CALL, Ending.NO_CALL.value)
        else:
            self.end(Ending.CALLER, Ending.CALLER.value)

    def _lost(self, error: OSError) -> None:
        self.end(Ending.LOST, f"connection lost: {error.strerror or error}")

    def _take(self, event: Event, now: float) -> None:
        match event:
            case CallIdentified(uuid):
                self._identify(str(uuid), now)
            case DigitReceived(digit) if self._call is not None:
                self._tell(self._hearing.digit(now), now)
                self._call.press(digit, now)
                self._forward(self._call)
            case PeerHungUp():
                self.end(Ending.CALLER, Ending.CALLER.value)
            case PeerFailed(code):
                if not self._has_failed:
                    self._has_failed = True
                    log.warning("call %s: Asterisk reported error code %s", self._name, code)
            case UnknownMessage(kind, length):
                log.debug("call %s: skipped kind 0x%02x, %d bytes", self._name, kind, length)

    def _identify(self, call_id: str, now: float) -> None:
        host, extension = self._host, self._extension
        settings = host.settings
        call = Call(
            call_id,
            extension.name,
            started_at_s=datetime.now(UTC).timestamp(),
            barge_in=extension.barge_in,
            keeps_text=settings.privacy.keep_transcripts,
            phrases=partial(host.phrases.audio, extension.name),
        )
        refusal = host.identified(self, call)
        if refusal is not None and not refusal.is_told:
            self.end(refusal.ending, f"call {call_id} refused: {refusal.detail}")
            return
        self._line.unwatch()
        self._deadline.cancel()
        self._state = SessionState.LIVE
        self._call = call
        self._hearing = Hearing(settings.endpointing, extension.barge_in.speech_ms, host.confirmer)
        self._started_s = self._last_send_s = now
        if refusal is not None:
            self.refuse(refusal.detail)
            return
        log.info("call %s started from %s on extension %s", call_id, self._line.peer, extension.name)
        if host.gateway_is_ready:
            call.gateway_ready(now)
        call.begin(now)
        self._forward(call)

    def _tell(self, events: tuple[HearingEvent, ...], now: float) -> None:
        """Tell the call what was heard."""
        call = self._call
        if call is None or not self._listens:
            return
        for event in events:
            match event:
                case CallerSpeaking():
                    call.caller_speaking(now)
                case CallerPaused(utterance):
                    call.caller_paused(utterance, now)
                case CallerResumed():
                    call.caller_resumed(now)
                case HeardUtterance():
                    call.hear(event, now)
        self._forward(call)

    def _forward(self, call: Call) -> None:
        if call.outbox:
            messages, call.outbox = call.outbox, []
            self._host.forward(messages)

    @property
    def _name(self) -> str:
        return self._call.call_id if self._call else self._line.peer

    def _record(self, call: Call, detail: str) -> CallRecord:
        lateness = self._lateness.summary()
        return CallRecord(
            call_id=call.call_id,
            extension=call.extension,
            priority=self._extension.priority.value,
            was_refused=call.verdict is Verdict.REFUSED,
            duration_s=monotonic() - self._started_s,
            end_reason=detail,
            frames_sent=lateness.frames,
            frames_received=self._uplink.audio_messages,
            unknown_messages=self._uplink.unknown_messages,
            dropped_noises=self._hearing.dropped_noises,
            unconfirmed=self._hearing.unconfirmed,
            dropped_turns=call.dropped_turns,
            interruptions=call.interruptions,
            underruns=call.playout.underruns,
            longest_gap_ms=self._longest_gap_s * 1000.0,
            long_gaps=self._long_gaps,
            discarded_ms=self._uplink.discarded_s * 1000.0,
            lateness=lateness,
            turns_taken=call.turns_taken,
            turns=tuple(call.turn_records),
        )
