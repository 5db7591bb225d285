"""The caller: its decisions as sums on numbers, its wire against a scripted server on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import CallError, ConfigurationError, RemoteProtocolError
from ingress.audiosocket import (
    HANGUP_MESSAGE,
    AudioReceived,
    AudioSocket,
    CallIdentified,
    Event,
    PeerHungUp,
    Role,
)
from ingress.caller.caller import SILENCE, CallResult, CallScript, Conversation, place_call
from ingress.caller.listening_quality import ReceivedFrame, has_sound, listening_quality, speech_spans
from ingress.media.tones import silence, tone

CALL_ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
SPEECH = silence(0.04) + tone(500, 0.2) + silence(0.1)
SPEECH_S = 0.34
SOUND = tone(800, 0.02)


def script(port: int = 9, **changes: Any) -> CallScript:
    """A call of one short utterance that waits for little."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "call_id": CALL_ID,
        "utterances": (SPEECH,),
        "greeting_wait_s": 0.1,
        "quiet_s": 0.2,
        "settle_s": 0.2,
        "answer_deadline_s": 1.5,
        "connect_deadline_s": 2.0,
        **changes,
    }
    return CallScript(port=port, **values)


# ---- decisions, with no clock and no socket ------------------------------------------------------------


def audio_message(audio: bytes) -> bytes:
    """Return audio as a server sends it."""
    return AudioSocket(Role.SERVER).encode_audio(audio)


class Rehearsal:
    """A conversation on paper: every 20 ms the other side's frame is heard, then ours is asked for."""

    def __init__(self, **changes: Any) -> None:
        self.progress: list[str] = []
        self.conversation = Conversation(script(**changes), self.progress.append)
        self.tick = 0
        self.sent: list[bytes] = []

    def run(self, heard: Callable[[float], bool], until_s: float) -> bool:
        """Go on to `until_s`; `heard(now)` says whether there is sound. Return whether we hung up."""
        while (now_s := (self.tick + 1) * 0.02) <= until_s + 1e-9:
            self.tick += 1
            self.conversation.hear(SOUND if heard(now_s - 0.001) else SILENCE, now_s - 0.001)
            frame = self.conversation.next_frame(now_s)
            if frame is None:
                return True
            self.sent.append(frame)
        return False


def nobody(_now_s: float) -> bool:
    return False


def test_a_turn_is_timed_from_the_end_of_the_sound() -> None:
    """Silence at the edges of the utterance is not speech: the answer's delay begins where sound ends."""
    rehearsal = Rehearsal()
    # Speaking begins with the first tick at or after 0.1 s; a frame holds the 20 ms before its tick.
    assert rehearsal.run(lambda now_s: 0.9 <= now_s < 1.1, until_s=5)
    [turn] = rehearsal.conversation.turns
    assert turn.spoke_from_s == pytest.approx(0.08 + 0.04, abs=0.011)
    assert turn.spoke_until_s == pytest.approx(0.08 + 0.24, abs=0.011)
    assert turn.answer_from_s == pytest.approx(0.919)
    assert turn.answer_until_s == pytest.approx(1.099 + 0.02)
    assert turn.first_answer_ms == pytest.approx((0.919 - 0.32) * 1000, abs=11)
    assert turn.answer == SOUND * 10


def test_the_utterance_is_sent_whole_and_in_order() -> None:
    """What is spoken is the recording, filled up to whole frames, with quiet before and after."""
    rehearsal = Rehearsal(utterances=(SPEECH[:-100],))
    assert rehearsal.run(nobody, until_s=5)
    assert b"".join(rehearsal.sent) == SPEECH[:-100].ljust(len(SPEECH), b"\0")
    assert rehearsal.sent[:4] == [b""] * 4
    assert rehearsal.sent[-1] == b""


def test_an_answer_within_the_utterances_silent_end_counts() -> None:
    """A server that answers before the recording's silence is over was fast, not early."""
    rehearsal = Rehearsal(utterances=(SPEECH + silence(1.0),))
    assert rehearsal.run(lambda now_s: 0.6 <= now_s < 0.8, until_s=5)
    [turn] = rehearsal.conversation.turns
    assert turn.answer_from_s == pytest.approx(0.619)
    assert turn.first_answer_ms == pytest.approx(299, abs=11)


