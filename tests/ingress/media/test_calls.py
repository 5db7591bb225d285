"""A worker's calls on real sockets, in virtual time: life of a call, refusals, stopping."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from asterisk_peer import AsteriskPeer
from media_bench import BUSY, Bench, Shelf, bench, keep_virtual_time

from benchmarks.harness.speech_like import recorded_words
from ingress.audiosocket import HANGUP_MESSAGE, AudioReceived
from ingress.configuration.extensions import Extension, Phrase
from ingress.link.messages import (
    CallEnded,
    CallStarted,
    Digits,
    Greet,
    Heard,
    ListenOptions,
    ListenTo,
    NoInput,
    Pace,
    PhrasesReady,
    PlayTone,
    Refused,
    TurnDone,
    TurnFinished,
    Utterance,
    WorkerHealth,
)
from ingress.link.records import StageTimes
from ingress.media.leg_turns import LegTurns
from ingress.media.tones import tone


@pytest.fixture(autouse=True)
async def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())


async def greeted(server: Bench, peer: AsteriskPeer, count: int = 1) -> None:
    """Begin a call, whose greeting is nothing."""
    server.ready()
    peer.identify()
    await server.until_sent(Greet, count)
    server.answer(peer.call_id, 1)


async def test_silence_flows_from_the_uuid_on_at_50_frames_a_second() -> None:
    """The first frame leaves within 20 ms of the UUID, and the clock goes on without a caller's frame."""
    async with bench() as server, AsteriskPeer(server.port) as peer:
        await asyncio.sleep(1.5)  # the channel driver connects before the call is dialled
        assert peer.frames == 0
        server.ready()
        start_s = asyncio.get_running_loop().time()
        peer.identify()
        await peer.until(lambda: peer.frames >= 50)
        assert peer.arrivals_s[0] - start_s < 0.021
        assert peer.arrivals_s[49] - peer.arrivals_s[0] == pytest.approx(49 * 0.02, abs=0.001)
        assert all(len(event.audio) == 320 for event in peer.events)  # type: ignore[union-attr]
        assert not any(peer.audio)


async def test_a_call_from_its_first_word_to_its_record() -> None:
    """Speech in, utterance to the gateway, sentences back, frames out; a key; the record at the end."""
    answer = tone(500.0, 0.5)
    async with bench() as server, AsteriskPeer(server.port) as peer:
        await greeted(server, peer)
        started = await server.until_sent(CallStarted)
        assert started.call_id == str(peer.call_id)
        assert started.started_at_s > 1.7e9  # seconds since 1970, of the wall clock
        await peer.speak(recorded_words(2) + bytes(16_000))
        utterance = await server.until_sent(Utterance)
        assert 1.0 < len(utterance.audio) / 16_000 < 2.0
        server.answer(peer.call_id, 2, answer)
        record = (await server.until_sent(TurnFinished, 2)).record
        await peer.until(lambda: answer in peer.audio)
        assert (record.underruns, record.answer_ms, record.heard) == (0, 500.0, None)
        assert record.first_answer_ms is not None
        assert record.endpoint_wait_ms == pytest.approx(500, abs=60)
        peer.send_digit("5")
        assert (await server.until_sent(Digits)).digits == "5"
        peer.writer.write_eof()
        ended = await server.until_sent(CallEnded)
        assert ended.record.end_reason == "the caller hung up"
        assert len(ended.record.turns) == 2


@pytest.mark.parametrize(("frames", "pause_s"), [(44, 0.0), (80, 0.02)])
async def test_what_has_come_is_read_before_a_gap_is_declared(frames: int, pause_s: float) -> None:
    """A tick that would not have read comes 0.7 s late in mid-sentence: the sentence is not split."""
    speech = recorded_words(4)
    cut, resumed = frames * 320, (frames + 35) * 320
    loop: Any = asyncio.get_running_loop()
    async with bench() as server, AsteriskPeer(server.port) as peer:
        await greeted(server, peer)
        await peer.speak(speech[:cut])
        await asyncio.sleep(pause_s)
        loop.now_s += 0.7
        for start in range(cut, resumed, 320):
            peer.send_audio(speech[start : start + 320])
        await peer.speak(speech[resumed:] + bytes(16_000))
        utterance = await server.until_sent(Utterance)
        assert len(utterance.audio) >= 120 * 320
        assert len(server.sent_of(Utterance)) == 1


