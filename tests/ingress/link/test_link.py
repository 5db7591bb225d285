"""Links between media workers and gateway, over a real Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import LinkError
from ingress.link.client import LinkClient, connect
from ingress.link.link import CLOSE_DEADLINE_S, Link
from ingress.link.listener import keep_listening, serve
from ingress.link.messages import LINK_VERSION, Hello, Message, Readiness, Utterance

HELLO = Hello(version=LINK_VERSION, role="media", name="media-0")
READY = Readiness(is_ready=True, detail="")
UTTERANCE = Utterance(call_id="c1", turn=1, history=(), audio=bytes(480_000))


@pytest.fixture
def path(runtime_folder: Path) -> Path:
    """Return where the gateway listens."""
    return runtime_folder / "gateway.sock"


async def test_a_client_connects_again_for_as_long_as_it_runs(path: Path) -> None:
    """The gateway goes and comes back; the client reports it and gets messages again."""
    received: list[Message] = []
    gone: list[int] = []
    arrived = asyncio.Event()

    def take(message: Message) -> None:
        received.append(message)
        arrived.set()

    async def greet_and_wait(link: Link) -> None:
        link.send(READY)
        await link.receive()

    client = LinkClient(path, HELLO, take, lambda: gone.append(1))
    assert not client.send(READY)
    running = asyncio.create_task(client.run())
    for round_number in (1, 2):
        server = await serve(path, greet_and_wait, "gateway-test")
        await asyncio.wait_for(arrived.wait(), 5.0)
        arrived.clear()
        assert received == [READY] * round_number
        assert client.send(READY)  # the server's handler takes it and hangs up
        server.close()
        await until(lambda count=round_number: len(gone) == count)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_socket_that_is_removed_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By a program that cleans up, more than once; a link that was there before goes on."""
    monkeypatch.setattr("ingress.link.listener.LOOK_INTERVAL_S", 0.02)

    async def greet_and_wait(link: Link) -> None:
        while True:
            await link.receive()
            link.send(READY)

    server = await serve(path, greet_and_wait, "gateway-test")
    await until(lambda: path.stat().st_mode & 0o777 == 0o600)
    listening = asyncio.create_task(keep_listening(server, path, greet_and_wait, "gateway-test"))
    first = await connect(path, HELLO)
    for _ in range(2):
        os.unlink(path)
        await until(path.exists)
        later = await connect(path, HELLO)
        for link in (first, later):
            link.send(READY)
            assert await link.receive() == READY
        await later.close()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    with pytest.raises(LinkError, match="no gateway"):
        await connect(path, HELLO)
    await first.close()
    assert "it is there again" in caplog.text


async def test_a_gateway_that_drops_each_link_is_not_asked_without_a_pause(path: Path) -> None:
    """Each attempt ends its calls' turns, and costs both sides."""
    links: list[Link] = []

    async def drop(link: Link) -> None:
        links.append(link)

    client = LinkClient(path, HELLO, lambda message: None, lambda: None)
    async with await serve(path, drop, "gateway-test"):
        running = asyncio.create_task(client.run())
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert 1 <= len(links) <= 6


async def test_a_different_version_is_refused_with_both_numbers(path: Path) -> None:
    """After an upgrade of one half only, the message says what to do; the handler never sees such a link."""
    handled: list[Link] = []

    async def handle(link: Link) -> None:
        handled.append(link)

    newer = HELLO.model_copy(update={"version": LINK_VERSION + 1})
    async with await serve(path, handle, "gateway-test"):
        theirs = await connect(path, newer)
        with pytest.raises(LinkError, match="gone"):
            await theirs.receive()
        await theirs.close()
    assert not handled
    near, far = socket.socketpair()
    ours, theirs = [Link(*await asyncio.open_connection(sock=end)) for end in (near, far)]
    theirs.send(newer)
    expected = rf"speaks link version {LINK_VERSION + 1}, we speak {LINK_VERSION}: restart both"
    with pytest.raises(LinkError, match=expected):
        await ours.greet(HELLO)
    await ours.close()
    await theirs.close()


async def test_a_peer_that_reads_nothing_loses_the_link(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending is bounded: beyond the limit the link is dropped."""
    monkeypatch.setattr("ingress.link.link.MAXIMUM_UNSENT_BYTES", 100_000)

    def flood(link: Link) -> None:
        for _ in range(100):
            link.send(UTTERANCE)

    async with await serve(path, not_reading, "gateway-test"):
        link = await connect(path, HELLO)
        with pytest.raises(LinkError, match="unread"):
            flood(link)
        await link.close()


async def test_closing_does_not_wait_for_a_peer_that_reads_nothing(path: Path) -> None:
    """What it has not read after the deadline is dropped; a second close changes nothing."""
    async with await serve(path, not_reading, "gateway-test"):
        link = await connect(path, HELLO)
        for _ in range(10):
            link.send(UTTERANCE)
        began_s = time.monotonic()
        async with asyncio.timeout(5 * CLOSE_DEADLINE_S):
            await link.close()
            await link.close()
        assert time.monotonic() - began_s >= CLOSE_DEADLINE_S


async def test_no_gateway_is_a_clear_error(path: Path) -> None:
    """The path is named."""
    with pytest.raises(LinkError, match=r"no gateway at .*gateway\.sock"):
        await connect(path, HELLO)


async def not_reading(link: Link) -> None:
    """Hold the link and read nothing, until the other side is gone."""
    link._reader._transport.pause_reading()
    await asyncio.sleep(60.0)


async def until(condition: Callable[[], bool], deadline_s: float = 5.0) -> None:
    """Poll a plain condition."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)
