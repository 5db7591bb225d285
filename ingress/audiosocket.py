"""The AudioSocket protocol: bytes in, events out; commands in, bytes out. No sockets, no clock.

A message is `kind: u8 | length: u16 big-endian | payload`. Asterisk connects, names the call with a
16-byte UUID, then sends audio and digits; the server may send audio and a hangup and nothing else:
any other kind makes Asterisk drop the call (`res/res_audiosocket.c:366-376`). The two directions
accept different things, so `AudioSocket` is told whose side we are on. `SERVER` is lenient where a
newer Asterisk may say more (unknown kinds are skipped and counted); `CALLER` is as strict as Asterisk.

A length field makes every message skippable, so the decoder needs only three numbers and one buffer:
it collects a header, judges it at once, then collects that one payload or counts down the bytes to
skip. It never holds more than one payload, whatever is sent and however TCP cuts it, and it reserves
nothing for bytes that were announced but have not come. A fault is judged from the header alone, so
it is found at the same byte however the stream is cut. Kinds: `include/asterisk/res_audiosocket.h:40-79`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, TypeAlias

from actors.errors import LocalProtocolError, RemoteProtocolError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

HEADER_BYTES: Final = 3
UUID_BYTES: Final = 16

KIND_HANGUP: Final = 0x00
KIND_UUID: Final = 0x01
KIND_DIGIT: Final = 0x03
KIND_SLIN8: Final = 0x10
KIND_ERROR: Final = 0xFF

SLIN_RATES_HZ: Final[Mapping[int, int]] = MappingProxyType(
    {
        KIND_SLIN8: 8_000,
        0x11: 12_000,
        0x12: 16_000,
        0x13: 24_000,
        0x14: 32_000,
        0x15: 44_100,
        0x16: 48_000,
        0x17: 96_000,
        0x18: 192_000,
    }
)
"""Sample rate of each audio kind."""

DIGITS: Final = frozenset("0123456789*#ABCD")

MAX_PAYLOAD_BYTES: Final = 0xFFFF
MAX_RECEIVED_MS: Final = 200
"""Longest audio message a server accepts. Asterisk sends one message per channel frame: 10 to 60 ms by
the phone's ptime, 120 ms at most in SDP practice. More than this is not a phone."""

MAX_SEGMENT_PAYLOAD_BYTES: Final = 1_445
"""Longest payload a server sends: with its header it fits one TCP segment of an Ethernet (1,448 bytes
beside the timestamp option). Asterisk drops a call whose payload arrives in two pieces more than 5 ms
apart (`res/res_audiosocket.c:387-405`)."""

SLIN8_FRAME_BYTES: Final = 320
SLIN8_FRAME_HEADER: Final = b"\x10\x01\x40"
"""Header of the usual message: 20 ms of 8 kHz audio."""
HANGUP_MESSAGE: Final = b"\x00\x00\x00"


class Role(Enum):
    """Whose side we are on."""

    SERVER = auto()
    """We accept calls; the peer is Asterisk."""
    CALLER = auto()
    """We play Asterisk; the peer is a server."""


@dataclass(frozen=True, slots=True)
class CallIdentified:
    """The peer named the call. Always a server's first event, and only once."""

    uuid: uuid.UUID