async def test_the_gateway_may_go_and_come_back() -> None:
    """Without a gateway the clock goes on; when it is back the unanswered utterance is asked again."""
    async with bench() as server, AsteriskPeer(server.port) as peer:
        await greeted(server, peer)
        server.calls.gateway_gone()
        before = peer.frames
        await peer.speak(recorded_words(2) + bytes(16_000))
        assert peer.frames - before > 90
        assert not server.sent_of(Utterance)
        server.ready()
        await server.until_sent(CallStarted, 2)
        await server.until_sent(Utterance)
        server.calls.gateway_gone()
        server.ready()
        await server.until_sent(Utterance, 2)
        first, second = server.sent_of(Utterance)
        assert first == second


async def test_a_caller_of_a_gateway_that_hangs_is_sent_back_in_time() -> None:
    """A gateway that is stopped or blocked keeps its link; still its calls wait no longer than others."""
    loop = asyncio.get_running_loop()
    async with bench(waiting_limit_s=12.0) as server, AsteriskPeer(server.port) as peer:
        await greeted(server, peer)
        server.hangs = True
        begun_s = loop.time()
        peer.send_digit("5")
        async with AsteriskPeer(server.port) as later:
            later.identify()
            await peer.until(lambda: peer.was_hung_up, 30.0)
            await later.until(lambda: later.was_hung_up, 30.0)
        assert loop.time() - begun_s < 3.0 + 12.0 + 4.0  # to find out, to wait, to play the busy tone
        ends = {ended.record.end_reason for ended in server.sent_of(CallEnded)}
        assert all("nothing could answer within 12 s" in end for end in ends)


async def test_a_gateway_that_hung_for_a_while_goes_on_with_what_it_was_asked() -> None:
    """Its calls are made known again, the turn is not asked twice, and its answer is heard."""
    answer = tone(500.0, 0.5)
    async with bench() as server, AsteriskPeer(server.port) as peer:
        await greeted(server, peer)
        server.hangs = True
        peer.send_digit("5")
        await server.until_sent(Digits)
        await asyncio.sleep(8.0)
        assert any(peer.audio), "the waiting sound"
        server.hangs = False
        server.answer(peer.call_id, 2, answer)
        await peer.until(lambda: answer in peer.audio)
        assert len(server.sent_of(Digits)) == 1
        assert len(server.sent_of(CallStarted)) == 2


async def test_a_uuid_that_came_while_the_worker_was_stopped_is_in_time() -> None:
    """It waits in the socket when the deadline is looked at; a connection without one ends as before."""
    async with bench() as server, AsteriskPeer(server.port) as peer, AsteriskPeer(server.port) as silent:
        handshakes = server.calls._acceptor.handshakes
        while len(handshakes) < 2:
            await asyncio.sleep(0.01)
        peer.identify()
        for leg in tuple(handshakes):  # as the event loop does it, if timers come before sockets
            leg._miss_uuid("no UUID in time")
        await peer.until(lambda: peer.frames >= 10)
        await silent.until(silent.has_ended.is_set)
        assert not handshakes


