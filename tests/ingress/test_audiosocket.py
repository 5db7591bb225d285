"""The protocol alone, beside what `test_decoder_fuzz` shows of any stream: limits, hints, memory, sending."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.audiosocket import (
    DIGITS,
    HANGUP_MESSAGE,
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_SEGMENT_PAYLOAD_BYTES,
    SLIN_RATES_HZ,
    AudioReceived,
    AudioSocket,
    CallIdentified,
    DigitReceived,
    Event,
    LocalProtocolError,
    PeerHungUp,
    RemoteProtocolError,
    Role,
    UnknownMessage,
)

CALL_ID = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
IDENTITY = b"\x01\x00\x10" + CALL_ID.bytes
FRAME = bytes(range(256)) + bytes(64)


def message(kind: int, payload: bytes) -> bytes:
    return bytes((kind,)) + len(payload).to_bytes(2, "big") + payload


def header(kind: int, length: int) -> bytes:
    return bytes((kind,)) + length.to_bytes(2, "big")


def read(side: AudioSocket, data: bytes | memoryview) -> list[Event]:
    """Return all events of some bytes."""
    return list(side.receive_data(data))


def held_bytes(side: AudioSocket) -> int:
    """Return how much is held of an unfinished message."""
    return len(side._partial)


def server() -> AudioSocket:
    """Return a server's side that has received the call's UUID."""
    side = AudioSocket(Role.SERVER)
    assert read(side, IDENTITY) == [CallIdentified(CALL_ID)]
    return side


def caller() -> AudioSocket:
    """Return a caller's side that has sent the call's UUID."""
    side = AudioSocket(Role.CALLER)
    side.encode_uuid(CALL_ID)
    return side


# ---- a server reads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "rate_hz"), SLIN_RATES_HZ.items())
def test_every_audio_kind_is_accepted_up_to_200_ms(kind: int, rate_hz: int) -> None:
    """Each kind carries its rate, and its limit is 200 ms or what the length field can say."""
    limit_bytes = min(rate_hz // 5 * 2, MAX_PAYLOAD_BYTES)
    whole = bytes(limit_bytes // 2 * 2)
    assert read(server(), message(kind, whole)) == [AudioReceived(whole, rate_hz)]
    if limit_bytes < MAX_PAYLOAD_BYTES:
        with pytest.raises(RemoteProtocolError, match=rf"0x{kind:02x}.*{limit_bytes + 1} bytes"):
            read(server(), header(kind, limit_bytes + 1))


@pytest.mark.parametrize(
    ("first_bytes", "hint"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP request"),
        (b"OPTIONS sip:pbx SIP/2.0\r\n", "HTTP or SIP"),
        (b"REGISTER sip:pbx SIP/2.0\r\n", "SIP"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS"),
        (b"SSH-2.0-scanner\r\n", "SSH"),
        (message(0x10, FRAME), "kind 0x10 with 320 bytes"),
        (header(0x01, 15), "kind 0x01 with 15 bytes"),
        (HANGUP_MESSAGE, "kind 0x00"),
        (b"\xff\xff\xff", "kind 0xff"),
    ],
)
def test_a_wrong_first_message_is_refused_with_a_hint(first_bytes: bytes, hint: str) -> None:
    """What else may connect to the port is named in the message; three bytes are enough."""
    for sent in (first_bytes, first_bytes[:HEADER_BYTES]):
        with pytest.raises(RemoteProtocolError, match=hint):
            read(AudioSocket(Role.SERVER), sent)


def test_a_fault_never_shows_the_payload() -> None:
    """What the peer sent stays out of errors and so out of logs."""
    with pytest.raises(RemoteProtocolError) as fault:
        read(AudioSocket(Role.SERVER), b"GET /?password=hunter2 HTTP/1.1\r\n")
    assert "hunter2" not in str(fault.value)
    assert "password" not in str(fault.value)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (IDENTITY, "second UUID"),
        (header(0x01, 3), "second UUID"),
        (header(0x10, 0), "of 0 bytes"),
        (header(0x10, 1), "of 1 bytes"),
        (header(0x10, 3_202), "of 3202 bytes"),
    ],
)
def test_a_server_refuses(sent: bytes, why: str) -> None:
    """Each forbidden message ends the call with its reason."""
    with pytest.raises(RemoteProtocolError, match=why):
        read(server(), sent)


@pytest.mark.parametrize("kind", [0x02, 0x04, 0x0F, 0x19, 0x7F, 0xFE])
@pytest.mark.parametrize("length", [0, 1, MAX_PAYLOAD_BYTES])
def test_unknown_kinds_are_skipped_without_being_held(kind: int, length: int) -> None:
    """A newer Asterisk may send kinds that we do not know; nothing of them is kept in memory."""
    side = server()
    assert read(side, header(kind, length)) == [UnknownMessage(kind, length)]
    for _ in range(length // 1_000):
        assert read(side, bytes(1_000)) == []
        assert held_bytes(side) == 0
    rest = bytes(length % 1_000) + message(0x10, FRAME)
    assert read(side, rest) == [AudioReceived(FRAME, 8_000)]


# ---- the end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [server, caller])
@pytest.mark.parametrize("hangup", [HANGUP_MESSAGE, header(0x00, 500)])
def test_a_hangup_is_the_last_event(side: Callable[[], AudioSocket], hangup: bytes) -> None:
    """The hangup's length means nothing, its payload is not awaited, what follows is ignored."""
    ours = side()
    assert read(ours, hangup + message(0x10, FRAME)) == [PeerHungUp()]
    assert read(ours, message(0x10, FRAME)) == []
    assert ours.receive_eof() == []


