"""A call's second connection, on real sockets in virtual time; the test plays the gateway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from asterisk_peer import AsteriskPeer
from media_bench import BUSY, Bench, Shelf, bench, keep_virtual_time

from benchmarks.harness.speech_like import recorded_words
from ingress.link.live import Activity
from ingress.link.messages import (
    CallEnded,
    CallSeen,
    Digits,
    Greet,
    HangUp,
    LegChanged,
    TurnFinished,
    Utterance,
    WorkerHealth,
)
from ingress.media.tones import busy_tone, tone

EXTENSIONS = {"door": {"return_port": "auto", "max_calls": 5}, "other": {"return_port": "auto"}}
LOW, HIGH = tone(400.0, 0.4), tone(700.0, 0.4)


@pytest.fixture(autouse=True)
async def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())


@asynccontextmanager
async def one_call(
    limits: dict[str, float] | None = None, **server: object
) -> AsyncIterator[tuple[Bench, AsteriskPeer]]:
    """Run a call of the extension `door`, with these `call_limits`, whose greeting is nothing."""
    door = EXTENSIONS["door"] | {"call_limits": limits or {}}
    async with (
        bench(Shelf(door=BUSY), EXTENSIONS | {"door": door}, **server) as calls,
        AsteriskPeer(calls.ports["door"]) as peer,
    ):
        calls.ready()
        peer.identify()
        await calls.until_sent(Greet)
        calls.answer(peer.call_id, 1)
        yield calls, peer


@asynccontextmanager
async def joined(calls: Bench, peer: AsteriskPeer, extension: str = "door") -> AsyncIterator[AsteriskPeer]:
    """Connect to the return port with the UUID of a call."""
    async with AsteriskPeer(calls.return_ports[extension]) as back:
        back.call_id = peer.call_id
        back.identify()
        yield back


async def test_both_legs_are_heard_and_spoken_to_separately() -> None:
    """Each is paced; the dialog is asked about one after the other."""
    async with one_call() as (calls, peer), joined(calls, peer) as back:
        change = await calls.until_sent(LegChanged)
        assert (change.call_id, change.leg, change.is_there) == (str(peer.call_id), "return", True)
        calls.answer(peer.call_id, 2, LOW, "return")
        await back.until(lambda: LOW in back.audio)
        await back.speak(recorded_words(2) + bytes(16_000))
        utterance = await calls.until_sent(Utterance)
        assert (utterance.leg, utterance.turn) == ("return", 3)
        assert 1.0 < len(utterance.audio) / 16_000 < 2.0
        calls.say(peer.call_id, 3, LOW, "return")
        calls.say(peer.call_id, 3, HIGH, "caller")
        calls.answer(peer.call_id, 3)
        await peer.until(lambda: HIGH in peer.audio)
        peer.send_digit("5")
        await calls.until_sent(Digits)
        assert calls.sent_of(Digits)[0].leg == "caller"
        for each in (peer, back):
            gaps_s = [later - earlier for earlier, later in pairwise(each.arrivals_s)]
            assert max(gaps_s) < 0.03
            assert 48 * (each.arrivals_s[-1] - each.arrivals_s[0]) <= each.frames
        assert LOW not in peer.audio
        assert HIGH not in back.audio


async def test_the_return_leg_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The call goes on, and may get another one; its record has the turns of both legs."""
    caplog.set_level(logging.INFO)
    async with one_call() as (calls, peer):
        for number in (1, 2):
            async with joined(calls, peer) as back:
                await calls.until_sent(LegChanged, 2 * number - 1)
                calls.answer(peer.call_id, 2 * number)
                await back.until(lambda back=back: back.frames > 5)  # type: ignore[misc]
            change = await calls.until_sent(LegChanged, 2 * number)
            assert not change.is_there
            calls.answer(peer.call_id, 2 * number + 1)
        assert not peer.has_ended.is_set()
        assert sum("ended: the return leg hung up" in line for line in caplog.messages) == 2
        assert not any("caller hung up" in line for line in caplog.messages)
        peer.writer.close()
        record = (await calls.until_sent(CallEnded)).record
        assert [turn.leg for turn in record.turns] == ["caller", *["return"] * 4]
        assert record.turns_taken == 5


