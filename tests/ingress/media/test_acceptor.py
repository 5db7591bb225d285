"""Connections before their UUID, in virtual time: who may connect, how often, how many at once."""

from __future__ import annotations

import asyncio

import pytest
from asterisk_peer import AsteriskPeer
from media_bench import Bench, bench, keep_virtual_time

from ingress.media.endings import Ending


async def test_idle_connections_are_closed_for_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """They cannot lock out a PBX, which names its calls at once."""
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())
    monkeypatch.setattr("ingress.media.acceptor.MAXIMUM_HANDSHAKES", 2)
    async with bench() as server, AsteriskPeer(server.port) as oldest, AsteriskPeer(server.port) as older:
        await asyncio.sleep(0.05)
        async with AsteriskPeer(server.port) as caller:
            caller.identify()
            await caller.until(lambda: caller.frames >= 3)
            await oldest.until(lambda: oldest.was_hung_up)
            assert not older.was_hung_up


async def until_counted(server: Bench, ending: Ending, count: int) -> None:
    """Wait until so many connections have ended for a reason."""
    async with asyncio.timeout(10.0):
        while server.calls._endings[ending] < count:
            await asyncio.sleep(0.01)


async def test_a_stranger_is_closed_before_a_byte_is_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is sent to it either; one line for all its attempts."""
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())
    async with bench(access={"networks": ["192.0.2.0/24"]}) as server:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            assert await reader.read() == b""
            writer.close()
        await until_counted(server, Ending.NOT_ALLOWED, 3)
        assert server.calls._connections == 0
    lines = [line for line in caplog.messages if Ending.NOT_ALLOWED.value in line]
    assert len(lines) == 1
    assert "127.0.0.1" in lines[0]


async def test_an_address_with_too_many_idle_connections_loses_its_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call among them goes on: it has its UUID."""
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())
    async with bench(access={"connections_per_address": 2}) as server, AsteriskPeer(server.port) as caller:
        caller.identify()
        await caller.until(lambda: caller.frames >= 3)
        async with AsteriskPeer(server.port) as oldest:
            await asyncio.sleep(0.05)
            async with AsteriskPeer(server.port) as older, AsteriskPeer(server.port):
                await oldest.until(lambda: oldest.was_hung_up)
                assert not older.was_hung_up
                assert not caller.was_hung_up
        assert server.calls._endings[Ending.CROWDED_ADDRESS] == 1


async def test_an_address_that_connects_too_often_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the dialplan goes on; a second later there is room again."""
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())
    access: dict[str, object] = {"connections_per_second": 0.4}
    async with bench(access=access) as server, AsteriskPeer(server.port), AsteriskPeer(server.port):
        async with AsteriskPeer(server.port) as refused:
            await refused.until(lambda: refused.was_hung_up)
        await until_counted(server, Ending.TOO_OFTEN, 1)
        await asyncio.sleep(2.6)
        async with AsteriskPeer(server.port) as later:
            later.identify()
            await later.until(lambda: later.frames >= 3)


async def test_an_address_may_have_a_limit_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is hung up on when its UUID has come; the place is free again when a call has ended."""
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())
    async with bench(access={"calls_per_address": 1}) as server:
        async with AsteriskPeer(server.port) as first:
            first.identify()
            await first.until(lambda: first.frames >= 3)
            async with AsteriskPeer(server.port) as second:
                second.identify()
                await second.until(lambda: second.was_hung_up)
            assert not first.was_hung_up
        await until_counted(server, Ending.CALLER, 1)
        async with AsteriskPeer(server.port) as third:
            third.identify()
            await third.until(lambda: third.frames >= 3)
        assert server.calls._endings[Ending.FULL_ADDRESS] == 1
