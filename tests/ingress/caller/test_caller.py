"""The caller's connection against a scripted server on loopback, in virtual time."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest
import virtual_time
from caller_server import (
    CALL_ID,
    SOUND,
    SPEECH,
    Behaviour,
    Peer,
    answering,
    audio_message,
    script,
    serving,
)

from actors.errors import CallError
from actors.telephone import FRAME_S, SILENCE_FRAME
from ingress.audiosocket import (
    HANGUP_MESSAGE,
    CallIdentified,
    PeerHungUp,
    RemoteProtocolError,
)
from ingress.caller.caller import CallResult, place_call
from ingress.caller.listening_quality import speech_spans


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
