"""What comes from the peer: bytes in, 20 ms frames of 8 kHz audio and events out; no socket, no clock.

Asterisk sends one message per channel frame, 10 to 60 ms at the channel's rate. Nearly every reading finds
one or two messages of 20 ms at 8 kHz, and those take the short way.

Audio that is older than it looks is worse than none: of what piled up in the kernel while this process was
stopped, all but the newest half second is thrown away. And a peer is held to what a phone can do. One that
sends audio faster than time passes, more messages than any ptime makes, half a message, or a codec labelled
as linear audio is no caller we can serve: `BadPeerError` says why, and costs that connection alone.
"""

from __future__ import annotations

from actors.errors import RaymalError, RemoteProtocolError
from actors.telephone import BYTES_PER_SAMPLE, FRAME_BYTES, FRAME_S, TELEPHONE_RATE_HZ
from ingress.audiosocket import AudioReceived, AudioSocket, CallIdentified, Event, UnknownMessage
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
"""What may have come before the UUID was read: connections wait while a worker is being replaced."""
MESSAGES_PER_S = 200
"""More than any phone sends: 100 of audio at a ptime of 10 ms, and digits."""
DECODED_BYTES = 4_096
"""Decoded between two looks at what a peer may send, so that a flood of tiny messages ends early."""


class BadPeerError(RaymalError):
    """The peer is no caller we can serve; end the connection."""

    def __init__(self, ending: Ending, detail: str) -> None:
        super().__init__(detail)
        self.ending = ending


class Uplink:
    """The receiving half of one connection."""

    __slots__ = (
        "_codec_check",
        "_inbound",
        "_messages",
        "_received_s",
        "_socket",
        "_started_s",
        "audio_messages",
        "discarded_s",
        "message_since_s",
        "unknown_messages",
    )

    def __init__(self, protocol: AudioSocket) -> None:
        self._socket = protocol
        self._inbound = InboundAudio()
        self._codec_check: CodecCheck | None = CodecCheck()
        """None once nothing more is to be learnt."""
        self._started_s: float | None = None
        """When the call was identified."""
        self.message_since_s: float | None = None
        """When the message that is under way began; None between messages."""
        self._messages = 0
        """Those that did not take the short way."""
        self._received_s = -ACCEPT_QUEUE_S
        self.audio_messages = 0
        self.unknown_messages = 0
        """Messages that were skipped."""
        self.discarded_s = 0.0
        """Audio thrown away because it was old."""

    def frames(self, data: bytes, now: float) -> list[bytes] | None:
        """Return the frames of 320 bytes if `data` holds nothing else: the short way, nearly always.

        None if not, and nothing was taken: `receive` is for all that. Raises BadPeerError.
        """
        messages = self._socket.receive_audio(data) if self._codec_check is None else None
        if not messages or len(messages[0]) != FRAME_BYTES or not self._inbound.is_even:
            return None
        if len(data) > BACKLOG_BYTES:
            return None
        self.audio_messages += len(messages)
        self._received_s += len(messages) * FRAME_S
        self._check_pace(now)
        return messages

    def receive(self, data: bytes, now: float) -> list[bytes | Event]:
        """Return what `data`, read at `now`, holds, in order: frames of 320 bytes, and events but audio.

        Raises BadPeerError.
        """
        messages = self._socket.receive_audio(data) if len(data) <= BACKLOG_BYTES else None
        received: list[bytes | Event] = []
        if messages is not None:
            for audio in messages:
                self._take_audio(received, audio, TELEPHONE_RATE_HZ, now)
            return received
        events = self._decode(data, now)
        for event in events if len(data) <= BACKLOG_BYTES else self._fresh(events):
            if isinstance(event, AudioReceived):
                self._take_audio(received, event.audio, event.rate_hz, now)
                continue
            if isinstance(event, CallIdentified):
                self._started_s = now
            elif isinstance(event, UnknownMessage):
                self.unknown_messages += 1
            received.append(event)
        if self._socket.is_between_messages:
            self.message_since_s = None
        elif events or self.message_since_s is None:  # what is under way began with this reading
            self.message_since_s = now
        return received

    def end(self) -> None:
        """The peer has closed its side. Raises BadPeerError if that was in the middle of a message."""
        try:
            self._socket.receive_eof()
        except RemoteProtocolError as error:
            raise BadPeerError(Ending.PROTOCOL, f"protocol error: {error}") from None

    def _take_audio(self, received: list[bytes | Event], audio: bytes, rate_hz: int, now: float) -> None:
        self.audio_messages += 1
        self._received_s += len(audio) / (BYTES_PER_SAMPLE * rate_hz)
        self._check_pace(now)
        check = self._codec_check
        if check is not None:
            if check.is_disguised(len(audio), rate_hz, now):
                raise BadPeerError(Ending.CODEC, ADVICE)
            if check.is_decided:
                self._codec_check = None
        received += self._inbound.frames(audio, rate_hz)

    def _check_pace(self, now: float) -> None:
        if self._started_s is not None and self._received_s > now - self._started_s + HEAD_START_S:
            raise BadPeerError(Ending.TOO_FAST, f"audio came {HEAD_START_S:g} s ahead of time")

    def _decode(self, data: bytes, now: float) -> list[Event]:
        elapsed_s = 0.0 if self._started_s is None else now - self._started_s
        allowed = (elapsed_s + HEAD_START_S + ACCEPT_QUEUE_S) * MESSAGES_PER_S
        events: list[Event] = []
        try:
            for start in range(0, len(data), DECODED_BYTES):
                events += self._socket.receive_data(data[start : start + DECODED_BYTES])
                if self._messages + len(events) > allowed:
                    raise BadPeerError(Ending.TOO_FAST, f"more than {MESSAGES_PER_S} messages a second came")
        except RemoteProtocolError as error:
            raise BadPeerError(Ending.PROTOCOL, f"protocol error: {error}") from None
        self._messages += len(events)
        return events

    def _fresh(self, events: list[Event]) -> list[Event]:
        """Return what is worth taking of a backlog: everything but old audio."""
        kept: list[Event] = []
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