async def test_what_is_said_before_a_hangup_is_an_answer() -> None:
    """A yes, and the receiver is down: no silence shows that it was all. Noise is no answer."""
    async with one_call() as (calls, peer):
        for speech, expected in ((recorded_words(1), 1), (bytes(16_000) + recorded_words(1)[:1_600], 1)):
            async with joined(calls, peer) as back:
                joins = calls.sent_of(LegChanged)
                change = await calls.until_sent(LegChanged, len(joins) + 1)
                calls.answer(peer.call_id, change.turn)
                await back.speak(speech)
            utterance = await calls.until_sent(Utterance, expected)
            assert (utterance.leg, len(calls.sent_of(Utterance))) == ("return", expected)
            calls.answer(peer.call_id, utterance.turn)
            left = await calls.until_sent(LegChanged, len(joins) + 2)
            assert not left.is_there
            calls.answer(peer.call_id, left.turn)


@pytest.mark.parametrize("is_planned", [False, True])
async def test_the_return_leg_outlives_the_call_for_what_it_is_told(is_planned: bool) -> None:
    """What is queued if the dialog ended the call, else that the caller has left (here a tone)."""
    async with one_call() as (calls, peer), joined(calls, peer) as back:
        await calls.until_sent(LegChanged)
        calls.say(peer.call_id, 2, LOW * 2, "return")
        if is_planned:
            calls.calls.receive(HangUp(call_id=str(peer.call_id), turn=2))
            calls.answer(peer.call_id, 2)
        else:
            await back.until(lambda: any(back.audio))
            peer.writer.close()
        await calls.until_sent(CallEnded)
        assert not back.has_ended.is_set()
        await back.until(lambda: back.was_hung_up)
        assert (LOW * 2 in back.audio) is is_planned
        assert (busy_tone() in back.audio) is not is_planned
        assert calls.sent[-1].kind in ("CallEnded", "WorkerHealth")
    assert repr(calls.calls) == "<Calls 0 calls, 0 connections>"