@dataclass(slots=True)
class AudioReceived:
    """One message of audio: mono int16 little-endian, at least one whole sample.

    Treat it as frozen, like the others. It is not declared so because it is made 50 times a second for
    each call, and a frozen dataclass takes 2.7 times as long to make.
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
    """The peer reported an error. Defined by Asterisk and not sent by any release; the stream goes on."""

    code: int | None
    """The payload's only byte; None when the payload is not one byte."""


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message was skipped: a kind we do not know, or a digit that is none."""

    kind: int
    length: int


Event: TypeAlias = CallIdentified | AudioReceived | DigitReceived | PeerHungUp | PeerFailed | UnknownMessage


class AudioSocket:
    """One side of one connection.

    Receiving: `receive_data` and `receive_eof` return events in order. A peer that breaks the protocol
    causes RemoteProtocolError and no other exception; anything else is our bug. Events decoded from the
    same bytes before the fault are lost with it, since the call ends. After a fault or a `PeerHungUp`
    whatever still arrives is ignored, so that a shell can drain the socket without asking first.

    Sending: `encode_*` return the bytes of one message, which belong in one `send()`. Misuse raises
    LocalProtocolError before such bytes exist.
    """

    __slots__ = (
        "_audio_may_begin",
        "_hangup_encoded",
        "_identified",
        "_is_server",
        "_kind",
        "_over",
        "_partial",
        "_skip_bytes",
        "_wanted_bytes",
        "odd_messages",
        "unknown_messages",
    )

    def __init__(self, role: Role) -> None:
        self._is_server = role is Role.SERVER
        # A server is told the UUID, a caller tells it: either way nothing else comes first.
        self._identified = False
        self._over = False
        self._hangup_encoded = False
        # Whether an audio message may begin with the next byte: all that the fast path needs to know.
        self._audio_may_begin = not self._is_server
        # Bytes of the header (_kind is None) or of the payload being collected; fewer than _wanted_bytes
        # whenever receive_data returns.
        self._partial = bytearray()
        self._wanted_bytes = HEADER_BYTES
        self._kind: int | None = None
        self._skip_bytes = 0
        self.unknown_messages = 0
        """Messages skipped so far, one for each `UnknownMessage`."""
        self.odd_messages = 0
        """Audio messages with half a sample at their end so far; that byte is dropped, as Asterisk does."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes held of an unfinished message: less than one header or one payload."""
        return len(self._partial)

    @property
    def is_between_messages(self) -> bool:
        """Whether no message is under way: the next byte begins one."""
        return not self._partial and self._kind is None and not self._skip_bytes

    # ---- receiving ---------------------------------------------------------------------------------

    def receive_audio(self, data: bytes) -> list[bytes] | None:
        """Return the audio of each message if `data` is whole 8 kHz messages of one size and nothing else.

        Otherwise None, and nothing was taken: `receive_data` is for all that. This is the hot path of
        receiving; nearly every read finds one or two messages of 20 ms.
        """
        if not self._audio_may_begin:
            return None
        size = len(data)
        header = data[:HEADER_BYTES]
        if header == _SLIN8_HEADERS.get(size):
            return [data[HEADER_BYTES:]]
        message_bytes = _SLIN8_MESSAGE_BYTES.get(header)
        if message_bytes is None or size % message_bytes:
            return None
        starts = range(0, size, message_bytes)
        for start in starts:
            if data[start : start + HEADER_BYTES] != header:
                return None
        return [data[start + HEADER_BYTES : start + message_bytes] for start in starts]

    def receive_data(self, data: bytes | memoryview) -> list[Event]:
        """Return the events that `data`, the next bytes of the stream, completes.

        Raises RemoteProtocolError when the peer broke the protocol: close the connection.
        """
        events = self._receive_any(memoryview(data))
        self._audio_may_begin = (
            self.is_between_messages and not self._over and (self._identified or not self._is_server)
        )
        return events

    def receive_eof(self) -> list[Event]:
        """Return `PeerHungUp`, unless the call was over before.

        Raises RemoteProtocolError when the stream ended inside a message.
        """
        if self._over:
            return []
        self._over, self._audio_may_begin = True, False
        if not self.is_between_messages:
            raise RemoteProtocolError("the peer closed the connection in the middle of a message")
        return [PeerHungUp()]

    def _receive_any(self, data: memoryview) -> list[Event]:
        """Decode any bytes at all, in any pieces."""
        events: list[Event] = []
        while data and not self._over:
            if self._skip_bytes:
                skipped_bytes = min(self._skip_bytes, len(data))
                self._skip_bytes -= skipped_bytes
                data = data[skipped_bytes:]
                continue
            missing_bytes = self._wanted_bytes - len(self._partial)
            self._partial += data[:missing_bytes]
            data = data[missing_bytes:]
            if len(self._partial) < self._wanted_bytes:
                break
            collected = bytes(self._partial)
            self._partial.clear()
            event = self._header(collected) if self._kind is None else self._payload(self._kind, collected)
            if event is not None:
                events.append(event)
        return events

    def _header(self, header: bytes) -> Event | None:
        """Judge a header: want its payload, or skip it and say why, or fail."""
        kind, length = header[0], int.from_bytes(header[1:], "big")
        if self._is_server and not self._identified:
            if (kind, length) != (KIND_UUID, UUID_BYTES):
                raise self._fault(_wrong_first_message(header))
            self._kind, self._wanted_bytes = kind, length
            return None
        if kind in SLIN_RATES_HZ:
            self._check_audio_length(kind, length)
            self._kind, self._wanted_bytes = kind, length
            return None
        if kind == KIND_HANGUP:
            # Asterisk ignores the length and reads no further (res_audiosocket.c:330-336).
            self._over = True
            return PeerHungUp()
        if not self._is_server:
            raise self._fault(f"the server sent kind 0x{kind:02x}; Asterisk takes audio and hangup only")
        if kind == KIND_UUID:
            raise self._fault("a second UUID in one call")
        if kind in (KIND_DIGIT, KIND_ERROR) and length == 1:
            self._kind, self._wanted_bytes = kind, length
            return None
        self._skip_bytes = length
        return PeerFailed(None) if kind == KIND_ERROR else self._unknown(kind, length)

    def _check_audio_length(self, kind: int, length: int) -> None:
        limit_bytes = _RECEIVED_LIMITS_BYTES[kind] if self._is_server else MAX_PAYLOAD_BYTES
        if length < BYTES_PER_SAMPLE:
            raise self._fault(f"an audio message (kind 0x{kind:02x}) without a sample: {length} bytes")
        if length > limit_bytes:
            raise self._fault(
                f"an audio message (kind 0x{kind:02x}) of {length} bytes; at most {limit_bytes} "
                f"({MAX_RECEIVED_MS} ms) are taken"
            )

    def _payload(self, kind: int, payload: bytes) -> Event:
        """Return the event of a whole message."""
        self._kind, self._wanted_bytes = None, HEADER_BYTES
        if kind in SLIN_RATES_HZ:
            if len(payload) % BYTES_PER_SAMPLE:
                # Asterisk counts samples = length / 2 (res_audiosocket.c:421).
                self.odd_messages += 1
                payload = payload[:-1]
            return AudioReceived(payload, SLIN_RATES_HZ[kind])
        if kind == KIND_UUID:
            self._identified = True
            return CallIdentified(uuid.UUID(bytes=payload))
        if kind == KIND_ERROR:
            return PeerFailed(payload[0])
        digit = chr(payload[0])
        return DigitReceived(digit) if digit in DIGITS else self._unknown(kind, len(payload))

    def _unknown(self, kind: int, length: int) -> UnknownMessage:
        self.unknown_messages += 1
        return UnknownMessage(kind, length)

    def _fault(self, message: str) -> RemoteProtocolError:
        self._over, self._audio_may_begin = True, False
        return RemoteProtocolError(message)

    # ---- sending -----------------------------------------------------------------------------------

    def encode_uuid(self, call_id: uuid.UUID) -> bytes:
        """Return the message that names the call; a caller's first. Raises LocalProtocolError."""
        self._only_a_caller("names the call")
        if self._identified:
            raise LocalProtocolError("this call has its UUID already")
        self._identified = True
        return bytes((KIND_UUID, 0, UUID_BYTES)) + call_id.bytes

    def encode_digit(self, digit: str) -> bytes:
        """Return the message of one key press. Raises LocalProtocolError."""
        self._only_a_caller("presses keys")
        self._still_open()
        if digit not in DIGITS:
            raise LocalProtocolError("a digit is one of 0-9, *, #, A-D")
        return bytes((KIND_DIGIT, 0, 1, ord(digit)))

    def encode_audio(self, audio: bytes, rate_hz: int = TELEPHONE_RATE_HZ) -> bytes:
        """Return one message of `audio` (mono int16 little-endian). Raises LocalProtocolError.

        A server's message must fit one TCP segment (`MAX_SEGMENT_PAYLOAD_BYTES`), a caller's what a
        server accepts (`MAX_RECEIVED_MS`).
        """
        self._still_open()
        kind = _KINDS.get(rate_hz)
        if kind is None:
            raise LocalProtocolError(f"AudioSocket has no audio kind for {rate_hz} Hz")
        return _audio_message(
            kind, audio, MAX_SEGMENT_PAYLOAD_BYTES if self._is_server else _RECEIVED_LIMITS_BYTES[kind]
        )

    def encode_hangup(self) -> bytes:
        """Return the message that ends the call; encoding it again is allowed. Nothing else may follow.

        Asterisk itself only ever closes the connection; a caller may send this.
        """
        self._hangup_encoded = True
        return HANGUP_MESSAGE

    def _only_a_caller(self, what: str) -> None:
        if self._is_server:
            raise LocalProtocolError(f"only a caller {what}; Asterisk would drop the call")

    def _still_open(self) -> None:
        if self._hangup_encoded:
            raise LocalProtocolError("nothing follows a hangup")
        if not self._is_server and not self._identified:
            raise LocalProtocolError("a caller's first message is its UUID")


