"""The AudioSocket protocol: bytes in, events out; commands in, bytes out. No sockets, no clock.

A message is `kind: u8 | length: u16 big-endian | payload`. Asterisk connects, names the call with a 16-byte
UUID, then sends audio and digits; the server may send audio and a hangup and nothing else: any other kind
makes Asterisk drop the call (`res/res_audiosocket.c:366-376`). What each side accepts:

| kind | payload | as SERVER | as CALLER |
|---|---|---|---|
| 0x00 hangup | ignored | `PeerHungUp` | `PeerHungUp` |
| 0x01 UUID | 16 bytes | `CallIdentified`, first and once; else a fault | fault |
| 0x03 digit | 1 byte | `DigitReceived`; other lengths and bytes are skipped: `UnknownMessage` | fault |
| 0x10-0x18 audio | int16 samples | `AudioReceived`, up to 200 ms; else a fault | `AudioReceived` |
| 0xff error | 1 byte | `PeerFailed`; other lengths are skipped: `PeerFailed(None)` | fault |
| others | any | skipped: `UnknownMessage` | fault |

`SERVER` is lenient where a newer Asterisk may say more; `CALLER` is as strict as Asterisk. Kinds:
`include/asterisk/res_audiosocket.h:40-79`.

A fault is judged from the header alone. The decoder never holds more than one payload, reserves nothing for
one that is announced, and finds the same events and the same fault however TCP cuts the stream.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from actors.errors import RaymalError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

HEADER_BYTES: Final = 3
UUID_BYTES: Final = 16

KIND_HANGUP: Final = 0x00
KIND_UUID: Final = 0x01
KIND_DIGIT: Final = 0x03
KIND_SLIN8: Final = 0x10
KIND_ERROR: Final = 0xFF

SLIN_RATES_HZ: Final = dict(
    enumerate((8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000), start=KIND_SLIN8)
)
"""Sample rate of each audio kind, 0x10 to 0x18."""

DIGITS: Final = frozenset("0123456789*#ABCD")

MAX_PAYLOAD_BYTES: Final = 0xFFFF
MAX_RECEIVED_MS: Final = 200
"""Longest audio message a server accepts. Asterisk sends one per channel frame: 10 to 60 ms by the phone's
ptime, 120 ms at most in SDP practice."""
MAX_SEGMENT_PAYLOAD_BYTES: Final = 1_445
"""Longest payload a server sends: with its header it fits one TCP segment of an Ethernet (1,448 bytes
beside the timestamp option). Asterisk drops a call whose payload arrives in two pieces more than 5 ms
apart (`res/res_audiosocket.c:387-405`)."""

SLIN8_FRAME_BYTES: Final = 320
SLIN8_FRAME_HEADER: Final = b"\x10\x01\x40"
"""Header of the usual message: 20 ms of 8 kHz audio."""
HANGUP_MESSAGE: Final = b"\x00\x00\x00"


class RemoteProtocolError(RaymalError):
    """The peer sent something the protocol forbids. Only its own call ends."""


class LocalProtocolError(RaymalError):
    """We misused the protocol class: a defect of ours."""


class Role(Enum):
    """Whose side we are on."""

    SERVER = auto()
    CALLER = auto()
    """Asterisk's."""


@dataclass(frozen=True, slots=True)
class CallIdentified:
    """The peer named the call: a server's first event, and only once."""

    uuid: uuid.UUID


@dataclass(slots=True)
class AudioReceived:
    """One message of audio: mono int16 little-endian, at least one whole sample.

    Not declared frozen, because a frozen dataclass takes 2.7 times as long to make.
    """

    audio: bytes
    rate_hz: int


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """The caller pressed a key: one of `0`-`9`, `*`, `#`, `A`-`D`."""

    digit: str


@dataclass(frozen=True, slots=True)
class PeerHungUp:
    """The peer ended the call, by a hangup message or by closing between two messages."""