@pytest.mark.parametrize("whole", [message(0x10, FRAME), message(0x55, b"unknown"), message(0x03, b"1")])
def test_it_is_known_whether_a_message_is_under_way(whole: bytes) -> None:
    """So that a shell can give a slow message a deadline."""
    side = server()
    assert side.is_between_messages
    for place in range(len(whole) - 1):
        read(side, whole[place : place + 1])
        assert not side.is_between_messages
    read(side, whole[-1:])
    assert side.is_between_messages


def test_audio_after_the_end_of_the_stream_is_ignored() -> None:
    """Also if the shell goes on reading."""
    side = server()
    assert side.receive_eof() == [PeerHungUp()]
    assert read(side, message(0x10, FRAME)) == []
    assert side.receive_eof() == []


# ---- what holds for any stream -------------------------------------------------------------------------


def test_an_announced_length_reserves_nothing() -> None:
    """A header alone costs no memory, of any length."""
    side = server()
    read(side, header(0x18, MAX_PAYLOAD_BYTES))
    assert held_bytes(side) == 0


@given(
    audio=st.integers(1, 100).flatmap(lambda samples: st.binary(min_size=2 * samples, max_size=2 * samples)),
    rate_hz=st.sampled_from(sorted(SLIN_RATES_HZ.values())),
    digit=st.sampled_from(sorted(DIGITS)),
    call_id=st.uuids(),
)
def test_what_one_side_encodes_the_other_side_reads(
    audio: bytes, rate_hz: int, digit: str, call_id: uuid.UUID
) -> None:
    """Two instances joined back to back hear each other, in both directions."""
    ours, theirs = AudioSocket(Role.SERVER), AudioSocket(Role.CALLER)
    said = theirs.encode_uuid(call_id) + theirs.encode_audio(audio, rate_hz) + theirs.encode_digit(digit)
    assert read(ours, said + theirs.encode_hangup()) == [
        CallIdentified(call_id),
        AudioReceived(audio, rate_hz),
        DigitReceived(digit),
        PeerHungUp(),
    ]
    assert read(theirs, ours.encode_audio(audio, rate_hz) + ours.encode_hangup()) == [
        AudioReceived(audio, rate_hz),
        PeerHungUp(),
    ]


def test_memory_the_reader_reuses_is_copied() -> None:
    """Audio read from a view does not change when the reader fills its buffer again."""
    buffer = bytearray(message(0x10, FRAME))
    [heard] = read(server(), memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert heard == AudioReceived(FRAME, 8_000)


# ---- sending -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 80, 160, 320, 480, 640, 1_444])
def test_a_server_sends_audio_of_any_length_within_a_segment(length: int) -> None:
    """The usual length has a branch of its own."""
    assert server().encode_audio(bytes(length)) == message(0x10, bytes(length))


@pytest.mark.parametrize("length", [0, 1, 319, 321, MAX_SEGMENT_PAYLOAD_BYTES, MAX_SEGMENT_PAYLOAD_BYTES + 1])
def test_a_server_cannot_make_a_message_that_endangers_the_call(length: int) -> None:
    """Empty, half a sample or more than a TCP segment: refused before such bytes exist."""
    with pytest.raises(LocalProtocolError, match=f"{length} bytes"):
        server().encode_audio(bytes(length))


@pytest.mark.parametrize(
    ("misuse", "why"),
    [
        (lambda: server().encode_uuid(CALL_ID), "first message"),
        (lambda: server().encode_digit("1"), "only a caller"),
        (lambda: server().encode_audio(FRAME, 8_001), "8001 Hz"),
        (lambda: caller().encode_uuid(CALL_ID), "first message"),
        (lambda: caller().encode_digit("12"), "one of"),
        (lambda: caller().encode_digit(""), "one of"),
        (lambda: caller().encode_audio(bytes(3_202)), "3202 bytes"),
        (lambda: AudioSocket(Role.CALLER).encode_audio(FRAME), "first message"),
        (lambda: AudioSocket(Role.CALLER).encode_digit("1"), "first message"),
    ],
)
def test_misuse_raises_before_there_are_bytes(misuse: Callable[[], bytes], why: str) -> None:
    """Each wrong use is refused with its reason."""
    with pytest.raises(LocalProtocolError, match=why):
        misuse()


@pytest.mark.parametrize("side", [server, caller])
def test_nothing_follows_a_hangup(side: Callable[[], AudioSocket]) -> None:
    """A second hangup is harmless; audio after one is a bug of ours."""
    ours = side()
    assert ours.encode_hangup() == ours.encode_hangup() == HANGUP_MESSAGE
    with pytest.raises(LocalProtocolError, match="hangup"):
        ours.encode_audio(FRAME)
