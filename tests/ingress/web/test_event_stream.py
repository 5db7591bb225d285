"""Server-sent events: first all that is there, then what changes; and clients that read too slowly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from live_calls import link_to_nobody, live_call
from web_client import web_services

from actors.messages import Level
from ingress.link.link import Link
from ingress.link.live import Activity
from ingress.link.messages import CallEnded, StatusReply, TurnFinished
from ingress.link.records import CallRecord, TurnRecord
from ingress.link.status import DecisionStatus
from ingress.web import event_stream
from ingress.web.event_stream import MAXIMUM_STREAMS, EventStream
from ingress.web.services import Services
from ingress.web.status import UNKNOWN
from ingress.web.subscription import MAXIMUM_WAITING

SCOPE = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET", "headers": []}


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A link to nobody."""
    async with link_to_nobody() as link:
        yield link


class Reader:
    """A client of an event stream, without a socket."""

    def __init__(self, services: Services, has_words: bool = False) -> None:
        self.status = 0
        self.was_dropped = False
        self.text = ""
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._gone = asyncio.Event()
        self._stream = EventStream(services, has_words, self.drop)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Reader:
        self._task = asyncio.create_task(self._stream(SCOPE, self._receive, self._send))
        await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._gone.set()
        assert self._task is not None
        async with asyncio.timeout(2.0):
            await self._task

    @property
    def events(self) -> list[tuple[str, Any]]:
        """All that came: names and data."""
        blocks = [block.split("\n") for block in self.text.split("\n\n") if block.startswith("event: ")]
        return [
            (name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks
        ]

    def named(self, name: str) -> list[Any]:
        """Return the data of all events of that name."""
        return [data for found, data in self.events if found == name]

    def drop(self) -> None:
        """The connection is ended."""
        self.was_dropped = True
        self._gone.set()

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.may_read.wait()
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes go out at once."""
    monkeypatch.setattr(event_stream, "GATHERED_S", 0.01)
    monkeypatch.setattr(event_stream, "LOOK_INTERVAL_S", 0.01)


async def test_first_everything_then_every_change(link: Link) -> None:
    """Status, level, calls, turns, records; words for the operator alone."""
    services = web_services()
    watching = asyncio.create_task(services.watch.run(services.live))
    await asyncio.sleep(0)
    services.live.seen(live_call("a"), link)
    turn = TurnRecord(turn=1, kind="utterance", heard="my secret")
    async with Reader(services) as stranger, Reader(services, has_words=True) as operator:
        assert [name for name, _ in stranger.events] == ["status", "level", "call"]
        assert stranger.named("status")[0]["gateway"] == "away"
        services.live.seen(live_call("a", activity=Activity.SPEAKING), link)
        services.live.seen(live_call("b"), link)
        services.live.gone("a")
        services.live.take(TurnFinished(call_id="a", record=turn))
        services.live.take(
            CallEnded(record=CallRecord(call_id="a", extension="x", end_reason="y", turns=(turn,)))
        )
        decision = DecisionStatus(
            epoch="e", number=1, level=Level.LOADED, reasons=("busy",), frame_ms=30, calls_alone=4
        )
        services.live.take(StatusReply(status=UNKNOWN.model_copy(update={"decision": decision})))
        await asyncio.sleep(0.1)
        services.live.gateway_gone()
        await asyncio.sleep(0.1)
        for reader in (stranger, operator):
            assert {call["call_id"] for call in reader.named("call")} == {"a", "b"}
            assert reader.named("gone") == [{"call_id": "a"}]
            assert [data["record"]["turn"] for data in reader.named("turn")] == [1]
            assert [record["end_reason"] for record in reader.named("ended")] == ["y"]
            assert reader.named("level")[-1] == {"level": 2, "name": "loaded", "reasons": ["busy"]}
            assert [status["gateway"] for status in reader.named("status")] == ["away", "up", "away"]
        assert "secret" not in stranger.text
        assert operator.text.count("secret") == 2
    watching.cancel()


async def test_a_quiet_stream_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a comment, which a browser ignores."""
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.02)
    async with Reader(web_services()) as reader:
        await asyncio.sleep(0.1)
        assert reader.text.count(": still here") >= 2


async def test_a_client_that_stops_reading_is_dropped(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded, whatever happens meanwhile."""
    monkeypatch.setattr(event_stream, "UNREAD_DEADLINE_S", 0.2)
    services = web_services()
    async with Reader(services) as reader:
        reader.may_read.clear()
        for number in range(2 * MAXIMUM_WAITING):
            services.live.seen(live_call(f"call {number}"), link)
            if number % 1_000 == 0:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(2.0):
            while not reader.was_dropped:
                await asyncio.sleep(0.01)
        reader.may_read.set()
    assert services.live.readers == 0


async def test_there_are_so_many_streams_and_no_more() -> None:
    """One more is told so; when one goes there is room again."""
    services = web_services()
    with services.live.subscribe():  # this process's own
        readers = [Reader(services) for _ in range(MAXIMUM_STREAMS)]
        await asyncio.gather(*(reader.__aenter__() for reader in readers))
        async with Reader(services) as surplus:
            assert surplus.status == 503
        await readers[0].__aexit__()
        async with Reader(services) as next_one:
            assert next_one.status == 200
        await asyncio.gather(*(reader.__aexit__() for reader in readers[1:]))
    assert {reader.status for reader in readers} == {200}
    assert services.live.readers == 0
