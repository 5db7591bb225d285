"""What the web process is told of running calls: real sockets in virtual time, the test plays the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby, pairwise

import pytest
from asterisk_peer import AsteriskPeer
from media_bench import BUSY, Bench, Shelf, bench, keep_virtual_time

from benchmarks.harness.speech_like import recorded_words
from ingress.link.live import Activity
from ingress.link.messages import (
    Admitted,
    CallEnded,
    CallGone,
    CallSeen,
    EndCall,
    Greet,
    Message,
    PlayTone,
    Refused,
    Utterance,
)
from ingress.link.records import CallOutcome, CallResult
from ingress.media.live_calls import LOOKS_PER_TICK, REPORTS_PER_TICK, TICK_S
from ingress.media.tones import tone


@pytest.fixture(autouse=True)
async def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())


class WebProcess:
    """What it was told, and when."""

    def __init__(self, server: Bench) -> None:
        self.told: list[tuple[float, Message]] = []
        server.calls.live.link_up(self._take)

    def _take(self, message: Message) -> bool:
        self.told.append((asyncio.get_running_loop().time(), message))
        return True

    @property
    def call_ids(self) -> set[str]:
        """Which calls it has heard of."""
        return {message.call.call_id for _, message in self.told if isinstance(message, CallSeen)}

    def activities(self, call_id: object) -> list[Activity]:
        """Return what a call did, one after the other."""
        calls = [message.call for _, message in self.told if isinstance(message, CallSeen)]
        return [activity for activity, _ in groupby(c.activity for c in calls if c.call_id == str(call_id))]

    def gone(self, call_id: object) -> CallResult | None:
        """Return how a call ended, if that is the last that was told."""
        match self.told[-1][1]:
            case CallGone(call_id=told, outcome=CallOutcome(result=result)) if told == str(call_id):
                return result
        return None


@asynccontextmanager
async def conversation(server: Bench) -> AsyncIterator[AsteriskPeer]:
    """A call that has a place, and whose greeting is over."""
    async with AsteriskPeer(server.port) as peer:
        server.ready()
        before = len(server.sent_of(Greet))
        peer.identify()
        await server.until_sent(Greet, before + 1)
        server.calls.receive(Admitted(call_id=str(peer.call_id)))
        server.answer(peer.call_id, 1)
        yield peer


async def test_a_call_is_told_as_it_changes() -> None:
    """From waiting to hung up, each change within 1.1 s, and never more often than once a second."""
    async with bench() as server, AsteriskPeer(server.port) as peer:
        web = WebProcess(server)
        peer.identify()
        await asyncio.sleep(0.1)  # a call that begins is told at once
        server.ready()
        await server.until_sent(Greet)
        server.calls.receive(Admitted(call_id=str(peer.call_id)))
        await asyncio.sleep(1.1)
        server.answer(peer.call_id, 1, tone(500.0, 1.5))
        await asyncio.sleep(3.0)
        await peer.speak(recorded_words(4) + bytes(16_000))
        await server.until_sent(Utterance)
        await asyncio.sleep(1.1)
        server.calls.receive(PlayTone(call_id=str(peer.call_id), turn=2, frequency_hz=400.0))
        server.answer(peer.call_id, 2)
        await asyncio.sleep(1.1)
        assert web.activities(peer.call_id) == [
            Activity.WAITING,
            Activity.ANSWERING,
            Activity.SPEAKING,
            Activity.LISTENING,
            Activity.HEARING,
            Activity.ANSWERING,
            Activity.SPEAKING,
        ]
        last = web.told[-1][1]
        assert isinstance(last, CallSeen)
        assert (last.call.extension, last.call.turns, last.call.underruns) == ("default", 2, 0)
        assert last.call.level_dbfs == pytest.approx(-25, abs=10)
        times_s = [time_s for time_s, _ in web.told]
        assert all(later - before > 0.9 for before, later in pairwise(times_s[1:]))
        peer.writer.write_eof()
        await server.until_sent(CallEnded)
        assert web.gone(peer.call_id) is CallResult.ENDED


async def test_a_new_link_is_told_all_calls_a_few_at_a_time() -> None:
    """Nothing is told without a link, and what changed meanwhile is not lost."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(bench())
        calls = [await stack.enter_async_context(conversation(server)) for _ in range(2 * REPORTS_PER_TICK)]
        first = WebProcess(server)
        await asyncio.sleep(0.2)
        server.calls.live.link_gone()
        told = len(first.told)
        calls[0].writer.write_eof()
        await server.until_sent(CallEnded)
        await asyncio.sleep(1.1)  # a round
        assert first.call_ids == {str(peer.call_id) for peer in calls}
        second = WebProcess(server)
        assert len(second.told) == REPORTS_PER_TICK
        await asyncio.sleep(0.06)
        assert len(second.told) == len(calls) - 1
        await asyncio.sleep(1.1)  # a round
        assert len(first.told) == told
        assert second.call_ids == {str(peer.call_id) for peer in calls[1:]}


async def test_the_operator_hangs_up() -> None:
    """At once, without a word; a call that is over meanwhile, or unknown, is nothing."""
    async with bench() as server, conversation(server) as peer:
        web = WebProcess(server)
        for _ in range(2):
            server.calls.live.receive(EndCall(call_id=str(peer.call_id)))
        await peer.until(lambda: peer.was_hung_up)
        ended = await server.until_sent(CallEnded)
        assert ended.record.end_reason == "hung up by the operator"
        assert not ended.record.was_refused
        assert web.gone(peer.call_id) is CallResult.ENDED
        server.calls.live.receive(EndCall(call_id="unknown"))


async def test_a_refused_call_is_told_as_one() -> None:
    """While the busy phrase plays."""
    async with bench(Shelf(default=BUSY)) as server, AsteriskPeer(server.port) as peer:
        web = WebProcess(server)
        server.ready()
        peer.identify()
        await server.until_sent(Greet)
        await asyncio.sleep(0.1)
        server.calls.receive(Refused(call_id=str(peer.call_id), reason="full"))
        await server.until_sent(CallEnded)
        assert web.activities(peer.call_id)[0] == Activity.WAITING
        assert web.gone(peer.call_id) is CallResult.REFUSED


async def test_of_a_flood_of_short_calls_nothing_stays() -> None:
    """Calls that come and go faster than they could be told."""
    async with bench() as server:
        WebProcess(server)
        for _ in range(4 * LOOKS_PER_TICK):
            async with AsteriskPeer(server.port) as peer:
                peer.identify()
                peer.writer.write_eof()
                await peer.until(lambda: peer.was_hung_up)
        await asyncio.sleep(2 * TICK_S)
        assert len(server.sent_of(CallEnded)) == 4 * LOOKS_PER_TICK
        assert not server.calls.live._queue
        assert not server.calls.live._reported