@pytest.mark.parametrize("has_link", [True, False])
async def test_nobody_waits_without_an_end(has_link: bool) -> None:
    """Without speech workers, or a gateway at all: who waits is reported, hears the phrase, is hung up."""
    async with (
        bench(Shelf(default=BUSY), waiting_limit_s=3.0) as server,
        AsteriskPeer(server.port) as first,
        AsteriskPeer(server.port) as second,
    ):
        if not has_link:
            server.calls.gateway_gone()
        first.identify()
        await asyncio.sleep(1.0)
        second.identify()
        await asyncio.sleep(1.5)
        health = server.sent_of(WorkerHealth)[-1].health
        assert (health.calls, health.waiting_callers) == (2, 2)
        assert health.longest_wait_s == pytest.approx(2.0, abs=0.6)
        await asyncio.sleep(1.5)
        assert first.was_hung_up
        assert not second.was_hung_up
        await second.until(lambda: second.was_hung_up, 2.0)
        assert BUSY in first.audio
        assert BUSY in second.audio
        record = server.sent_of(CallEnded)[0].record
        assert "waiting_limit_s" in record.end_reason
        assert not record.was_refused
        await asyncio.sleep(1.1)
        health = server.sent_of(WorkerHealth)[-1].health
        assert (health.calls, health.waiting_callers) == (0, 0)