@dataclass(frozen=True, slots=True)
class PeerFailed:
    """The peer reported an error, which no release of Asterisk does; the stream goes on."""

    code: int | None
    """None when the payload is not one byte."""


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message was skipped: a kind we do not know, or a digit that is none."""

    kind: int
    length: int


Event: TypeAlias = CallIdentified | AudioReceived | DigitReceived | PeerHungUp | PeerFailed | UnknownMessage


class State(Enum):
    """Of one direction of a connection."""

    UNNAMED = auto()
    """The call's UUID comes first: what a caller sends begins here."""
    OPEN = auto()
    OVER = auto()
    """After a hangup or a fault."""


class AudioSocket:
    """One side of one connection.

    `receive_data` yields events in order and raises RemoteProtocolError where the peer breaks the protocol.
    After a fault or a `PeerHungUp` the rest is ignored, so that the socket can be drained. `encode_*` return
    the bytes of one message, which belong in one `send()`; misuse raises LocalProtocolError.
    """

    def __init__(self, role: Role) -> None:
        self._is_server = role is Role.SERVER
        self._receiving = State.UNNAMED if self._is_server else State.OPEN
        self._sending = State.OPEN if self._is_server else State.UNNAMED
        self._rules = _FIRST_RULES if self._is_server else _CALLER_RULES
        self._rule: _Rule | None = None
        """Of the payload that is being collected; None: a header is."""
        self._partial = bytearray()
        """What is there of it."""
        self._wanted_bytes = HEADER_BYTES
        self._skip_bytes = 0
        self._audio_may_begin = not self._is_server
        """Whether the next byte may begin an audio message."""

    @property
    def is_between_messages(self) -> bool:
        """Whether the next byte begins a message."""
        return not self._partial and self._rule is None and not self._skip_bytes

    def receive_audio(self, data: bytes) -> list[bytes] | None:
        """Return the audio of each message if `data` is whole 8 kHz messages of one size and nothing else.

        Otherwise None, and nothing was taken. Nearly every read finds one or two messages of 20 ms.
        """
        if not self._audio_may_begin:
            return None
        size = len(data)
        header = data[:HEADER_BYTES]
        message_bytes = _SLIN8_MESSAGE_BYTES.get(header)
        if message_bytes == size:
            return [data[HEADER_BYTES:]]
        if message_bytes is None or size % message_bytes:
            return None
        starts = range(0, size, message_bytes)
        if any(data[start : start + HEADER_BYTES] != header for start in starts):
            return None
        return [data[start + HEADER_BYTES : start + message_bytes] for start in starts]

    def receive_data(self, data: bytes | memoryview) -> Iterator[Event]:
        """Yield the events that `data`, the stream's next bytes, completes. Raises RemoteProtocolError."""
        rest = memoryview(data)
        self._audio_may_begin = False
        while rest and self._receiving is not State.OVER:
            if self._skip_bytes:
                skipped_bytes = min(self._skip_bytes, len(rest))
                self._skip_bytes -= skipped_bytes
                rest = rest[skipped_bytes:]
                continue
            missing_bytes = self._wanted_bytes - len(self._partial)
            self._partial += rest[:missing_bytes]
            rest = rest[missing_bytes:]
            if len(self._partial) < self._wanted_bytes:
                break
            collected = bytes(self._partial)
            self._partial.clear()
            event = self._header(collected) if self._rule is None else self._payload(self._rule, collected)
            if event is not None:
                yield event
        self._audio_may_begin = self._receiving is State.OPEN and self.is_between_messages

    def receive_eof(self) -> list[Event]:
        """Return `PeerHungUp`, unless the call was over. Raises RemoteProtocolError within a message."""
        if self._receiving is State.OVER:
            return []
        if not self.is_between_messages:
            raise self._fault("the peer closed the connection in the middle of a message")
        return [self._hangup()]

    def _header(self, header: bytes) -> Event | None:
        """Judge a header: its payload is collected, or skipped. Raises RemoteProtocolError."""
        kind, length = header[0], int.from_bytes(header[1:], "big")
        rule = self._rules.get(kind)
        if rule is not None and rule.least_bytes <= length <= rule.most_bytes:
            self._rule, self._wanted_bytes = rule, length
            return None
        if self._receiving is State.UNNAMED:
            raise self._fault(_wrong_first_message(header))
        if kind == KIND_HANGUP:
            # Asterisk ignores the length and reads no further (res_audiosocket.c:330-336).
            return self._hangup()
        if kind in SLIN_RATES_HZ and rule is not None:
            raise self._fault(
                f"an audio message (kind 0x{kind:02x}) of {length} bytes; "
                f"{rule.least_bytes} to {rule.most_bytes} are taken"
            )
        if not self._is_server:
            raise self._fault(f"the server sent kind 0x{kind:02x}; Asterisk takes audio and hangup only")
        if kind == KIND_UUID:
            raise self._fault("a second UUID in one call")
        self._skip_bytes = length
        return PeerFailed(None) if kind == KIND_ERROR else UnknownMessage(kind, length)

    def _payload(self, rule: _Rule, payload: bytes) -> Event:
        self._rule, self._wanted_bytes = None, HEADER_BYTES
        if self._receiving is State.UNNAMED:
            self._receiving, self._rules = State.OPEN, _SERVER_RULES
        return rule.event(payload)

    def _hangup(self) -> PeerHungUp:
        self._receiving, self._audio_may_begin = State.OVER, False
        return PeerHungUp()

    def _fault(self, message: str) -> RemoteProtocolError:
        self._receiving, self._audio_may_begin = State.OVER, False
        return RemoteProtocolError(message)

    def encode_uuid(self, call_id: uuid.UUID) -> bytes:
        """Return the message that names the call; a caller's first. Raises LocalProtocolError."""
        if self._sending is not State.UNNAMED:
            raise LocalProtocolError("a UUID is a caller's first message, and only that")
        self._sending = State.OPEN
        return bytes((KIND_UUID, 0, UUID_BYTES)) + call_id.bytes

    def encode_digit(self, digit: str) -> bytes:
        """Return the message of one key press. Raises LocalProtocolError."""
        if self._is_server:
            raise LocalProtocolError("only a caller presses keys; Asterisk would drop the call")
        if self._sending is not State.OPEN:
            raise self._not_open()
        if digit not in DIGITS:
            raise LocalProtocolError("a digit is one of 0-9, *, #, A-D")
        return bytes((KIND_DIGIT, 0, 1, ord(digit)))

    def encode_audio(self, audio: bytes, rate_hz: int = TELEPHONE_RATE_HZ) -> bytes:
        """Return one message of `audio` (mono int16 little-endian). Raises LocalProtocolError.

        A server's message must fit one TCP segment (`MAX_SEGMENT_PAYLOAD_BYTES`), a caller's what a
        server accepts (`MAX_RECEIVED_MS`).
        """
        if self._sending is not _OPEN:
            raise self._not_open()
        length = len(audio)
        if length == SLIN8_FRAME_BYTES and rate_hz == TELEPHONE_RATE_HZ:  # nearly always
            return SLIN8_FRAME_HEADER + audio
        kind = _KINDS.get(rate_hz)
        if kind is None:
            raise LocalProtocolError(f"AudioSocket has no audio kind for {rate_hz} Hz")
        limit_bytes = MAX_SEGMENT_PAYLOAD_BYTES if self._is_server else _RECEIVED_LIMITS_BYTES[kind]
        if not 0 < length <= limit_bytes or length % BYTES_PER_SAMPLE:
            raise LocalProtocolError(
                f"{length} bytes of audio do not make a message: whole samples, 1 to {limit_bytes} bytes"
            )
        return bytes((kind, length >> 8, length & 0xFF)) + audio

    def encode_hangup(self) -> bytes:
        """Return the message that ends the call, once or again; nothing else may follow."""
        self._sending = State.OVER
        return HANGUP_MESSAGE

    def _not_open(self) -> LocalProtocolError:
        if self._sending is State.UNNAMED:
            return LocalProtocolError("a caller's first message is its UUID")
        return LocalProtocolError("nothing follows a hangup")


