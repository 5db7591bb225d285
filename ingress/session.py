"""One AudioSocket connection: the only place where line, protocol, hearing, call and clock meet.

Until the UUID has come the line is watched; from then on it is read and written on the clock's tick alone.
Out: the call gives a frame, one write per message (`res_audiosocket.c:387-405` drops a call whose payload
has a hole of 5 ms). In: bytes → events → 20 ms frames → the ear → the call, whose messages go to the
gateway. When a decision about the caller's speech is near, what has come is read on every tick, otherwise on
every other one: a frame waits 10 or 20 ms on average for its reading, and a call costs no wake-up of its own
and half the reads.

Audio that is older than it looks is worse than none. What piled up in the kernel while this process was
stopped is thrown away but for the newest half second; a peer that goes on sending faster than time passes
is not a phone and loses its call.

Every way a connection ends goes through `end`.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from time import monotonic
from typing import Protocol

from actors.errors import RemoteProtocolError
from actors.messages import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from ingress.audiosocket import (
    AudioReceived,
    AudioSocket,
    CallIdentified,
    DigitReceived,
    Event,
    PeerFailed,
    PeerHungUp,
    Role,
    UnknownMessage,
    audio_message,
)
from ingress.call import Call
from ingress.codec_check import ADVICE, CodecCheck
from ingress.endings import Ending
from ingress.hearing import Hearing
from ingress.inbound import InboundAudio
from ingress.line import READ_BYTES, Line
from ingress.link_messages import Message
from ingress.metrics import CallRecord, LatenessHistogram
from ingress.pacing import FRAME_S, LONG_GAP_S
from ingress.settings import Settings
from ingress.silero import SpeechConfirmer
from ingress.utterance import CallerPaused, CallerResumed, CallerSpeaking, HeardUtterance, HearingEvent

STALE_S = 0.5
"""Of what one reading finds, older audio than this is thrown away."""
HEAD_START_S = 3.0
"""How far the caller's audio may be ahead of time before the peer is no phone."""
MESSAGES_PER_S = 200
"""More than any phone sends: 100 of audio at a ptime of 10 ms, and digits."""
DECODED_BYTES = 4_096
"""Decoded between two looks at what a peer may send, so that a flood of tiny messages ends early."""
ACCEPT_QUEUE_S = 10.0
"""What may have come before the UUID was read: connections wait while a worker is being replaced."""

log = logging.getLogger(__name__)


class SessionState(Enum):
    """Where a connection is in its life."""

    HANDSHAKE = "handshake"
    LIVE = "live"
    ENDED = "ended"


class SessionHost(Protocol):
    """What a session asks of the server that accepted it."""

    settings: Settings
    confirmer: SpeechConfirmer | None

    def identified(self, session: Session, call: Call) -> tuple[Ending, str] | None:
        """Take the call in and put it on the clock; or return why not."""

    def forward(self, messages: list[Message]) -> None:
        """Send messages to the gateway, or drop them if it is away."""

    def ended(self, session: Session, line: Line, ending: Ending, record: CallRecord | None) -> None:
        """Forget the session and close its line; `record` is there if it was a call."""


