"""The web process's link to a gateway on a real socket: what it is told, and gateways that go or hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ingress.configuration.settings import Settings
from ingress.gateway.gateway import Gateway
from ingress.link.client import connect
from ingress.link.link import Link
from ingress.link.listener import serve
from ingress.link.messages import LINK_VERSION, Follow, Hello, StatusReply, StatusRequest, TurnFinished
from ingress.link.records import TurnRecord
from ingress.server.checking import extension_book
from ingress.web.gateway_link import GatewayLink
from ingress.web.live import LiveModel
from ingress.web.totals import Totals

SETTINGS = Settings.model_validate({"dialog": {"name": "tone"}})


@asynccontextmanager
async def following(socket: Path) -> AsyncIterator[LiveModel]:
    """Yield a model that follows the gateway there."""
    live = LiveModel()
    task = asyncio.create_task(GatewayLink(socket, "web", live).run())
    yield live
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def listening(socket: Path, handle: Callable[[Link], Awaitable[None]]) -> AsyncIterator[None]:
    """Take links there, and break them in the end."""
    links: list[Link] = []

    async def kept(link: Link) -> None:
        links.append(link)
        await handle(link)

    server = await serve(socket, kept, "gateway")
    yield
    server.close()
    for link in links:
        await link.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, for a few seconds."""
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.005)


def silent_turns(live: LiveModel) -> float | None:
    """Return how many turns without an answer were counted."""
    return live.totals.registry.get_sample_value("raymal_turns_total", {"outcome": "silent"})


async def test_a_gateway_is_followed_and_so_is_the_next(runtime_folder: Path) -> None:
    """Its status and its turns come; without it there is no status."""
    socket = runtime_folder / "gateway.sock"
    async with following(socket) as live:
        for _ in range(2):
            gateway = Gateway(SETTINGS, extension_book(SETTINGS), None, "gateway")
            async with listening(socket, gateway.handle):
                await until(lambda: live.status is not None)
                assert live.status is not None
                assert live.status.is_ready
                media = await connect(socket, Hello(version=LINK_VERSION, role="media", name="media-0"))
                media.send(TurnFinished(call_id="a", record=TurnRecord(turn=1, kind="greeting")))
                await until(lambda: silent_turns(live) == 1)
                live.totals = Totals()
                await media.close()
            await until(lambda: live.status is None)
            await gateway.close()


async def test_a_gateway_that_hangs_is_away(runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three questions without an answer; its answer, when it comes, counts."""
    monkeypatch.setattr("ingress.web.gateway_link.STATUS_INTERVAL_S", 0.02)
    gateway = Gateway(SETTINGS, extension_book(SETTINGS), None, "gateway")
    status = StatusReply(status=await gateway._server_status())
    hangs = asyncio.Event()
    goes_on = asyncio.Event()

    async def handle(link: Link) -> None:
        assert isinstance(await link.receive(), Follow)
        asked = 0
        while True:
            assert isinstance(await link.receive(), StatusRequest)
            asked += 1
            if asked > 1:
                hangs.set()
                await goes_on.wait()
            link.send(status)

    socket = runtime_folder / "gateway.sock"
    async with listening(socket, handle), following(socket) as live:
        await until(lambda: live.status is not None)
        await hangs.wait()
        await until(lambda: live.status is None)
        goes_on.set()
        await until(lambda: live.status is not None)
    await gateway.close()
