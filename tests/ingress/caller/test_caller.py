"""The caller's connection against a scripted server on loopback, in virtual time."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
import virtual_time

from actors.errors import CallError
from actors.telephone import FRAME_S, SILENCE_FRAME
from ingress.audiosocket import (
    HANGUP_MESSAGE,
    AudioReceived,
    AudioSocket,
    CallIdentified,
    Event,
    PeerHungUp,
    RemoteProtocolError,
    Role,
)
from ingress.caller.caller import CallResult, place_call
from ingress.caller.listening_quality import has_sound, speech_spans
from ingress.caller.script import CallScript, Speak
from ingress.media.tones import silence, tone

CALL_ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
SPEECH = silence(0.04) + tone(500, 0.2) + silence(0.1)
SPEECH_S = 0.34
SOUND = tone(800, 0.02)


def script(port: int = 9, host: str = "127.0.0.1", **changes: Any) -> CallScript:
    """A call of one short utterance that waits for little."""
    values: dict[str, Any] = {
        "steps": (Speak(SPEECH),),
        "greeting_wait_s": 0.1,
        "quiet_s": 0.2,
        "settle_s": 0.2,
        "answer_deadline_s": 1.5,
        "connect_deadline_s": 2.0,
    }
    return CallScript(host, port, CALL_ID, **values | changes)


def audio_message(audio: bytes) -> bytes:
    """Return audio as a server sends it."""
    return AudioSocket(Role.SERVER).encode_audio(audio)


class Peer:
    """One call as a server sees it: what was read and when, and a paced voice."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.reads: list[tuple[float, bytes]] = []
        self.events: list[Event] = []
        self.ended = asyncio.Event()
        self.last_sound_s = 0.0
        """When a frame with sound last came from the caller."""

    async def listen(self) -> None:
        protocol, clock = AudioSocket(Role.SERVER), asyncio.get_running_loop().time
        while data := await self.reader.read(65_536):
            self.reads.append((clock(), data))
            events = list(protocol.receive_data(data))
            self.events += events
            if any(isinstance(event, AudioReceived) and has_sound(event.audio) for event in events):
                self.last_sound_s = clock()
        self.events += protocol.receive_eof()
        self.ended.set()

    async def play(self, sounds: Callable[[float], bool] = lambda now_s: False) -> None:
        """Send a frame every 20 ms until the caller closes."""
        clock = asyncio.get_running_loop().time
        while not self.ended.is_set():
            self.writer.write(audio_message(SOUND if sounds(clock()) else SILENCE_FRAME))
            await asyncio.sleep(FRAME_S)

    @property
    def heard(self) -> bytes:
        return b"".join(event.audio for event in self.events if isinstance(event, AudioReceived))


Behaviour = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[tuple[int, list[Peer]]]:
    """Serve calls by `behave` on a free port; yield the port and the calls taken."""
    peers: list[Peer] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        peers.append(peer)
        listening = asyncio.create_task(peer.listen())
        try:
            await behave(peer)
            await listening
        finally:
            listening.cancel()
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], peers
        async with asyncio.timeout(5):
            for peer in peers:
                await peer.ended.wait()
    finally:
        server.close()
        await server.wait_closed()


async def answering(peer: Peer) -> None:
    """Be quiet, and answer for 0.3 s each time the caller has been silent for 0.3 s."""
    await peer.play(lambda now_s: peer.last_sound_s > 0 and 0.29 < now_s - peer.last_sound_s < 0.59)


def call(behave: Behaviour, progress: list[str] | None = None, **changes: Any) -> tuple[CallResult, Peer]:
    """Place a call in virtual time; return its result and the server's side."""

    async def both() -> tuple[CallResult, Peer]:
        lines = [] if progress is None else progress
        async with serving(behave) as (port, peers):
            result = await place_call(script(port, **changes), lines.append)
        return result, peers[0]

    return virtual_time.run(both(), virtual_time.TCP_SETTLES_S)


def test_a_call_is_spoken_answered_and_closed() -> None:
    """The server gets the UUID, the speech and a close; we get its answer, timed and recorded."""
    progress: list[str] = []
    result, peer = call(answering, progress)
    assert peer.events[0] == CallIdentified(CALL_ID)
    assert peer.events[-1] == PeerHungUp()
    assert SPEECH in peer.heard

    [turn] = result.turns
    assert (result.call_id, result.ended_by) == (CALL_ID, "us")
    assert turn.first_answer_ms == pytest.approx(310, abs=21)
    assert turn.answer == SOUND * 15
    [span] = speech_spans(result.received)
    assert span.start_s == pytest.approx(turn.answer_from_s, abs=0.061)
    assert [line.split()[0] for line in progress] == ["connected", "speaking", "the", "the", "we"]


