"""One AudioSocket connection: the only place where socket, protocol, hearing, call and clock meet.

The receive path is five steps: bytes → events → 20 ms frames → utterance → the call, whose messages go to
the gateway. The send path is one: the clock asks, the call gives a frame, one write per message
(`res_audiosocket.c:387-405` drops a call whose payload has a hole of 5 ms).

Every way a connection ends goes through `end`. We end it as Asterisk likes best: hangup message, half-close,
read until the peer closes too; a close with unread data would be a reset, which Asterisk takes for an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from enum import Enum
from typing import Protocol, cast

from actors.errors import RemoteProtocolError
from actors.messages import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from ingress.audiosocket import (
    HANGUP_MESSAGE,
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
from ingress.hearing import Hearing
from ingress.inbound import InboundAudio
from ingress.link_messages import Message
from ingress.metrics import CallRecord, LatenessHistogram
from ingress.settings import Settings
from ingress.utterance import HeardUtterance

CLOSE_DEADLINE_S = 2.0
"""How long a peer may take to close its side after our hangup."""
KEEPALIVE_IDLE_S = 5
KEEPALIVE_INTERVAL_S = 3
KEEPALIVE_PROBES = 3
USER_TIMEOUT_MS = 10_000
"""Together: a peer that vanished without a FIN is noticed within 15 s."""

log = logging.getLogger(__name__)


class SessionState(Enum):
    """Where a connection is in its life."""

    HANDSHAKE = "handshake"
    LIVE = "live"
    CLOSING = "closing"
    CLOSED = "closed"


class SessionHost(Protocol):
    """What a session asks of the server that accepted it."""

    settings: Settings

    def refusal(self) -> str | None:
        """Return why a new connection cannot be taken now, or None."""

    def identified(self, session: Session, call: Call) -> str | None:
        """Take the call in and put it on the clock; or return why not."""

    def forward(self, messages: list[Message]) -> None:
        """Send messages to the gateway, or drop them if it is away."""

    def ended(self, session: Session, record: CallRecord | None) -> None:
        """Forget the session; `record` is there if it was a call."""

    def closed(self, session: Session) -> None:
        """The socket is gone."""


class Session(asyncio.Protocol):
    """One connection, from accept to close."""

    def __init__(self, host: SessionHost) -> None:
        self._host = host
        self._settings = host.settings.server
        self._socket = AudioSocket(Role.SERVER)
        self._transport: asyncio.Transport
        self._state = SessionState.HANDSHAKE
        self._deadline: asyncio.TimerHandle | None = None
        self._peer = "unknown peer"
        self._call: Call | None = None
        self._hearing = Hearing(host.settings.endpointing)
        self._inbound = InboundAudio()
        self._codec_check = CodecCheck()
        self._lateness = LatenessHistogram()
        self._identified_s = 0.0
        self._message_since_s = 0.0
        """When the first byte of a message came that is not complete yet; 0 if there is none."""
        self._frames_sent = 0
        self._frames_received = 0
        self._backlog_bytes = self._settings.send_backlog_ms * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE // 1000

    @property
    def call(self) -> Call | None:
        """The conversation, once the caller is identified."""
        return self._call

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket's options and wait for the UUID, or refuse."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        raw = transport.get_extra_info("socket")
        if raw is not None:
            _set_options(raw, self._backlog_bytes)
        peername = transport.get_extra_info("peername")
        if peername:
            self._peer = f"{peername[0]}:{peername[1]}"
        refusal = self._host.refusal()
        if refusal is not None:
            self.end(refusal)
            return
        deadline_s = self._settings.handshake_deadline_s
        self._deadline = asyncio.get_running_loop().call_later(
            deadline_s, self.end, f"no UUID within {deadline_s:g} s"
        )

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        if self._is_ending:
            return  # draining until the peer closes
        now = time.monotonic()
        try:
            events = self._socket.receive_data(data)
        except RemoteProtocolError as error:
            self.end(f"protocol error: {error}")
            return
        for event in events:
            if self._is_ending:
                return
            self._take(event, now)
        self._message_since_s = 0.0 if self._socket.is_between_messages else self._message_since_s or now

    def eof_received(self) -> bool:
        """The peer closed its side."""
        try:
            events = self._socket.receive_eof()
        except RemoteProtocolError as error:
            self.end(f"protocol error: {error}")
            events = []
        for event in events:
            self._take(event, time.monotonic())
        if self._state is SessionState.CLOSING:
            self._transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, whoever closed it."""
        self.end(f"connection lost: {exc}" if exc else "connection closed")
        self._cancel_deadline()
        self._state = SessionState.CLOSED
        self._host.closed(self)

    # The clock

    def send_frames(self, frames: int, now: float, lateness_s: float) -> None:
        """Send what is due. Called by the clock for a live call; never blocks."""
        call = self._call
        if call is None:
            return
        self._lateness.add(lateness_s, frames)
        for _ in range(frames):
            self._transport.write(audio_message(call.next_frame(now)))
        self._frames_sent += frames
        if self._hearing.is_in_speech:
            self._hear(self._hearing.pause(now), now)
        if call.outbox:
            self._forward(call)
        if self._transport.get_write_buffer_size() > self._backlog_bytes:
            self.end("the peer does not read what it is sent")
        elif self._message_since_s and now - self._message_since_s > self._settings.message_deadline_s:
            self.end(f"a message was not complete within {self._settings.message_deadline_s:g} s")
        elif call.wants_to_end:
            self.end("the dialog hung up")

    # The gateway

    def receive(self, message: Message) -> None:
        """Take a message of the gateway for this call."""
        if self._call is not None:
            self._call.receive(message, time.monotonic())
            self._forward(self._call)

    def gateway_ready(self) -> None:
        """The gateway can serve turns."""
        if self._call is not None:
            self._call.gateway_ready(time.monotonic())
            self._forward(self._call)

    def gateway_gone(self) -> None:
        """The gateway cannot serve turns for now."""
        if self._call is not None:
            self._call.gateway_gone(time.monotonic())

    # The end

    def end(self, reason: str) -> None:
        """End the connection: the one place where a session releases what it holds. Idempotent."""
        if self._is_ending:
            return
        self._state = SessionState.CLOSING
        self._cancel_deadline()
        record = self._record(reason)
        if record is None:
            log.info("connection from %s closed: %s", self._peer, reason)
        else:
            log.info(
                "call %s ended: %s; %.1f s, %d turns, lateness p99 %.1f ms, %d underruns",
                record.call_id,
                reason,
                record.duration_s,
                len(record.turns),
                record.lateness.p99_ms,
                record.underruns,
            )
        self._host.ended(self, record)
        if self._transport.is_closing():
            return
        with contextlib.suppress(OSError, RuntimeError):
            self._transport.write(HANGUP_MESSAGE)
            self._transport.write_eof()
        self._deadline = asyncio.get_running_loop().call_later(CLOSE_DEADLINE_S, self._transport.abort)

    # Inside

    def _take(self, event: Event, now: float) -> None:
        match event:
            case AudioReceived(audio, rate_hz):
                self._frames_received += 1
                if self._codec_check.is_disguised(len(audio), rate_hz, now):
                    self.end(ADVICE)
                    return
                for frame in self._inbound.frames(audio, rate_hz):
                    self._hear(self._hearing.frame(frame, now), now)
            case CallIdentified(uuid):
                self._identify(str(uuid), now)
            case DigitReceived(digit) if self._call is not None:
                self._hear(self._hearing.digit(now), now)
                self._call.press(digit, now)
                self._forward(self._call)
            case PeerHungUp():
                self.end("the caller hung up")
            case PeerFailed(code):
                log.warning("call %s: Asterisk reported error code %s", self._call_id, code)
            case UnknownMessage(kind, length):
                log.debug("call %s: skipped kind 0x%02x, %d bytes", self._call_id, kind, length)

    def _identify(self, call_id: str, now: float) -> None:
        self._cancel_deadline()
        call = Call(call_id, extension="default", keeps_text=self._host.settings.privacy.keep_transcripts)
        refusal = self._host.identified(self, call)
        if refusal is not None:
            self.end(f"call {call_id} refused: {refusal}")
            return
        self._state = SessionState.LIVE
        self._call = call
        self._identified_s = now
        log.info("call %s started from %s", call_id, self._peer)
        call.begin(now)

    def _hear(self, utterance: HeardUtterance | None, now: float) -> None:
        if utterance is not None and self._call is not None:
            self._call.hear(utterance, now)
            self._forward(self._call)

    def _forward(self, call: Call) -> None:
        if call.outbox:
            messages, call.outbox = call.outbox, []
            self._host.forward(messages)

    @property
    def _is_ending(self) -> bool:
        return self._state in (SessionState.CLOSING, SessionState.CLOSED)

    @property
    def _call_id(self) -> str:
        return self._call.call_id if self._call else self._peer

    def _record(self, reason: str) -> CallRecord | None:
        call = self._call
        if call is None:
            return None
        return CallRecord(
            call_id=call.call_id,
            extension=call.extension,
            duration_s=time.monotonic() - self._identified_s,
            end_reason=reason,
            frames_sent=self._frames_sent,
            frames_received=self._frames_received,
            unknown_messages=self._socket.unknown_messages,
            dropped_noises=self._hearing.dropped_noises,
            dropped_turns=call.dropped_turns,
            underruns=call.playout.underruns,
            lateness=self._lateness.summary(),
            turns=tuple(call.turn_records),
        )

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _set_options(raw: socket.socket, backlog_bytes: int) -> None:
    """Send at once, notice a vanished peer, keep no more unsent audio than the backlog allows."""
    if raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, backlog_bytes)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