async def test_only_a_running_call_of_the_extension_gets_a_return_leg(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One at a time; whoever is refused is hung up on, and the call does not notice."""
    caplog.set_level(logging.INFO)
    async with one_call() as (calls, peer), joined(calls, peer) as back:
        await calls.until_sent(LegChanged)
        async with (
            joined(calls, peer) as second,
            joined(calls, peer, "other") as stranger,
            AsteriskPeer(calls.return_ports["door"]) as unknown,
        ):
            unknown.identify()
            for each in (second, stranger, unknown):
                await each.until(lambda each=each: each.was_hung_up)  # type: ignore[misc]
        assert len(calls.sent_of(LegChanged)) == 1
        assert not peer.has_ended.is_set()
        assert not back.has_ended.is_set()
        reported = len(calls.sent_of(WorkerHealth))
        closed = (await calls.until_sent(WorkerHealth, reported + 1)).health.closed_peers
        assert closed["refused: the return port has no running call with the UUID"] == 2
        assert closed["refused: the UUID is in use"] == 1
    lines = [line for line in caplog.messages if "refused" in line]
    assert len(lines) == 3
    assert any("extension other has no running call with this UUID" in line for line in lines)
    assert any("the call has a return leg already" in line for line in lines)


async def test_a_bad_peer_on_the_return_port_harms_itself_alone() -> None:
    """The caller's leg keeps its clock; the dialog hears that the leg is gone."""
    async with one_call() as (calls, peer), joined(calls, peer) as back:
        await calls.until_sent(LegChanged)
        calls.answer(peer.call_id, 2)
        back.writer.write(b"\x77garbage" * 400)
        await calls.until_sent(LegChanged, 2)
        await back.has_ended.wait()
        await peer.until(lambda: peer.frames > 50)
        gaps_s = [later - earlier for earlier, later in pairwise(peer.arrivals_s)]
        assert max(gaps_s) < 0.03
        assert not peer.has_ended.is_set()


async def test_a_full_or_draining_worker_takes_return_legs_of_its_calls() -> None:
    """They belong to calls that were taken; it stops when the last leg has ended."""
    async with one_call(max_calls=1) as (calls, peer):
        async with joined(calls, peer) as back:
            await calls.until_sent(LegChanged)
            calls.answer(peer.call_id, 2)
            await back.until(lambda: back.frames > 5)
        await calls.until_sent(LegChanged, 2)
        calls.answer(peer.call_id, 3)
        stopping = asyncio.create_task(calls.calls.stop(drain_deadline_s=30.0))
        await asyncio.sleep(0.1)
        async with joined(calls, peer) as back:
            await calls.until_sent(LegChanged, 3)
            peer.writer.close()
            await calls.until_sent(CallEnded)
            assert not stopping.done()
            await back.until(lambda: back.was_hung_up)
        await asyncio.wait_for(stopping, 5.0)


async def test_a_return_port_comes_and_goes_while_calls_run() -> None:
    """Those that have joined stay; the extension's own port is not touched."""
    async with one_call() as (calls, peer), joined(calls, peer) as back:
        await calls.until_sent(LegChanged)
        calls.answer(peer.call_id, 2)
        extension = calls.calls.extensions["door"]
        listener = calls.calls._acceptor._listeners["door"][0].dup()
        calls.calls.set_extension(extension.model_copy(update={"return_port": None}), [("caller", listener)])
        with pytest.raises(ConnectionRefusedError):
            async with joined(calls, peer):
                pass
        async with AsteriskPeer(calls.ports["door"]) as other:
            other.identify()
            await other.until(lambda: other.frames > 5)
        back.send_digit("1")
        assert (await calls.until_sent(Digits)).leg == "return"


async def test_a_running_call_is_shown_with_both_its_legs() -> None:
    """What each of them does now."""
    seen: list[tuple[Activity, Activity | None]] = []

    def take(message: object) -> bool:
        if isinstance(message, CallSeen):
            seen.append((message.call.activity, message.call.return_activity))
        return True

    async with one_call() as (calls, peer):
        calls.calls.live.link_up(take)
        async with joined(calls, peer) as back:
            await calls.until_sent(LegChanged)
            calls.answer(peer.call_id, 2, LOW * 4, "return")
            await back.until(lambda: LOW * 4 in back.audio)
            await asyncio.sleep(1.1)
        await calls.until_sent(LegChanged, 2)
        calls.answer(peer.call_id, 3)
        await asyncio.sleep(1.1)
        await calls.until_sent(TurnFinished, 3)
    assert (Activity.LISTENING, Activity.SPEAKING) in seen
    assert (Activity.LISTENING, Activity.LISTENING) in seen
    assert seen[-1] == (Activity.LISTENING, None)


@pytest.mark.parametrize("keeps_sending", [False, True])
async def test_a_return_leg_from_which_nothing_comes_ends_alone(keeps_sending: bool) -> None:
    """After `no_audio_s`; the caller's frames do not count for it, and the call goes on."""
    async with one_call({"no_audio_s": 0.2, "no_input_s": 0}) as (calls, peer), joined(calls, peer) as back:
        await calls.until_sent(LegChanged)
        calls.answer(peer.call_id, 2)
        async with asyncio.TaskGroup() as group:
            for each in (peer, back) if keeps_sending else (peer,):
                group.create_task(each.speak(bytes(16_000)))
        assert back.was_hung_up is not keeps_sending
        assert [change.is_there for change in calls.sent_of(LegChanged)] == [True, False][: 2 - keeps_sending]
        assert not peer.has_ended.is_set()
