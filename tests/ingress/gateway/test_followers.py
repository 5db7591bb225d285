"""Web processes that follow a gateway are told what ends, as it ends."""

from __future__ import annotations

import asyncio

import pytest
from link_end import LinkEnd

from ingress.configuration.settings import Settings
from ingress.gateway.gateway import Gateway
from ingress.link.messages import (
    CallEnded,
    CallRecorded,
    Follow,
    HealthTaken,
    StatusReply,
    StatusRequest,
    TurnFinished,
    WorkerHealth,
)
from ingress.link.records import CallRecord, MediaHealth, TurnRecord
from ingress.server.checking import extension_book

SETTINGS = Settings.model_validate({"dialog": {"name": "tone"}})
TURN = TurnFinished(call_id="a", record=TurnRecord(turn=1, kind="greeting"))
LONG = TURN.model_copy(update={"record": TurnRecord(turn=1, kind="greeting", failure="x" * 1_000)})
ENDED = CallEnded(record=CallRecord(call_id="a", extension="default", end_reason="the caller hung up"))


def new_gateway() -> Gateway:
    """Return one without speech workers."""
    return Gateway(SETTINGS, extension_book(SETTINGS), None, "gateway")


async def test_what_ends_is_told_once_from_follow_on() -> None:
    """A record that a media worker sends again is not told again; status may be asked for beside it."""
    gateway = new_gateway()
    media = await LinkEnd.connect(gateway)
    web = await LinkEnd.connect(gateway, "web", "web")
    media.say(TURN)
    await asyncio.sleep(0.01)
    web.say(Follow(), StatusRequest())
    await web.next(StatusReply)
    media.say(TURN, ENDED, ENDED.model_copy(update={"is_repeated": True}))
    for _ in range(2):
        await media.next(CallRecorded)
    web.say(StatusRequest())
    await web.next(TurnFinished)
    assert web.received[0] == ENDED
    await web.next(StatusReply)
    assert not any(isinstance(message, CallEnded) for message in web.received)
    await web.hang_up()
    media.say(TURN, WorkerHealth(health=MediaHealth(frame_ms=20)))  # nobody follows
    await media.next(HealthTaken)
    await media.hang_up()
    await gateway.close()


async def test_only_a_web_process_may_follow() -> None:
    """Another is hung up on."""
    gateway = new_gateway()
    observer = await LinkEnd.connect(gateway, "observer", "observer")
    observer.say(Follow())
    await observer.hang_up()
    assert not observer.received
    await gateway.close()


async def test_a_web_process_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its link breaks by the link's own limit; media workers notice nothing."""
    monkeypatch.setattr("ingress.link.link.MAXIMUM_UNSENT_BYTES", 100_000)
    gateway = new_gateway()
    media = await LinkEnd.connect(gateway)
    web = await LinkEnd.connect(gateway, "web", "web")
    web.stop_reading()
    web.say(Follow())
    for _ in range(40):
        media.say(*[LONG] * 100, WorkerHealth(health=MediaHealth(frame_ms=20)))
        await media.next(HealthTaken)
    await asyncio.wait_for(web.dropped(), 5.0)
    await media.hang_up()
    await gateway.close()