_OPEN: Final = State.OPEN
"""A member of an Enum class is slow to look up."""


class _Rule(NamedTuple):
    """How long a kind's payload may be, and what a whole one is."""

    least_bytes: int
    most_bytes: int
    event: Callable[[bytes], Event]


def _audio_of(rate_hz: int) -> Callable[[bytes], Event]:
    def event(payload: bytes) -> Event:
        # Half a sample at the end is dropped, as in Asterisk: samples = length / 2 (res_audiosocket.c:421).
        return AudioReceived(payload[:-1] if len(payload) % BYTES_PER_SAMPLE else payload, rate_hz)

    return event


def _digit(payload: bytes) -> Event:
    digit = chr(payload[0])
    return DigitReceived(digit) if digit in DIGITS else UnknownMessage(KIND_DIGIT, len(payload))


_KINDS: Final = {rate_hz: kind for kind, rate_hz in SLIN_RATES_HZ.items()}
_RECEIVED_LIMITS_BYTES: Final = {
    kind: min(MAX_PAYLOAD_BYTES, rate_hz * MAX_RECEIVED_MS // 1000 * BYTES_PER_SAMPLE)
    for kind, rate_hz in SLIN_RATES_HZ.items()
}
_FIRST_RULES: Final = {
    KIND_UUID: _Rule(UUID_BYTES, UUID_BYTES, lambda payload: CallIdentified(uuid.UUID(bytes=payload)))
}
_SERVER_RULES: Final = {
    KIND_DIGIT: _Rule(1, 1, _digit),
    KIND_ERROR: _Rule(1, 1, lambda payload: PeerFailed(payload[0])),
    **{
        kind: _Rule(BYTES_PER_SAMPLE, _RECEIVED_LIMITS_BYTES[kind], _audio_of(rate_hz))
        for kind, rate_hz in SLIN_RATES_HZ.items()
    },
}
_CALLER_RULES: Final = {
    kind: _Rule(BYTES_PER_SAMPLE, MAX_PAYLOAD_BYTES, _audio_of(rate_hz))
    for kind, rate_hz in SLIN_RATES_HZ.items()
}

_SLIN8_MESSAGE_BYTES: Final = {
    bytes((KIND_SLIN8, length >> 8, length & 0xFF)): HEADER_BYTES + length
    for length in range(BYTES_PER_SAMPLE, _RECEIVED_LIMITS_BYTES[KIND_SLIN8] + 1, BYTES_PER_SAMPLE)
}
"""The size of every 8 kHz message of whole samples, by its header."""

# What else connects to a port, by its first three bytes. OPTIONS is both HTTP's and SIP's.
_OTHER_PROTOCOLS: Final = (
    ("an HTTP request: is a browser or a health check pointed at the AudioSocket port?",
     (b"GET", b"HEA", b"POS", b"PUT", b"DEL", b"PAT", b"CON", b"TRA", b"PRI")),
    ("an OPTIONS request of HTTP or SIP: is a health check or a SIP qualify pointed at the AudioSocket port?",
     (b"OPT",)),
    ("SIP: is a trunk or a phone pointed at the AudioSocket port?",
     (b"SIP", b"INV", b"REG", b"ACK", b"BYE", b"CAN", b"SUB", b"NOT", b"MES", b"INF", b"REF")),
    ("a TLS handshake: AudioSocket is plain TCP",
     (b"\x16\x03\x00", b"\x16\x03\x01", b"\x16\x03\x02", b"\x16\x03\x03")),
    ("SSH: is a scanner at the AudioSocket port?", (b"SSH",)),
)  # fmt: skip


def _wrong_first_message(header: bytes) -> str:
    """Say what is wrong with a connection's first three bytes, without showing them."""
    for protocol, beginnings in _OTHER_PROTOCOLS:
        if header in beginnings:
            return f"the first bytes are not AudioSocket; they look like {protocol}"
    kind, length = header[0], int.from_bytes(header[1:], "big")
    return (
        f"the first message must be the call's UUID (kind 0x01, {UUID_BYTES} bytes), "
        f"not kind 0x{kind:02x} with {length} bytes"
    )
