"""The wire between media workers and gateway, over a real Unix socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import LinkError
from ingress.link.link import MAXIMUM_MESSAGE_BYTES, Link, LinkClient, connect, serve
from ingress.link.messages import (
    LINK_VERSION,
    CallStarted,
    Greet,
    Hello,
    HistoryEntry,
    Message,
    Readiness,
    Utterance,
    decode,
    encode,
)

HELLO = Hello(version=LINK_VERSION, role="media", name="media-0")
READY = Readiness(is_ready=True, detail="")


@pytest.mark.parametrize(
    "message",
    [
        HELLO,
        READY,
        CallStarted(call_id="c1", extension="default"),
        Greet(call_id="c1", turn=1, history=()),
        Utterance(
            call_id="c1",
            turn=2,
            history=(HistoryEntry(speaker="caller", text="olá"),),
            audio=bytes(range(256)),
        ),
    ],
)
def test_messages_survive_the_wire(message: Message) -> None:
    """Encoded and decoded, a message is itself, bytes and accents included."""
    assert decode(encode(message)) == message


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", b"\x81\xa4type\xa5bogus", b"garbage" * 50])
def test_what_is_not_a_message_is_a_link_error_that_quotes_nothing(data: bytes) -> None:
    """Garbage of any kind is one kind of error."""
    with pytest.raises(LinkError) as caught:
        decode(data)
    assert "garbage" not in str(caught.value)


async def test_a_client_connects_again_for_as_long_as_it_runs(runtime_folder: Path) -> None:
    """The gateway goes and comes back; the client says so and gets messages again."""
    path = runtime_folder / "gateway.sock"
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


async def test_a_different_version_is_refused_with_both_numbers(runtime_folder: Path) -> None:
    """After an upgrade of one half only, the message says what to do."""
    path = runtime_folder / "gateway.sock"

    async def newer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = encode(HELLO.model_copy(update={"version": LINK_VERSION + 1, "role": "gateway"}))
        writer.write(struct.pack(">I", len(hello)) + hello)
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(newer, path=str(path)):
        expected = rf"speaks link version {LINK_VERSION + 1}, we speak {LINK_VERSION}: restart both"
        with pytest.raises(LinkError, match=expected):
            await connect(path, HELLO)


async def test_a_gateway_does_not_serve_another_version(runtime_folder: Path) -> None:
    """It closes the link before its handler sees anything."""
    path = runtime_folder / "gateway.sock"

    async def never(link: Link) -> None:
        raise AssertionError

    async with await serve(path, never, "gateway-test"):
        reader, writer = await asyncio.open_unix_connection(str(path))
        link = Link(reader, writer)
        await link.greet(HELLO.model_copy(update={"version": LINK_VERSION + 1}))
        with pytest.raises(LinkError, match="gone"):
            await link.receive()
        await link.close()


async def test_an_announced_giant_breaks_the_link(runtime_folder: Path) -> None:
    """A length beyond the limit is never allocated."""
    path = runtime_folder / "gateway.sock"
    errors: asyncio.Queue[LinkError] = asyncio.Queue()

    async def listen(link: Link) -> None:
        try:
            await link.receive()
        except LinkError as error:
            errors.put_nowait(error)

    async with await serve(path, listen, "gateway-test"):
        reader, writer = await asyncio.open_unix_connection(str(path))
        link = Link(reader, writer)
        await link.greet(HELLO)
        writer.write(struct.pack(">I", MAXIMUM_MESSAGE_BYTES + 1))
        error = await asyncio.wait_for(errors.get(), 5.0)
        assert "announced" in str(error)
        await link.close()


async def test_a_peer_that_reads_nothing_loses_the_link(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sending is bounded: beyond the limit the link is dropped, nobody waits."""
    monkeypatch.setattr("ingress.link.link.MAXIMUM_UNSENT_BYTES", 100_000)
    path = runtime_folder / "gateway.sock"
    release = asyncio.Event()

    async def deaf(link: Link) -> None:
        await release.wait()

    async with await serve(path, deaf, "gateway-test"):
        link = await connect(path, HELLO)

        def flood() -> None:
            for _ in range(100):
                link.send(Utterance(call_id="c1", turn=1, history=(), audio=bytes(480_000)))

        with pytest.raises(LinkError, match="unread"):
            flood()
        release.set()
        await link.close()


async def test_no_gateway_is_a_clear_error(runtime_folder: Path) -> None:
    """The path is named."""
    with pytest.raises(LinkError, match=r"no gateway at .*gateway\.sock"):
        await connect(runtime_folder / "gateway.sock", HELLO)


async def until(condition: Callable[[], bool], deadline_s: float = 5.0) -> None:
    """Poll a plain condition."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.01)