def audio_message(audio: bytes) -> bytes:
    """Return one message of 8 kHz audio, as a server sends it: the hot path of the playout clock.

    The same bytes as `AudioSocket(Role.SERVER).encode_audio(audio)`, without a call's state.
    Raises LocalProtocolError when `audio` is empty, odd or longer than a TCP segment.
    """
    if len(audio) == SLIN8_FRAME_BYTES:
        return SLIN8_FRAME_HEADER + audio
    return _audio_message(KIND_SLIN8, audio, MAX_SEGMENT_PAYLOAD_BYTES)


def _audio_message(kind: int, audio: bytes, limit_bytes: int) -> bytes:
    length = len(audio)
    if not 0 < length <= limit_bytes or length % BYTES_PER_SAMPLE:
        raise LocalProtocolError(
            f"{length} bytes of audio do not make a message: whole samples, 1 to {limit_bytes} bytes"
        )
    return bytes((kind, length >> 8, length & 0xFF)) + audio


def _received_limit_bytes(rate_hz: int) -> int:
    return min(MAX_PAYLOAD_BYTES, rate_hz * MAX_RECEIVED_MS // 1000 * BYTES_PER_SAMPLE)


_KINDS: Final = {rate_hz: kind for kind, rate_hz in SLIN_RATES_HZ.items()}
_RECEIVED_LIMITS_BYTES: Final = {kind: _received_limit_bytes(rate) for kind, rate in SLIN_RATES_HZ.items()}
# The header of every 8 kHz message of whole samples, by the message's size: a lookup and one comparison
# tell that some bytes are such a message and nothing more.
_SLIN8_HEADERS: Final = {
    HEADER_BYTES + length: bytes((KIND_SLIN8, length >> 8, length & 0xFF))
    for length in range(BYTES_PER_SAMPLE, _RECEIVED_LIMITS_BYTES[KIND_SLIN8] + 1, BYTES_PER_SAMPLE)
}
_SLIN8_MESSAGE_BYTES: Final = {header: size for size, header in _SLIN8_HEADERS.items()}

# What else dials a port, by its first three bytes. OPTIONS is both HTTP's and SIP's.
_STRANGERS: Final = (
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
    for stranger, beginnings in _STRANGERS:
        if header in beginnings:
            return f"the first bytes are not AudioSocket; they look like {stranger}"
    kind, length = header[0], int.from_bytes(header[1:], "big")
    return (
        f"the first message must be the call's UUID (kind 0x01, {UUID_BYTES} bytes), "
        f"not kind 0x{kind:02x} with {length} bytes"
    )