@pytest.mark.parametrize("is_call", [False, True])
async def test_bad_bytes_end_their_own_connection_only(
    is_call: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """One clear line, a hangup, and the call beside it does not notice."""
    caplog.set_level(logging.INFO)
    async with bench() as server, AsteriskPeer(server.port) as good, AsteriskPeer(server.port) as bad:
        good.identify()
        if is_call:
            bad.identify()
            await bad.until(lambda: bad.frames >= 5)
        bad.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" if not is_call else b"\x10\x00\x00")
        await bad.until(lambda: bad.was_hung_up)
        (line,) = [line for line in caplog.messages if "protocol error" in line]
        assert ("of 0 bytes" if is_call else "HTTP") in line
        ended = [message.record.call_id for message in server.sent_of(CallEnded)]
        assert ended == ([str(bad.call_id)] if is_call else [])
        before = good.frames
        await good.until(lambda: good.frames >= before + 25)


@pytest.mark.parametrize("is_call", [False, True])
@pytest.mark.parametrize("goes_on", [False, True], ids=["stops", "drips"])
async def test_a_peer_that_is_too_slow_is_closed_at_its_deadline(is_call: bool, goes_on: bool) -> None:
    """Without a UUID, or in the middle of a message; with nothing more, or with a byte now and then."""
    deadlines = {"handshake_deadline_s": 0.2, "message_deadline_s": 0.2}
    async with bench(**deadlines) as server, AsteriskPeer(server.port) as peer:
        if is_call:
            peer.identify()
            peer.writer.write(b"\x10\x01\x40")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for byte in b"\x01\x00\x10" + bytes(16):
            if peer.was_hung_up:
                break
            if goes_on:
                peer.writer.write(bytes((byte,)))
            await asyncio.sleep(0.03)
        assert peer.was_hung_up
        assert 0.2 <= loop.time() - began_s < 0.4
        assert len(server.sent_of(CallEnded)) == is_call


async def test_the_call_limit_refuses_and_frees() -> None:
    """One call over the limit hears the busy phrase and is none for the gateway; then there is room again."""
    async with bench(Shelf(default=BUSY), max_calls=1) as server:
        server.ready()
        async with AsteriskPeer(server.port) as first:
            first.identify()
            await first.until(lambda: first.frames >= 3)
            async with AsteriskPeer(server.port) as second:
                second.identify()
                await second.until(lambda: second.was_hung_up)
            assert second.audio.rstrip(b"\0") == BUSY.rstrip(b"\0")
            record = (await server.until_sent(CallEnded)).record
            assert (record.was_refused, record.call_id) == (True, str(second.call_id))
            assert record.end_reason == "refused: all 1 calls are taken (server.max_calls)"
            assert [str(first.call_id)] == [message.call_id for message in server.sent_of(CallStarted)]
            assert repr(server.calls).startswith("<Calls 1 calls")
        await server.until_sent(CallEnded, 2)
        async with AsteriskPeer(server.port) as third:
            third.identify()
            await third.until(lambda: third.frames >= 3)


async def test_beyond_those_who_hear_the_phrase_a_hangup_comes_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the UUID already: a flood of callers cannot fill the clock."""
    monkeypatch.setattr("ingress.media.calls.MAXIMUM_REFUSED", 1)
    async with bench(Shelf(default=BUSY * 20), max_calls=1) as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(AsteriskPeer(server.port)) for _ in range(3)]
        taken, refused, rejected = peers
        for peer in (taken, refused):
            peer.identify()
            await peer.until(lambda peer=peer: peer.frames >= 1)  # type: ignore[misc]
        rejected.identify()
        await rejected.until(lambda: rejected.was_hung_up)
        late = await stack.enter_async_context(AsteriskPeer(server.port))
        await late.until(lambda: late.was_hung_up)
        assert rejected.frames == late.frames == 0
        await refused.until(lambda: refused.frames >= 5)
        taken.writer.close()
        await server.until_sent(CallEnded)
        new = await stack.enter_async_context(AsteriskPeer(server.port))
        new.identify()
        await new.until(lambda: new.frames >= 5)
        assert not refused.was_hung_up


async def test_a_new_call_is_not_kept_out_by_those_who_hear_the_phrase(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gateway refused them, so they were calls: the one that has listened longest is closed."""
    monkeypatch.setattr("ingress.media.calls.MAXIMUM_REFUSED", 1)
    async with bench(Shelf(default=BUSY * 20), max_calls=1) as server, AsyncExitStack() as stack:
        server.ready()
        peers = []
        for count in range(1, 4):
            peer = await stack.enter_async_context(AsteriskPeer(server.port))
            peer.identify()
            await server.until_sent(CallStarted, count)
            if count < 3:
                server.calls.receive(Refused(call_id=str(peer.call_id), reason="full"))
            peers.append(peer)
        first, second, third = peers
        await first.until(lambda: first.was_hung_up)
        await third.until(lambda: third.frames >= 10)
        assert not second.was_hung_up
        assert len(server.sent_of(CallEnded)) == 1


async def test_a_refused_caller_hears_the_extensions_phrase() -> None:
    """Refused by the gateway after the first frames: phrase, hangup, record; and room for another call."""
    shelf = Shelf(default=BUSY[:640], sales=BUSY)
    async with (
        bench(shelf, {"sales": {"priority": "high"}}, max_calls=1) as server,
        AsteriskPeer(server.ports["sales"]) as peer,
    ):
        server.ready()
        peer.identify()
        await server.until_sent(Greet)
        await peer.until(lambda: peer.frames >= 5)
        server.calls.receive(Refused(call_id=str(peer.call_id), reason="no slots"))
        peer.send_digit("1")
        async with AsteriskPeer(server.port) as other:
            other.identify()
            await other.until(lambda: other.frames >= 3)
            await peer.until(lambda: peer.was_hung_up)
        assert peer.audio.strip(b"\0") == BUSY.strip(b"\0")
        record = (await server.until_sent(CallEnded)).record
        assert (record.extension, record.priority, record.was_refused) == ("sales", "high", True)
        assert record.end_reason == "refused: no slots"
        assert not server.sent_of(Digits)


async def test_a_message_that_a_call_cannot_take_ends_that_call_alone() -> None:
    """The others share its link to the gateway."""
    async with bench() as server, AsteriskPeer(server.port) as bad, AsteriskPeer(server.port) as good:
        for count, peer in enumerate((bad, good), start=1):
            await greeted(server, peer, count)
        bad.send_digit("1")
        asked = await server.until_sent(Digits)
        server.calls.receive(
            PlayTone.model_construct(call_id=asked.call_id, turn=asked.turn, frequency_hz=math.nan)
        )
        await bad.until(lambda: bad.was_hung_up)
        frames = good.frames
        await good.until(lambda: good.frames >= frames + 10)
        assert "internal fault" in (await server.until_sent(CallEnded)).record.end_reason


async def test_the_phrases_are_loaded_at_the_start_and_when_there_are_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a thread; a failure is logged, and the next time they are loaded all the same."""
    shelf, load = Shelf(), Shelf.load
    async with bench(shelf) as server:
        shelf.load = lambda extensions: 1 / 0  # type: ignore[method-assign,assignment,return-value]
        server.calls.receive(PhrasesReady())
        while "tones take their place" not in caplog.text:
            await asyncio.sleep(0)
        shelf.load = lambda extensions: load(shelf, extensions)  # type: ignore[method-assign]
        shelf.rendered = {"default": BUSY}
        for _ in range(3):
            server.calls.receive(PhrasesReady())
        while shelf.audio(server.calls.extensions["default"], Phrase.BUSY) is None:
            await asyncio.sleep(0)
        assert shelf.loads <= 3  # those that came while one was running are one


async def test_each_extension_has_its_own_port_dialog_and_record() -> None:
    """One whose dialog takes no utterances sends none; greetings belong to each call alike."""
    chosen = {"night": {"dialog": {"name": "tone"}, "priority": "background"}}
    async with (
        bench(extensions=chosen) as server,
        AsteriskPeer(server.port) as day,
        AsteriskPeer(server.ports["night"]) as night,
    ):
        for count, peer in enumerate((day, night), start=1):
            await greeted(server, peer, count)
        started = {message.call_id: message.extension for message in server.sent_of(CallStarted)}
        assert started == {str(day.call_id): "default", str(night.call_id): "night"}
        words = recorded_words(2) + bytes(16_000)
        await asyncio.gather(day.speak(words), night.speak(words))
        await server.until_sent(Utterance)
        assert {message.call_id for message in server.sent_of(Utterance)} == {str(day.call_id)}
        for count, peer in enumerate((day, night), start=1):
            peer.writer.write_eof()
            await server.until_sent(CallEnded, count)
        records = [message.record for message in server.sent_of(CallEnded)]
        assert [(record.extension, record.priority) for record in records] == [
            ("default", "normal"),
            ("night", "background"),
        ]


async def test_barge_in_is_each_extensions_own() -> None:
    """Answers that may not be interrupted, or not by so little, are heard to their end beside another."""
    chosen = {"never": {"barge_in": {"enabled": False}}, "late": {"barge_in": {"speech_ms": 2_000}}}
    async with bench(extensions=chosen) as server, AsyncExitStack() as stack:
        server.ready()
        names: dict[str, str] = {}
        peers: list[AsteriskPeer] = []
        for count, (extension, port) in enumerate(server.ports.items(), start=1):
            peer = await stack.enter_async_context(AsteriskPeer(port))
            peer.identify()
            await server.until_sent(Greet, count)
            server.answer(peer.call_id, 1, tone(500.0, 4.0))
            names[str(peer.call_id)] = extension
            peers.append(peer)
        await asyncio.gather(*(peer.speak(recorded_words(2)) for peer in peers))
        await server.until_sent(TurnFinished, 3)
        finished = {names[m.call_id]: m.record.was_interrupted for m in server.sent_of(TurnFinished)}
        assert finished == {"default": True, "never": False, "late": False}


@pytest.mark.parametrize("hangs_up", [True, False])
async def test_a_redial_right_after_the_hangup_is_a_call_of_its_own(hangs_up: bool) -> None:
    """The older call's hangup is read before the newer one is judged; a call that goes on keeps its UUID."""
    async with bench() as server, AsteriskPeer(server.port) as first, AsteriskPeer(server.port) as second:
        await greeted(server, first)
        await asyncio.sleep(0.1)
        second.call_id = first.call_id
        if hangs_up:
            first.writer.write(HANGUP_MESSAGE)
            await asyncio.sleep(0.005)
        second.identify()
        if hangs_up:
            assert (await server.until_sent(CallStarted, 2)).call_id == str(first.call_id)
            assert server.sent_of(CallEnded)[0].record.end_reason == "the caller hung up"
            await second.until(lambda: second.frames >= 5)
        else:
            await second.until(lambda: second.was_hung_up)
            assert len(server.sent_of(CallStarted)) == 1
            assert not first.has_ended.is_set()


async def test_stopping_lets_calls_finish_and_refuses_new_ones() -> None:
    """The running call goes on until its caller hangs up; a new one gets a hangup."""
    async with bench() as server, AsteriskPeer(server.port) as peer:
        peer.identify()
        await peer.until(lambda: peer.frames >= 3)
        stopping = asyncio.create_task(server.calls.stop(drain_deadline_s=10.0))
        await asyncio.sleep(0)
        async with AsteriskPeer(server.port) as late:
            await late.until(lambda: late.was_hung_up)
        before = peer.frames
        await peer.until(lambda: peer.frames >= before + 10)
        assert not stopping.done()
        peer.writer.close()
        await asyncio.wait_for(stopping, 3.5)


@pytest.mark.parametrize("own_ms", [20, 30])
async def test_switching_in_mid_sentence_keeps_time_and_loses_nothing(own_ms: int) -> None:
    """20, 30, 20 ms while one sentence plays: its bytes exact, as much audio as time, no gap, no burst.

    An operator who chose 30 ms keeps them all along.
    """
    noise = np.random.default_rng(4).integers(1, 30_000, 8_000 * 7, dtype="<i2").tobytes()
    async with bench(frame_ms=own_ms) as server, AsteriskPeer(server.port) as peer:
        server.ready()
        peer.identify()
        await server.until_sent(Greet)
        server.answer(peer.call_id, 1, noise)
        for frame_ms in (20, 30, 20):
            server.calls.receive(Pace.model_validate({"frame_ms": frame_ms}))
            before = peer.frames
            await peer.until(lambda before=before: peer.frames >= before + 80)  # type: ignore[misc]
        record = (await server.until_sent(TurnFinished)).record
        assert (record.underruns, record.answer_ms) == (0, len(noise) / 16)
        before = peer.frames
        await peer.until(lambda: peer.frames >= before + 2)
    assert peer.audio.strip(b"\0") == noise.strip(b"\0"), "the sentence came with a seam"
    sizes = [len(event.audio) for event in peer.events if isinstance(event, AudioReceived)]
    changes = [size for size, following in pairwise(sizes) if size != following]
    assert changes == ([320, 480] if own_ms == 20 else [])
    gaps_s = [later - earlier for earlier, later in pairwise(peer.arrivals_s[: len(sizes)])]
    assert gaps_s == pytest.approx([size / 16_000 for size in sizes[:-1]], abs=0.001)


async def test_a_mistake_of_ours_costs_one_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call whose tick fails is ended in order; its neighbour has no hole."""
    async with bench() as server, AsteriskPeer(server.port) as good, AsteriskPeer(server.port) as bad:
        good.identify()
        bad.identify()
        await good.until(lambda: good.frames >= 3)
        await bad.until(lambda: bad.frames >= 3)
        healthy = LegTurns.next_frame

        def next_frame(turns: LegTurns, now: float, frame_bytes: int) -> bytes:
            if turns._call.call_id == str(bad.call_id):
                raise ZeroDivisionError
            return healthy(turns, now, frame_bytes)

        monkeypatch.setattr(LegTurns, "next_frame", next_frame)
        await bad.until(lambda: bad.was_hung_up)
        ended = await server.until_sent(CallEnded)
        assert ended.record.end_reason == "internal fault: ZeroDivisionError"
        before = good.frames
        await good.until(lambda: good.frames >= before + 25)
        assert "failed" in caplog.text


async def test_the_worker_reports_its_health() -> None:
    """Every second: lateness of all frames, and why connections ended."""
    async with bench() as server, AsteriskPeer(server.port) as peer:
        peer.identify()
        async with AsteriskPeer(server.port) as other:
            other.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await other.until(lambda: other.was_hung_up)
        health = (await server.until_sent(WorkerHealth, 2)).health
        assert (health.calls, health.frame_ms) == (1, 20)
        assert health.lateness.frames == pytest.approx(50, abs=1)
        assert health.closed_peers == {"protocol error": 1}


async def test_an_extension_has_its_own_end_of_turn() -> None:
    """Other callers are waited for as the server says; a running call keeps what it began with."""
    slow = {"endpointing": {"end_silence_ms": 1_500}}
    async with (
        bench(extensions={"slow": slow}) as server,
        AsteriskPeer(server.port) as usual,
        AsteriskPeer(server.ports["slow"]) as patient,
    ):
        await greeted(server, usual)
        await greeted(server, patient, 2)
        ended: list[tuple[str, float]] = []
        server.calls.remove_extension("slow")  # the running call is heard as before
        speaking = [asyncio.create_task(peer.speak(recorded_words(1))) for peer in (usual, patient)]
        await asyncio.gather(*speaking)
        said_s = asyncio.get_running_loop().time()
        for count in (1, 2):
            utterance = await server.until_sent(Utterance, count)
            ended.append((utterance.call_id, asyncio.get_running_loop().time() - said_s))
        (first, after_s), (second, later_s) = ended
        assert (first, second) == (str(usual.call_id), str(patient.call_id))
        assert later_s - after_s == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("limit", ["no_input", "too_long", "no_audio"])
async def test_a_call_that_reaches_a_limit_ends_with_its_result(limit: str) -> None:
    """The peer sends a frame now and then, as Asterisk does while the caller is silent; or none at all."""
    limits = {
        "no_input": {"no_input_s": 0.5, "no_input_times": 2},
        "too_long": {"longest_s": 1.5},
        "no_audio": {"no_audio_s": 1.2, "no_input_s": 0},
    }[limit]
    short = {"short": {"call_limits": limits}}
    async with bench(extensions=short) as server, AsteriskPeer(server.ports["short"]) as peer:
        await greeted(server, peer)
        if limit == "no_input":
            silence = await server.until_sent(NoInput)
            server.answer(peer.call_id, silence.turn)
        elif limit == "no_audio":
            await asyncio.sleep(1.0)
            peer.send_audio(bytes(320))
            await asyncio.sleep(1.0)
            assert not peer.was_hung_up
        await peer.until(lambda: peer.was_hung_up)
        outcome = (await server.until_sent(CallEnded)).record.outcome
        assert outcome.result == limit
        assert "call_limits." in outcome.reason


async def test_one_answer_may_be_listened_to_for_longer() -> None:
    """A pause of 0.8 s in it is not its end; the next one ends as usual."""
    options = ListenOptions(end_silence_ms=1_000, hot_words=("Ana",))
    words, pause, end = recorded_words(2), bytes(2 * 6_400), bytes(2 * 12_800)
    async with bench() as server, AsteriskPeer(server.port) as peer:
        await greeted(server, peer)
        for turn in (2, 4):
            peer.send_digit("1")
            await server.until_sent(Digits, turn // 2)
            if turn == 2:
                call_id = str(peer.call_id)
                server.calls.receive(ListenTo(call_id=call_id, turn=2, leg="caller", options=options))
            server.answer(peer.call_id, turn)
            await peer.speak(words + pause + words + end)
            server.answer(peer.call_id, turn + 1)
        first, second, third = server.sent_of(Utterance)
        assert len(first.audio) > 2 * len(words) > len(second.audio) + len(pause)
        assert [request.listening for request in (first, second, third)] == [options, *[ListenOptions()] * 2]


async def test_phrases_follow_the_language_of_the_call() -> None:
    """From the utterance on in which it was found out; the live view, too."""

    class TwoLanguages(Shelf):
        def audio(self, extension: Extension, phrase: Phrase) -> bytes | None:
            return tone(600.0 if extension.language == "pt" else 500.0, 0.2)

    async with bench(phrases=TwoLanguages()) as server, AsteriskPeer(server.port) as peer:
        await greeted(server, peer)
        for turn, language, frequency_hz in ((2, None, 500.0), (3, "pt", 600.0)):
            peer.send_digit("1")
            await server.until_sent(Digits, turn - 1)
            name: dict[str, Any] = {"call_id": str(peer.call_id), "turn": turn}
            server.calls.receive(Heard(**name, text="", language=language))
            server.calls.receive(TurnDone(**name, stages=StageTimes(), failure="broken"))
            apology = tone(frequency_hz, 0.2)
            await peer.until(lambda apology=apology: apology in peer.audio)  # type: ignore[misc]
            (leg,) = server.calls._calls.values()
            assert leg.seen().language == (language or "en")
