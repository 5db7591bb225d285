"""What comes from the peer: frames and events in order for any cuts; old audio and bad peers out."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.audiosocket import AudioSocket, CallIdentified, DigitReceived, PeerHungUp, Role
from ingress.media.endings import Ending
from ingress.media.receiver import (
    ACCEPT_QUEUE_S,
    HEAD_START_S,
    MESSAGES_PER_S,
    STALE_S,
    BadPeer,
    Received,
    Receiver,
)

IDENTITY = b"\x01\x00\x10" + uuid.UUID(int=7).bytes
DIGIT = b"\x03\x00\x015"


def message(sample: int, samples: int = 160, kind: int = 0x10) -> bytes:
    """Return a message of audio that holds one value all along."""
    size = 2 * samples
    return bytes((kind, size >> 8, size & 0xFF)) + sample.to_bytes(2, "little") * samples


def live(now: float = 100.0) -> Receiver:
    """Return an receiver whose call has been identified."""
    receiver = Receiver(AudioSocket(Role.SERVER))
    assert receiver.receive(IDENTITY, now) == [CallIdentified(uuid.UUID(int=7))]
    return receiver


def samples(received: list[Received]) -> list[int]:
    """Return the value that each frame holds."""
    frames = [frame for item in received if isinstance(item, list) for frame in item]
    return [int.from_bytes(frame[:2], "little") for frame in frames]


def ending_of(receiver: Receiver, data: bytes) -> Ending | None:
    """Send `data` every 20 ms for 100 s; return how that ended, None if it did not."""
    for step in range(5_000):
        for item in receiver.receive(data, 100.0 + step * 0.02):
            if isinstance(item, BadPeer):
                return item.ending
    return None


def test_frames_and_events_keep_their_order() -> None:
    """Audio, a digit, audio, the end."""
    received = live().receive(message(1) + message(2) + DIGIT + message(3) + b"\x00\x00\x00", 100.1)
    assert [type(item) for item in received] == [list, DigitReceived, list, PeerHungUp]
    assert samples(received) == [1, 2, 3]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_however_the_stream_is_cut_the_same_frames_come(cuts: list[int]) -> None:
    """At any byte."""
    stream = b"".join(message(value) for value in range(24))  # under half a second: no backlog
    receiver, received, now = live(), [], 100.0
    position = 0
    for cut in [*cuts, len(stream)]:
        now += 0.02
        received += receiver.receive(stream[position : position + cut], now)
        position += cut
    assert samples(received) == list(range(24))
    assert receiver.audio_messages == 24


def test_of_a_backlog_only_the_newest_half_second_of_audio_is_kept() -> None:
    """And every event in it."""
    receiver = live()
    backlog = b"".join(message(value) for value in range(100))
    received = receiver.receive(DIGIT + backlog + DIGIT, 103.0)
    assert samples(received) == list(range(75, 100))
    assert [type(received[0]), type(received[-1])] == [DigitReceived, DigitReceived]
    assert receiver.discarded_s == pytest.approx(2.0 - STALE_S)


def test_what_waited_in_the_accept_queue_is_not_held_against_the_caller() -> None:
    """A call that came while the worker was being replaced."""
    receiver = Receiver(AudioSocket(Role.SERVER))
    waiting = b"".join(message(value) for value in range(250))  # 5 s
    received = receiver.receive(IDENTITY + waiting, 100.0)
    assert len(samples(received)) == STALE_S * 50
    for step in range(500):
        receiver.receive(message(1), 100.0 + step * 0.02)


def test_audio_faster_than_time_is_refused() -> None:
    """At the rate of time nothing happens for as long as one likes; at twice the rate it ends."""
    receiver = live(now=0.0)
    for step in range(5_000):
        receiver.receive(message(1), step * 0.02)
    assert ending_of(receiver, message(1) * 2) is Ending.TOO_FAST
    assert receiver.audio_messages < 5_000 + 2 * 50 * (HEAD_START_S + ACCEPT_QUEUE_S) + 10


@pytest.mark.parametrize("tiny", [DIGIT, b"\x42\x00\x00", b"\xff\x00\x01\x05", message(1, samples=1)])
def test_a_flood_of_tiny_messages_ends_early(tiny: bytes) -> None:
    """It costs the decoding of a few thousand, not of all that was sent."""
    received = live().receive(tiny * 60_000, 100.1)
    assert len(received) <= (HEAD_START_S + ACCEPT_QUEUE_S + 1) * MESSAGES_PER_S
    assert isinstance(received[-1], BadPeer)
    assert received[-1].ending is Ending.TOO_FAST


def test_unknown_messages_are_counted() -> None:
    """Also digits that are none."""
    receiver = live()
    receiver.receive(b"\x42\x00\x03abc" + b"\x43\x00\x00" + b"\x03\x00\x01x" + DIGIT, 100.1)
    assert receiver.unknown_messages == 3


def test_a_message_that_is_under_way_is_known_since_when() -> None:
    """Of messages that arrive in pieces it is always the last one's beginning."""
    receiver = live()
    assert receiver.message_since_s is None
    receiver.receive(message(1)[:100], 101.0)
    assert receiver.message_since_s == 101.0
    receiver.receive(message(1)[100:] + message(2)[:100], 101.5)
    assert receiver.message_since_s == 101.5
    receiver.receive(b"", 102.0)
    assert receiver.message_since_s == 101.5
    receiver.receive(message(2)[100:], 102.0)
    assert receiver.message_since_s is None


def test_bad_bytes_and_a_broken_end_are_protocol_errors() -> None:
    """With what is wrong, for the log; what came before is not lost."""
    (bad,) = Receiver(AudioSocket(Role.SERVER)).receive(b"GET / HTTP/1.1", 100.0)
    assert isinstance(bad, BadPeer)
    assert (bad.ending, "HTTP" in bad.detail) == (Ending.PROTOCOL, True)
    receiver = Receiver(AudioSocket(Role.SERVER))
    received = receiver.receive(IDENTITY + message(1) + DIGIT + IDENTITY, 100.0)
    assert [type(item) for item in received] == [CallIdentified, list, DigitReceived, BadPeer]
    assert receiver.receive(message(2), 100.1) == []
    receiver = live()
    receiver.receive(message(1)[:5], 100.1)
    bad_end = receiver.end()
    assert isinstance(bad_end, BadPeer)
    assert "middle of a message" in bad_end.detail
    assert live().end() == PeerHungUp()


def test_disguised_mulaw_is_refused_with_the_remedy() -> None:
    """160 bytes every 20 ms."""
    assert ending_of(live(), message(1, samples=80)) is Ending.CODEC