class Session:
    """One connection, from accept to goodbye."""

    __slots__ = (
        "_audio_messages",
        "_call",
        "_codec_check",
        "_deadline",
        "_discarded_s",
        "_has_failed",
        "_hearing",
        "_host",
        "_inbound",
        "_last_send_s",
        "_lateness",
        "_line",
        "_long_gaps",
        "_longest_gap_s",
        "_message_since_s",
        "_messages_received",
        "_messages_sent",
        "_received_s",
        "_settings",
        "_skips_read",
        "_socket",
        "_started_s",
        "_state",
    )

    def __init__(self, host: SessionHost, line: Line) -> None:
        self._host = host
        self._line = line
        self._settings = host.settings.server
        self._socket = AudioSocket(Role.SERVER)
        self._state = SessionState.HANDSHAKE
        self._call: Call | None = None
        self._hearing: Hearing
        self._inbound = InboundAudio()
        self._codec_check: CodecCheck | None = CodecCheck()
        self._lateness = LatenessHistogram()
        self._started_s = 0.0
        self._last_send_s = 0.0
        self._longest_gap_s = 0.0
        self._long_gaps = 0
        self._message_since_s = 0.0
        """When the first byte of a message came that is not complete yet; 0 if there is none."""
        self._skips_read = False
        """Whether the next tick leaves what has come in the kernel."""
        self._has_failed = False
        """Whether Asterisk has reported an error: said once."""
        self._messages_sent = 0
        self._messages_received = 0
        """Those that were not plain 8 kHz audio alone."""
        self._audio_messages = 0
        self._received_s = 0.0
        self._discarded_s = 0.0
        line.watch(self._read)
        deadline_s = self._settings.handshake_deadline_s
        self._deadline = asyncio.get_running_loop().call_later(
            deadline_s, self.end, Ending.NO_UUID, f"no UUID within {deadline_s:g} s"
        )

    # The clock

    def tick(self, frames: int, frame_bytes: int, due_s: float) -> None:
        """Send what is due, then take what has come. Called by the clock for a live call; never blocks."""
        now = monotonic()
        call = self._call
        assert call is not None
        self._lateness.add(now - due_s, frames)
        gap_s = now - self._last_send_s
        self._last_send_s = now
        if gap_s > self._longest_gap_s:
            self._longest_gap_s = gap_s
        if gap_s >= LONG_GAP_S:
            self._long_gaps += 1
        self._messages_sent += frames
        try:
            for _ in range(frames):
                if not self._line.send(audio_message(call.next_frame(now, frame_bytes))):
                    self.end(Ending.NOT_READING, Ending.NOT_READING.value)
                    return
        except BrokenPipeError:
            # It closed some frames ago; a connection that broke would be reset. What it said last is there.
            self._read()
            self._peer_closed()
            return
        except OSError as error:
            self._lost(error)
            return
        hearing = self._hearing
        if self._skips_read:
            self._skips_read = False
        else:
            self._read()
            if self._state is not SessionState.LIVE:
                return
            self._skips_read = not hearing.is_deciding
        if hearing.is_in_speech and (events := hearing.pause(now)):
            self._tell(events, now)
        if call.outbox:
            self._forward(call)
        if self._message_since_s and now - self._message_since_s > self._settings.message_deadline_s:
            deadline_s = self._settings.message_deadline_s
            self.end(Ending.UNFINISHED, f"a message was not complete within {deadline_s:g} s")
        elif call.wants_to_end:
            self.end(Ending.DIALOG, Ending.DIALOG.value)

    def fault(self, error: Exception) -> None:
        """A mistake of ours came up in this call's tick: it costs this call, and no other."""
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
        messages = self._socket.receive_audio(data) if len(data) < READ_BYTES else None
        if messages is not None:  # nothing but 8 kHz audio: nearly always
            self._take_audio(messages, TELEPHONE_RATE_HZ, now)
            return
        try:
            events = self._decode(data, now)
        except RemoteProtocolError as error:
            self.end(Ending.PROTOCOL, f"protocol error: {error}")
            return
        for event in events:
            if self._state is SessionState.ENDED:
                return
            self._take(event, now)
        if self._socket.is_between_messages:
            self._message_since_s = 0.0
        elif events or not self._message_since_s:  # the one that is under way began with this reading
            self._message_since_s = now

    def _decode(self, data: bytes, now: float) -> list[Event]:
        """Return the events of a reading, old audio left out; end the session of a peer that floods."""
        events: list[Event] = []
        for start in range(0, len(data), DECODED_BYTES):
            events += self._socket.receive_data(data[start : start + DECODED_BYTES])
            elapsed_s = now - self._started_s if self._state is SessionState.LIVE else 0.0
            allowed = (elapsed_s + HEAD_START_S + ACCEPT_QUEUE_S) * MESSAGES_PER_S
            if self._messages_received + len(events) > allowed:
                self.end(Ending.TOO_FAST, f"more than {MESSAGES_PER_S} messages a second came")
                return []
        self._messages_received += len(events)
        # A reading as long as that found a backlog.
        return events if len(data) <= READ_BYTES else self._fresh(events)

    def _fresh(self, events: list[Event]) -> list[Event]:
        """Return what is worth taking of a long backlog: everything but old audio."""
        kept: list[Event] = []
        kept_s = 0.0
        for event in reversed(events):
            if isinstance(event, AudioReceived):
                duration_s = len(event.audio) / BYTES_PER_SAMPLE / event.rate_hz
                if kept_s + duration_s > STALE_S:
                    self._discarded_s += duration_s
                    self._received_s += duration_s
                    continue
                kept_s += duration_s
            kept.append(event)
        return kept[::-1]

    def _peer_closed(self) -> None:
        try:
            self._socket.receive_eof()
        except RemoteProtocolError as error:
            self.end(Ending.PROTOCOL, f"protocol error: {error}")
            return
        if self._call is None:
            self.end(Ending.NO_CALL, Ending.NO_CALL.value)
        else:
            self.end(Ending.CALLER, Ending.CALLER.value)

    def _lost(self, error: OSError) -> None:
        self.end(Ending.LOST, f"connection lost: {error.strerror or error}")

    def _take(self, event: Event, now: float) -> None:
        match event:
            case AudioReceived(audio, rate_hz):
                self._take_audio([audio], rate_hz, now)
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

    def _take_audio(self, messages: list[bytes], rate_hz: int, now: float) -> None:
        """Take the audio of messages of one rate."""
        self._audio_messages += len(messages)
        check = self._codec_check
        # The first of two came about a tick ago. More than two are a backlog, and nobody knows.
        at_s = now - FRAME_S if len(messages) == 2 else now
        for audio in messages:
            self._received_s += len(audio) / (BYTES_PER_SAMPLE * rate_hz)
            if check is not None and self._is_disguised(check, len(audio), rate_hz, now):
                return
            for frame in self._inbound.frames(audio, rate_hz):
                events = self._hearing.frame(frame, at_s)
                if events:
                    self._tell(events, now)
            at_s = now
        if self._received_s > now - self._started_s + HEAD_START_S:
            self.end(Ending.TOO_FAST, f"audio came {HEAD_START_S:g} s ahead of time")

    def _is_disguised(self, check: CodecCheck, size_bytes: int, rate_hz: int, now: float) -> bool:
        if check.is_disguised(size_bytes, rate_hz, now):
            self.end(Ending.CODEC, ADVICE)
            return True
        if check.is_decided:
            self._codec_check = None
        return False

    def _identify(self, call_id: str, now: float) -> None:
        settings = self._host.settings
        call = Call(call_id, "default", settings.barge_in, keeps_text=settings.privacy.keep_transcripts)
        refusal = self._host.identified(self, call)
        if refusal is not None:
            ending, detail = refusal
            self.end(ending, f"call {call_id} refused: {detail}")
            return
        self._line.unwatch()
        self._deadline.cancel()
        self._state = SessionState.LIVE
        self._call = call
        self._hearing = Hearing(settings.endpointing, settings.barge_in.speech_ms, self._host.confirmer)
        self._started_s = self._last_send_s = now
        self._received_s = -ACCEPT_QUEUE_S
        log.info("call %s started from %s", call_id, self._line.peer)
        call.begin(now)

    def _tell(self, events: tuple[HearingEvent, ...], now: float) -> None:
        """Tell the call what was heard."""
        call = self._call
        if call is None:
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
        return CallRecord(
            call_id=call.call_id,
            extension=call.extension,
            duration_s=monotonic() - self._started_s,
            end_reason=detail,
            frames_sent=self._messages_sent,
            frames_received=self._audio_messages,
            unknown_messages=self._socket.unknown_messages,
            dropped_noises=self._hearing.dropped_noises,
            unconfirmed=self._hearing.unconfirmed,
            dropped_turns=call.dropped_turns,
            interruptions=call.interruptions,
            underruns=call.playout.underruns,
            longest_gap_ms=self._longest_gap_s * 1000.0,
            long_gaps=self._long_gaps,
            discarded_ms=self._discarded_s * 1000.0,
            lateness=self._lateness.summary(),
            turns=tuple(call.turn_records),
        )