def test_an_answer_that_began_before_we_finished_has_a_negative_delay() -> None:
    """A server that takes a pause of ours for the end is not credited with a fast answer."""
    rehearsal = Rehearsal(utterances=(tone(500, 0.4) + silence(0.6) + tone(500, 0.4),))
    assert rehearsal.run(lambda now_s: 1.2 <= now_s < 1.3 or 1.4 <= now_s < 1.9, until_s=5)
    [turn] = rehearsal.conversation.turns
    assert turn.spoke_until_s == pytest.approx(0.08 + 1.4, abs=0.011)
    assert turn.answer_from_s == pytest.approx(1.219)
    assert turn.first_answer_ms == pytest.approx((1.219 - 1.48) * 1000, abs=11)
    assert turn.answer_until_s == pytest.approx(1.899 + 0.02)
    assert "before we had finished" in rehearsal.progress[-2]


def test_sound_while_we_speak_is_no_answer_once_it_has_ended() -> None:
    """What the other side said into our speech and did not go on with does not stop the clock."""
    rehearsal = Rehearsal()
    assert rehearsal.run(lambda now_s: 0.15 <= now_s < 0.25 or 0.7 <= now_s < 0.8, until_s=5)
    assert rehearsal.conversation.turns[0].answer_from_s == pytest.approx(0.719)


def test_without_a_greeting_we_speak_after_the_wait() -> None:
    """Quiet from the beginning: the first frame of speech leaves when the wait is over."""
    rehearsal = Rehearsal(greeting_wait_s=0.5)
    rehearsal.run(nobody, until_s=0.48)
    assert set(rehearsal.sent) == {b""}
    rehearsal.run(nobody, until_s=0.5)
    assert rehearsal.sent[-1] == SPEECH[:320]


def test_a_greeting_is_heard_to_its_end() -> None:
    """Once there is sound we speak when it has been quiet for long enough, short pauses not counted."""
    rehearsal = Rehearsal(quiet_s=0.5, utterances=(SPEECH, SPEECH))
    rehearsal.run(lambda now_s: now_s < 1.0 or 1.3 <= now_s < 2.0, until_s=2.48)
    assert set(rehearsal.sent) == {b""}
    rehearsal.run(nobody, until_s=2.50)
    assert rehearsal.sent[-1] == SPEECH[:320]


def test_the_next_utterance_waits_for_the_end_of_the_answer() -> None:
    """Two turns, each with its own answer; after the last we stay for `settle_s`."""
    rehearsal = Rehearsal(utterances=(SPEECH, SPEECH), quiet_s=0.3, settle_s=1.0)
    assert not rehearsal.run(lambda now_s: 0.8 <= now_s < 1.0 or 2.0 <= now_s < 2.5, until_s=3.46)
    assert rehearsal.run(nobody, until_s=3.50)
    first, second = rehearsal.conversation.turns
    assert first.answer_until_s == pytest.approx(1.019)
    assert second.spoke_from_s == pytest.approx(1.3 - 0.02 + 0.04, abs=0.031)
    assert second.answer == SOUND * 25


def test_an_answer_that_never_comes_ends_its_turn() -> None:
    """After the deadline the turn stays unanswered and the next utterance is spoken."""
    rehearsal = Rehearsal(utterances=(SPEECH, SPEECH), answer_deadline_s=0.5)
    assert rehearsal.run(nobody, until_s=5)
    assert [turn.first_answer_ms for turn in rehearsal.conversation.turns] == [None, None]
    assert [turn.answer for turn in rehearsal.conversation.turns] == [b"", b""]
    first, second = rehearsal.conversation.turns
    assert second.spoke_from_s - first.spoke_until_s == pytest.approx(0.5 + 0.04 - 0.02, abs=0.041)


def test_endless_sound_is_left_at_the_limit() -> None:
    """A line that is never quiet is never spoken into; the call still ends."""
    rehearsal = Rehearsal(max_call_s=3.0)
    assert rehearsal.run(lambda now_s: True, until_s=10)
    assert rehearsal.tick == 150
    assert rehearsal.conversation.turns == []


def test_a_call_that_only_listens() -> None:
    """With nothing to say we hear the greeting to its end and hang up; with no greeting, after the wait."""
    rehearsal = Rehearsal(utterances=(), settle_s=0.4)
    assert not rehearsal.run(lambda now_s: 0.05 <= now_s < 0.5, until_s=0.88)
    assert rehearsal.run(nobody, until_s=0.92)
    assert Rehearsal(utterances=(), greeting_wait_s=0.3).run(nobody, until_s=0.3)


