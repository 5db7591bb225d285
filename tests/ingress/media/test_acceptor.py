"""Connections before their UUID, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from asterisk_peer import AsteriskPeer
from media_bench import bench, keep_virtual_time


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
