"""The decoder against an oracle: 100,000 streams, good, bad and cut at any byte.

The oracle reads a whole stream at once, with a few lines per rule of the protocol, and says which events it
holds, whether it is a fault, and whether it ends inside a message. The decoder gets the same bytes in
pieces and must come to the same end. Streams are made from a seed.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field

import pytest

from ingress.audiosocket import (
    DIGITS,
    MAX_PAYLOAD_BYTES,
    MAX_RECEIVED_MS,
    SLIN_RATES_HZ,
    AudioReceived,
    AudioSocket,
    CallIdentified,
    DigitReceived,
    Event,
    PeerFailed,
    PeerHungUp,
    RemoteProtocolError,
    Role,
    UnknownMessage,
)

BATCHES = 10
CASES = 10_000
"""Per batch."""


@dataclass
class Outcome:
    """What a stream comes to."""

    events: list[Event] = field(default_factory=list)
    is_fault: bool = False
    ends_inside: bool = False
    """Whether the end of the stream would cut a message."""


def oracle(stream: bytes, role: Role) -> Outcome:
    """Read a whole stream."""
    outcome = Outcome()
    is_server = role is Role.SERVER
    is_named = not is_server
    place = 0
    while place < len(stream):
        if len(stream) - place < 3:
            outcome.ends_inside = True
            break
        kind, length = stream[place], stream[place + 1] << 8 | stream[place + 2]
        payload = stream[place + 3 : place + 3 + length]
        is_whole = len(payload) == length
        place += 3 + length
        if not is_named:
            if (kind, length) != (0x01, 16):
                outcome.is_fault = True
                break
            if is_whole:
                is_named = True
                outcome.events.append(CallIdentified(uuid.UUID(bytes=payload)))
        elif kind in SLIN_RATES_HZ:
            rate_hz = SLIN_RATES_HZ[kind]
            limit = min(MAX_PAYLOAD_BYTES, rate_hz * MAX_RECEIVED_MS // 1000 * 2) if is_server else 65_535
            if not 2 <= length <= limit:
                outcome.is_fault = True
                break
            if is_whole:
                outcome.events.append(AudioReceived(payload[: length - length % 2], rate_hz))
        elif kind == 0x00:
            outcome.events.append(PeerHungUp())
            return outcome
        elif not is_server or kind == 0x01:
            outcome.is_fault = True
            break
        elif kind == 0x03 and length == 1:
            if is_whole and chr(payload[0]) in DIGITS:
                outcome.events.append(DigitReceived(chr(payload[0])))
            elif is_whole:
                outcome.events.append(UnknownMessage(kind, length))
        elif kind == 0xFF and length == 1:
            if is_whole:
                outcome.events.append(PeerFailed(payload[0]))
        elif kind == 0xFF:
            outcome.events.append(PeerFailed(None))
        else:
            outcome.events.append(UnknownMessage(kind, length))
        if not is_whole:
            outcome.ends_inside = True
    return outcome


# ---- streams --------------------------------------------------------------------------------------------


def header(kind: int, length: int) -> bytes:
    """Return a header."""
    return bytes((kind, length >> 8, length & 0xFF))


def some_message(dice: random.Random) -> bytes:
    """Return a message that is mostly good."""
    luck = dice.random()
    if luck < 0.35:
        return b"\x10\x01\x40" + dice.randbytes(320)
    if luck < 0.55:
        size = dice.choice((2, 3, 160, 161, 320, 480, 640, 1_920, dice.randint(0, 700)))
        return header(dice.choice(tuple(SLIN_RATES_HZ)), size) + dice.randbytes(size)
    if luck < 0.7:
        return b"\x03\x00\x01" + dice.choice((b"1", b"#", b"D", b"x", b"\x00"))
    if luck < 0.75:
        return b"\xff\x00\x01\x04"
    if luck < 0.95:
        size = dice.choice((0, 1, 2, 16, dice.randint(0, 90)))
        return header(dice.randint(2, 255), size) + dice.randbytes(size)
    if luck < 0.97:
        return b"\x00\x00\x00"
    # A length that is a lie, or the edge of what is taken.
    return header(dice.choice((0x10, 0x11, 0x18, 0x55)), dice.choice((0, 1, 3_200, 3_201, 65_535)))


def some_stream(dice: random.Random) -> bytes:
    """Return a stream: messages, perhaps with damage, perhaps garbage from the first byte."""
    if dice.random() < 0.1:
        return dice.randbytes(dice.randint(0, 60))
    stream = b"".join(some_message(dice) for _ in range(dice.randint(0, 5)))
    if dice.random() < 0.3:  # several of one size in one reading have a fast way of their own
        size = dice.choice((1, 2, 160, 320, 321, 480))
        stream += b"".join(header(0x10, size) + dice.randbytes(size) for _ in range(dice.randint(2, 4)))
    if dice.random() < 0.9:
        stream = b"\x01\x00\x10" + dice.randbytes(16) + stream
    if stream and dice.random() < 0.25:
        damaged = bytearray(stream)
        for _ in range(dice.randint(1, 3)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        stream = bytes(damaged)
    if dice.random() < 0.25:
        stream = stream[: dice.randint(0, len(stream))]
    return stream


def some_pieces(dice: random.Random, stream: bytes) -> list[bytes]:
    """Cut a stream: not at all, anywhere, near the beginnings of messages, or into single bytes."""
    luck = dice.random()
    if luck < 0.1:
        return [stream]
    if luck < 0.2 and len(stream) < 100:
        return [stream[index : index + 1] for index in range(len(stream))]
    if luck < 0.4:
        size = (
            dice.choice((1, 2, 3, 19, 163, 323, 326)) if len(stream) < 400 else dice.choice((100, 323, 646))
        )
        return [stream[start : start + size] for start in range(0, len(stream), size)]
    places = sorted(dice.randint(0, len(stream)) for _ in range(dice.randint(1, 6)))
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


# ---- the comparison -------------------------------------------------------------------------------------


def complaint(pieces: list[bytes], role: Role) -> str | None:
    """Return how the decoder differs from the oracle, or None."""
    stream = b"".join(pieces)
    expected = oracle(stream, role)
    side = AudioSocket(role)
    events: list[Event] = []
    is_fault = False
    for piece in pieces:
        try:
            messages = side.receive_audio(piece)  # as the media worker reads: the fast way first
            if messages is not None:
                events += [AudioReceived(audio, 8_000) for audio in messages]
                continue
            for event in side.receive_data(piece):
                events.append(event)
        except RemoteProtocolError:
            is_fault = True
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        held_bytes = len(side._partial)
        if held_bytes > min(MAX_PAYLOAD_BYTES, len(stream)):
            return f"{held_bytes} bytes are held"
    if is_fault != expected.is_fault:
        return f"fault: {is_fault}, expected {expected.is_fault}"
    if events != expected.events:
        return f"events {events}, expected {expected.events}"
    try:
        end = side.receive_eof()
    except RemoteProtocolError:
        if not expected.ends_inside or is_fault:
            return "the end of the stream is taken for a cut message"
    else:
        is_over = is_fault or PeerHungUp() in expected.events
        if expected.ends_inside and not is_over:
            return "a cut message is taken for the end of the stream"
        if end != ([] if is_over else [PeerHungUp()]):
            return f"at the end of the stream: {end}"
    return None


@pytest.mark.parametrize("seed", range(BATCHES))
def test_any_stream_in_any_pieces_is_read_as_the_oracle_reads_it(seed: int) -> None:
    """The same events, the same fault, for any cuts; no other exception; at most one payload held."""
    dice = random.Random(seed)
    for _ in range(CASES):
        role = Role.SERVER if dice.random() < 0.8 else Role.CALLER
        pieces = some_pieces(dice, some_stream(dice))
        found = complaint(pieces, role)
        assert found is None, f"{role.name}, pieces {[piece.hex() for piece in pieces]}: {found}"


def test_the_fuzz_reaches_every_kind_of_event_and_fault() -> None:
    """The streams are not all garbage, nor all good: a fuzz that finds nothing must have looked."""
    dice = random.Random(99)
    seen: dict[str, int] = {}
    for _ in range(2_000):
        outcome = oracle(some_stream(dice), Role.SERVER)
        names = {type(event).__name__ for event in outcome.events}
        names |= {name for name in ("is_fault", "ends_inside") if getattr(outcome, name)}
        for name in names:
            seen[name] = seen.get(name, 0) + 1
    assert len(seen) == 8, seen
    assert min(seen.values()) >= 50, seen