def test_a_turn_cut_short_is_kept_only_if_it_was_spoken() -> None:
    """A call that ends while we speak has no turn; one that ends while we are answered has."""
    cut = Rehearsal()
    cut.run(nobody, until_s=0.2)
    cut.conversation.end()
    assert cut.conversation.turns == []
    answered = Rehearsal()
    answered.run(lambda now_s: now_s > 0.6, until_s=0.7)
    answered.conversation.end()
    [turn] = answered.conversation.turns
    assert turn.first_answer_ms == pytest.approx(299, abs=11)


def test_the_recording_lies_where_the_sound_arrived() -> None:
    """Position 0 is the call's beginning, and what a phone would have missed is silence."""
    conversation = Conversation(script(), lambda line: None)
    for arrived_s in (0.5, 0.52, 0.54, 1.0, 1.0):
        conversation.hear(SOUND, arrived_s)
    # The phone plays 60 ms late: of the 440 ms without a frame it has 60 ms less to conceal.
    assert conversation.received() == silence(0.5) + SOUND * 3 + silence(0.38) + SOUND * 2
    assert Conversation(script(), lambda line: None).received() == b""


@given(
    start_s=st.integers(0, 40),
    sound_s=st.integers(1, 60),
    end_s=st.integers(0, 60),
    answer_after_s=st.integers(1, 70),
)
def test_the_delay_of_an_answer_is_right_for_any_recording(
    start_s: int, sound_s: int, end_s: int, answer_after_s: int
) -> None:
    """Any silent edges (in 10 ms) and any delay (in 20 ms): the figure is what was rehearsed."""
    burst = (b"\x00\x20" + b"\x00\xe0") * 40  # 10 ms that are loud in every window
    utterance = bytes(160 * start_s) + burst * sound_s + bytes(160 * end_s)
    rehearsal = Rehearsal(utterances=(utterance,), greeting_wait_s=0.02)
    # The first frame is sent at 0.02 s, so the recording's zero is 0 s.
    spoke_until_s = (start_s + sound_s) / 100
    answer_tick = -(-(start_s + sound_s) // 2) + answer_after_s
    assert rehearsal.run(lambda now_s: abs(now_s - answer_tick * 0.02) < 0.005, until_s=10)
    [turn] = rehearsal.conversation.turns
    assert turn.spoke_from_s == pytest.approx(start_s / 100)
    assert turn.spoke_until_s == pytest.approx(spoke_until_s)
    assert turn.first_answer_ms == pytest.approx((answer_tick * 0.02 - 0.001 - spoke_until_s) * 1000)
    assert turn.answer == SOUND


@pytest.mark.parametrize("utterance", [b"", silence(1.0)], ids=["empty", "silent"])
def test_an_utterance_without_sound_is_refused(utterance: bytes) -> None:
    """A recording that nothing could answer is the user's mistake, said before dialling."""
    with pytest.raises(ConfigurationError, match=r"utterance 2 .* holds no sound"):
        script(utterances=(SPEECH, utterance))


# ---- the wire ------------------------------------------------------------------------------------------


class Peer:
    """One call as a server sees it: events with their arrival, and a paced voice."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.socket = AudioSocket(Role.SERVER)
        self.reads: list[bytes] = []
        self.events: list[tuple[float, Event]] = []
        self.ended = asyncio.Event()
        self.first_frame = asyncio.Event()
        self.last_sound_s = 0.0
        """When a frame with sound last came from the caller."""

    async def listen(self) -> None:
        while data := await self.reader.read(65_536):
            now_s = time.monotonic()
            self.reads.append(data)
            for event in self.socket.receive_data(data):
                self.events.append((now_s, event))
                if isinstance(event, AudioReceived):
                    self.first_frame.set()
                    self.last_sound_s = now_s if has_sound(event.audio) else self.last_sound_s
        self.events += [(time.monotonic(), event) for event in self.socket.receive_eof()]
        self.ended.set()

    async def play(self, next_frame: Callable[[float], bytes]) -> None:
        """Send a frame every 20 ms of the wall clock until the caller closes."""
        tick_s = time.monotonic()
        while not self.ended.is_set():
            self.writer.write(audio_message(next_frame(time.monotonic())))
            tick_s += 0.02
            await asyncio.sleep(max(0.0, tick_s - time.monotonic()))

    @property
    def frames(self) -> list[ReceivedFrame]:
        return [
            ReceivedFrame(arrived_s, len(event.audio) / 16_000)
            for arrived_s, event in self.events
            if isinstance(event, AudioReceived)
        ]

    @property
    def heard(self) -> bytes:
        return b"".join(event.audio for _, event in self.events if isinstance(event, AudioReceived))


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


def answering(peer: Peer, after_s: float = 0.3, answer_s: float = 0.3) -> Awaitable[None]:
    """Be quiet, and answer each time the caller has been silent for `after_s`."""

    def next_frame(now_s: float) -> bytes:
        silent_s = now_s - peer.last_sound_s if peer.last_sound_s else 0.0
        return SOUND if after_s <= silent_s < after_s + answer_s else SILENCE

    return peer.play(next_frame)


async def call(behave: Behaviour, **changes: Any) -> tuple[CallResult, Peer]:
    async with serving(behave) as (port, peers):
        result = await place_call(script(port, **changes))
    [peer] = peers
    return result, peer


async def test_a_call_is_spoken_answered_and_closed() -> None:
    """The server gets the UUID, the speech and a close; we get its answer, timed and recorded."""
    progress: list[str] = []
    async with serving(answering) as (port, peers):
        result = await place_call(script(port), progress.append)
    [peer] = peers

    assert peer.events[0][1] == CallIdentified(CALL_ID)
    assert peer.events[-1][1] == PeerHungUp()
    assert SPEECH in peer.heard

    [turn] = result.turns
    assert result.call_id == CALL_ID
    assert result.ended_by == "us"
    assert turn.first_answer_ms == pytest.approx(320, abs=60 + 2 * result.own_lateness_max_ms)
    assert len(turn.answer) == pytest.approx(0.3 * 16_000, abs=3 * 320 + 32 * result.own_lateness_max_ms)
    assert set(turn.answer[i : i + 320] for i in range(0, len(turn.answer), 320)) == {SOUND}

    spans = speech_spans(result.received)
    assert len(spans) == 1
    assert spans[0].start_s == pytest.approx(turn.answer_from_s, abs=0.061)
    assert [line.split()[0] for line in progress] == ["connected", "speaking", "the", "the", "we"]


async def test_frames_are_paced_by_the_clock() -> None:
    """50 frames a second from the UUID to the close, one message per write, with no drift."""
    result, peer = await call(answering, greeting_wait_s=0.6)
    quality = listening_quality(peer.frames)
    assert len(peer.frames) == pytest.approx(result.duration_s * 50, abs=2 + result.own_lateness_max_ms / 20)
    assert abs(quality.drift_ms) <= result.own_lateness_max_ms + 20
    assert quality.lateness_p50_ms < 10 + result.own_lateness_max_ms
    alone = sum(len(data) == 323 for data in peer.reads)
    assert alone > len(peer.frames) * 0.5  # what waits while this process is held up is read together


async def test_a_caller_may_send_nothing_while_silent() -> None:
    """With a channel that is silent Asterisk sends no frames at all: only the utterance is heard."""
    result, peer = await call(answering, silence_frames=False)
    assert peer.heard == SPEECH.ljust(-(-len(SPEECH) // 320) * 320, b"\0")
    assert result.turns[0].first_answer_ms is not None


async def test_two_utterances_are_two_turns() -> None:
    """Each utterance is answered by its own answer, one after the other."""
    result, peer = await call(answering, utterances=(SPEECH, SPEECH))
    assert [turn.first_answer_ms is not None for turn in result.turns] == [True, True]
    first, second = result.turns
    assert first.answer_until_s is not None
    assert second.spoke_from_s > first.answer_until_s
    assert len(speech_spans(peer.heard)) == 2


async def test_a_server_that_never_answers() -> None:
    """The call ends by itself after the deadline, with an unanswered turn."""
    result, _ = await call(lambda peer: peer.play(lambda now_s: SILENCE), answer_deadline_s=0.4)
    [turn] = result.turns
    assert (turn.answer_from_s, turn.first_answer_ms, turn.answer) == (None, None, b"")
    assert result.ended_by == "us"
    assert result.duration_s == pytest.approx(
        turn.spoke_until_s + 0.4, abs=0.05 + 2 * result.own_lateness_max_ms / 1000
    )
    assert result.quality.underruns == 0 or result.own_lateness_max_ms > 20


async def test_a_server_that_says_nothing_at_all() -> None:
    """Not one frame: the call still ends, with nothing heard."""

    async def be_mute(_peer: Peer) -> None:
        return

    result, _ = await call(be_mute, answer_deadline_s=0.3)
    assert (result.received, result.quality.frames) == (b"", 0)


async def test_a_hole_in_the_audio_is_seen() -> None:
    """A server that stalls for a quarter of a second is caught by the quality figures."""
    stalls = iter([0.0] * 10 + [0.25] + [0.0] * 10_000)

    async def stall(peer: Peer) -> None:
        while not peer.ended.is_set():
            peer.writer.write(audio_message(SILENCE))
            await asyncio.sleep(0.02 + next(stalls))

    result, _ = await call(stall, answer_deadline_s=0.4)
    assert result.quality.longest_gap_ms > 240
    assert result.quality.long_gaps >= 1
    assert result.quality.underruns >= 1
    assert result.quality.drift_ms < -200


@pytest.mark.parametrize("goodbye", [HANGUP_MESSAGE, b""], ids=["hangup", "close"])
async def test_the_server_may_end_the_call(goodbye: bytes) -> None:
    """A hangup message and a close both end the call at once, and we close too."""

    async def hang_up(peer: Peer) -> None:
        for _ in range(5):
            peer.writer.write(audio_message(SOUND))
            await asyncio.sleep(0.02)
        peer.writer.write(goodbye)
        peer.writer.write_eof()

    result, peer = await call(hang_up)
    assert result.ended_by == "peer"
    assert result.turns == ()
    assert result.quality.frames == 5
    assert result.duration_s < 1.0
    assert peer.events[-1][1] == PeerHungUp()


async def test_a_hangup_in_an_answer_keeps_the_turn() -> None:
    """What was heard until the server hung up is not lost."""

    async def answer_and_leave(peer: Peer) -> None:
        await peer.first_frame.wait()
        await asyncio.sleep(SPEECH_S + 0.1)
        peer.writer.write(audio_message(SOUND))
        await asyncio.sleep(0.02)
        peer.writer.write(audio_message(SOUND) + HANGUP_MESSAGE)
        peer.writer.write_eof()

    result, _ = await call(answer_and_leave, silence_frames=False)
    assert result.ended_by == "peer"
    assert [turn.answer for turn in result.turns] == [SOUND * 2]


async def test_what_comes_after_we_hung_up_is_ignored() -> None:
    """A server that goes on after our close, or stops in mid-message, spoils nothing."""

    async def rattle_on(peer: Peer) -> None:
        peer.writer.write(audio_message(SILENCE) + b"\x10\x01")
        await peer.ended.wait()
        peer.writer.write(b"\x40" + SOUND + b"garbage")

    async def stop_short(peer: Peer) -> None:
        peer.writer.write(audio_message(SILENCE) + b"\x10\x01")

    for behave in (rattle_on, stop_short):
        result, _ = await call(behave, answer_deadline_s=0.2)
        assert result.ended_by == "us"
        assert result.received.strip(b"\0") == b""
        assert result.quality.frames == 1


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
async def test_what_asterisk_would_drop_the_call_for_is_an_error(garbage: bytes, why: str) -> None:
    """We are as strict as Asterisk, and say what was wrong."""

    async def misbehave(peer: Peer) -> None:
        peer.writer.write(audio_message(SILENCE))
        peer.writer.write(garbage)
        peer.writer.write_eof()

    with pytest.raises(RemoteProtocolError, match=why):
        await call(misbehave)


async def test_a_broken_connection_is_an_error() -> None:
    """A reset is no hangup: Asterisk hangs the channel up for it."""

    async def reset(peer: Peer) -> None:
        await asyncio.sleep(0.1)
        raw = peer.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.writer.transport.abort()
        peer.ended.set()

    with pytest.raises(CallError, match=r"broke the connection after 0\.\d s"):
        await call(reset)


async def test_a_port_nobody_listens_on() -> None:
    """A refused connection says where, and what to look at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CallError, match=rf"127\.0\.0\.1:{port} refused .*raymal serve"):
        await place_call(script(port))


async def test_a_host_that_does_not_exist() -> None:
    """A name that cannot be resolved is named."""
    with pytest.raises(CallError, match=r"cannot connect to no-such-host\.invalid:9: "):
        await place_call(script(9, host="no-such-host.invalid"))


async def test_a_host_that_does_not_accept() -> None:
    """A connection that is not made within the deadline is given up."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        # The kernel lets one connection wait for accept() and ignores the next.
        with socket.create_connection(address), pytest.raises(CallError, match=r"within 0\.2 s"):
            await place_call(script(address[1], connect_deadline_s=0.2))


async def test_a_cancelled_call_closes_its_connection() -> None:
    """Ctrl-C leaves no socket behind: the server sees the call end."""
    began = asyncio.Event()

    async def be_quiet(peer: Peer) -> None:
        began.set()
        await peer.play(lambda now_s: SILENCE)

    async with serving(be_quiet) as (port, peers):
        calling = asyncio.create_task(place_call(script(port, max_call_s=30.0, answer_deadline_s=30.0)))
        await began.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    assert peers[0].events[-1][1] == PeerHungUp()