def test_frames_are_paced_by_the_clock() -> None:
    """50 frames a second from the UUID to the close, one message per write, with no drift."""
    result, peer = call(answering, greeting_wait_s=0.6)
    (started_s, _), *reads, _ = peer.reads
    assert [len(data) for _, data in reads] == [323] * len(reads)
    times_s = [at_s - started_s for at_s, _ in reads]
    assert times_s == pytest.approx([FRAME_S * number for number in range(1, len(reads) + 1)], abs=1e-6)
    assert result.own_lateness_max_ms == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("ending", [HANGUP_MESSAGE, b""], ids=["hangup", "close"])
def test_the_server_may_end_the_call(ending: bytes) -> None:
    """A hangup message and a close both end the call at once, and we close too."""

    async def hang_up(peer: Peer) -> None:
        for _ in range(5):
            peer.writer.write(audio_message(SOUND))
            await asyncio.sleep(FRAME_S)
        peer.writer.write(ending)
        peer.writer.write_eof()

    result, peer = call(hang_up)
    assert (result.ended_by, result.turns, result.quality.frames) == ("peer", (), 5)
    assert peer.events[-1] == PeerHungUp()


@pytest.mark.parametrize("after_close", [b"\x40" + SOUND + b"garbage", b""], ids=["garbage", "nothing"])
def test_what_comes_after_we_hung_up_is_ignored(after_close: bytes) -> None:
    """A server that goes on after our close, or stops in mid-message, is no error."""

    async def go_on(peer: Peer) -> None:
        peer.writer.write(audio_message(SILENCE_FRAME) + b"\x10\x01")
        await peer.ended.wait()
        peer.writer.write(after_close)

    result, _ = call(go_on, answer_deadline_s=0.2)
    assert (result.ended_by, result.quality.frames) == ("us", 1)
    assert result.received.strip(b"\0") == b""


@pytest.mark.parametrize(
    ("garbage", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "kind 0x48"),
        (b"\x10\x00\x00", "of 0 bytes"),
        (b"\x12\x02\x80" + bytes(640), "16000 Hz audio"),
        (b"\x10\x01\x40" + bytes(100), "middle of a message"),
    ],
    ids=["http", "empty audio", "wide audio", "cut off"],
)
def test_what_asterisk_would_drop_the_call_for_is_an_error(garbage: bytes, why: str) -> None:
    """The caller is as strict as Asterisk, and the error says what was wrong."""

    async def misbehave(peer: Peer) -> None:
        peer.writer.write(audio_message(SILENCE_FRAME))
        peer.writer.write(garbage)
        peer.writer.write_eof()

    with pytest.raises(RemoteProtocolError, match=why):
        call(misbehave)


def test_a_broken_connection_is_an_error() -> None:
    """A reset is no hangup: Asterisk hangs the channel up for it."""

    async def reset(peer: Peer) -> None:
        await asyncio.sleep(0.1)
        raw = peer.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.writer.transport.abort()
        peer.ended.set()

    with pytest.raises(CallError, match=r"broke the connection after 0\.1 s"):
        call(reset)


def test_no_connection() -> None:
    """The error says where, and why: refused, not accepted within the deadline, or no such host."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        port = full.getsockname()[1]
        with pytest.raises(CallError, match=rf"127\.0\.0\.1:{port} refused .*raymal serve"):
            virtual_time.run(place_call(script(port)), virtual_time.TCP_SETTLES_S)
        full.listen(0)
        # The kernel lets one connection wait for accept() and ignores the next.
        with (
            socket.create_connection(full.getsockname()),
            pytest.raises(CallError, match=r"within 2 s"),
        ):
            virtual_time.run(place_call(script(port)), virtual_time.TCP_SETTLES_S)
    with pytest.raises(CallError, match=r"cannot connect to no-such-host\.invalid:9: "):
        asyncio.run(place_call(script(host="no-such-host.invalid")))


def test_a_cancelled_call_closes_its_connection() -> None:
    """Ctrl-C leaves no socket behind: the server sees the call end."""

    async def scenario() -> None:
        async with serving(Peer.play) as (port, peers):
            calling = asyncio.create_task(place_call(script(port, max_call_s=30.0, answer_deadline_s=30.0)))
            await asyncio.sleep(1.0)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
        assert peers[0].events[-1] == PeerHungUp()

    virtual_time.run(scenario(), virtual_time.TCP_SETTLES_S)
