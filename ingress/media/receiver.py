"""What comes from the peer: bytes in, 20 ms frames of 8 kHz audio and events out; no socket, no clock.

| what came | effect |
|---|---|
| a backlog, after this process was stopped | of its audio only the newest half second is taken |
| audio faster than time passes | `BadPeer` |
| more messages than any ptime makes | `BadPeer` |
| bytes that are not the protocol, or an end within a message | `BadPeer` |
| a phone's codec labelled as linear audio | `BadPeer` |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from actors.telephone import BYTES_PER_SAMPLE, FRAME_BYTES, FRAME_S, TELEPHONE_RATE_HZ
from ingress.audiosocket import (
    AudioReceived,
    AudioSocket,
    CallIdentified,
    Event,
    PeerHungUp,
    RemoteProtocolError,
    UnknownMessage,
)
from ingress.media.codec_check import ADVICE, CodecCheck
from ingress.media.endings import Ending
from ingress.media.resampling import InboundAudio

BACKLOG_BYTES = 2_048
"""A longer reading found a backlog: two messages of 20 ms, at 48 kHz nearly so many bytes, are usual."""
STALE_S = 0.5
"""Of a backlog, older audio than this is thrown away."""
ROUNDING_S = 1e-6
"""Twenty-five times 20 ms are not quite half a second."""
HEAD_START_S = 3.0
"""How far the caller's audio may be ahead of time before the peer is no phone."""
ACCEPT_QUEUE_S = 10.0
"""What may have come before the UUID was read, while a worker was being replaced."""
MESSAGES_PER_S = 200
"""More than any phone sends: 100 of audio at a ptime of 10 ms, and digits."""


@dataclass(frozen=True, slots=True)
class BadPeer:
    """The peer cannot be served: end the connection. Nothing comes after this."""

    ending: Ending
    detail: str


Received: TypeAlias = list[bytes] | Event | BadPeer
"""Frames of 320 bytes that follow each other, an event that is no audio, or the last of all."""


class Receiver:
    """The receiving half of one connection."""

    def __init__(self, protocol: AudioSocket) -> None:
        self._protocol = protocol
        self._inbound = InboundAudio()
        self._codec_check: CodecCheck | None = CodecCheck()
        """None once it is decided."""
        self._started_s: float | None = None
        """When the call was identified."""
        self.message_since_s: float | None = None
        """When the message that is under way began; None between messages."""
        self._messages = 0
        self._received_s = -ACCEPT_QUEUE_S
        self.audio_messages = 0
        self.unknown_messages = 0
        self.discarded_s = 0.0

    def receive(self, data: bytes, now: float) -> list[Received]:
        """Return what `data`, read at `now`, holds, in order."""
        is_backlog = len(data) > BACKLOG_BYTES
        messages = None if is_backlog else self._protocol.receive_audio(data)
        if messages is not None:
            if len(messages[0]) == FRAME_BYTES and self._codec_check is None and self._inbound.is_transparent:
                self.audio_messages += len(messages)
                self._received_s += len(messages) * FRAME_S
                return [messages, self._too_fast()] if self._is_ahead(now) else [messages]
            return self._take([AudioReceived(audio, TELEPHONE_RATE_HZ) for audio in messages], now)
        events = self._decode(data, now)
        if self._protocol.is_between_messages:
            self.message_since_s = None
        elif events or self.message_since_s is None:  # what is under way began with this reading
            self.message_since_s = now
        return self._take(self._fresh(events) if is_backlog else events, now)

    def end(self) -> PeerHungUp | BadPeer:
        """Take the end of the stream."""
        try:
            self._protocol.receive_eof()
        except RemoteProtocolError as error:
            return _protocol_error(error)
        return PeerHungUp()

    def _take(self, events: list[Event | BadPeer], now: float) -> list[Received]:
        received: list[Received] = []
        for event in events:
            if not isinstance(event, AudioReceived):
                if isinstance(event, CallIdentified):
                    self._started_s = now
                elif isinstance(event, UnknownMessage):
                    self.unknown_messages += 1
                received.append(event)
                continue
            audio, rate_hz = event.audio, event.rate_hz
            self.audio_messages += 1
            self._received_s += len(audio) / (BYTES_PER_SAMPLE * rate_hz)
            if self._is_ahead(now):
                return [*received, self._too_fast()]
            if self._codec_check is not None:
                is_disguised = self._codec_check.is_disguised(audio, rate_hz, now)
                if is_disguised:
                    return [*received, BadPeer(Ending.CODEC, ADVICE)]
                if is_disguised is False:
                    self._codec_check = None
            frames = self._inbound.frames(audio, rate_hz)
            if received and isinstance(received[-1], list):
                received[-1] += frames
            elif frames:
                received.append(frames)
        return received

    def _is_ahead(self, now: float) -> bool:
        return self._started_s is not None and self._received_s > now - self._started_s + HEAD_START_S

    def _too_fast(self) -> BadPeer:
        return BadPeer(Ending.TOO_FAST, f"audio came {HEAD_START_S:g} s ahead of time")

    def _decode(self, data: bytes, now: float) -> list[Event | BadPeer]:
        elapsed_s = 0.0 if self._started_s is None else now - self._started_s
        allowed = (elapsed_s + HEAD_START_S + ACCEPT_QUEUE_S) * MESSAGES_PER_S
        events: list[Event | BadPeer] = []
        try:
            for event in self._protocol.receive_data(data):
                events.append(event)
                self._messages += 1
                if self._messages > allowed:
                    reason = f"more than {MESSAGES_PER_S} messages a second came"
                    return [*events, BadPeer(Ending.TOO_FAST, reason)]
        except RemoteProtocolError as error:
            events.append(_protocol_error(error))
        return events

    def _fresh(self, events: list[Event | BadPeer]) -> list[Event | BadPeer]:
        """Return all of a backlog but old audio."""
        kept: list[Event | BadPeer] = []
        kept_s = 0.0
        for event in reversed(events):
            if isinstance(event, AudioReceived):
                duration_s = len(event.audio) / BYTES_PER_SAMPLE / event.rate_hz
                if kept_s + duration_s > STALE_S + ROUNDING_S:
                    self.discarded_s += duration_s
                    self._received_s += duration_s
                    continue
                kept_s += duration_s
            kept.append(event)
        return kept[::-1]


def _protocol_error(error: RemoteProtocolError) -> BadPeer:
    return BadPeer(Ending.PROTOCOL, f"protocol error: {error}")
