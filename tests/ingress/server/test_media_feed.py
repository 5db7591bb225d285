"""The channel to a media worker: it lacks nothing in the end, and nobody waits for a slow one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
from recorded_pool import extension

from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import Settings
from ingress.media.calls import Calls
from ingress.media.extension_feed import ExtensionFeed
from ingress.phrases.fixed import PhraseShelf
from ingress.server.checking import extension_book
from ingress.server.media_feed import MediaFeed, Offer

SETTINGS = Settings.model_validate({"dialog": {"name": "tone"}})
MANY = 400
"""Extensions of 1 KB each: more than a Unix socket holds."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield bound


def offers(count: int, listener: socket.socket, busy: str = "") -> dict[str, Offer]:
    """Return so many extensions, the first with the listener."""
    texts = {"phrases": {Phrase.BUSY: busy + "x" * 1_000}}
    made = (extension(f"n{number}").model_copy(update=texts) for number in range(count))
    return {each.name: Offer(each, (("caller", listener),) if each.name == "n0" else ()) for each in made}


async def test_a_slow_worker_gets_all_in_the_end_and_the_next_one_too(listener: socket.socket) -> None:
    """Nothing is queued for it but what the kernel holds; what changes meanwhile is sent once, as it is."""
    feed = MediaFeed()
    feed.offer(offers(MANY, listener, "old"))
    feed.offer(offers(MANY, listener, "new") | {"last": Offer(extension("last"))})
    feed.offer(offers(MANY, listener, "new"))
    try:
        for _ in range(2):
            feed.worker_starts()  # the first one read nothing of it
            calls = Calls(SETTINGS, extension_book(SETTINGS), PhraseShelf(SETTINGS))
            await calls.start({}, lambda message: True)
            worker = ExtensionFeed(feed.inherited.dup(), calls)
            worker.start()
            async with asyncio.timeout(10.0):
                while len(calls.extensions) < MANY + 1:  # and the server's own, which it began with
                    await asyncio.sleep(0.01)
            assert calls.extensions["n7"].phrases[Phrase.BUSY].startswith("new")
            assert "last" not in calls.extensions
            with socket.create_connection(listener.getsockname(), timeout=1.0) as line:
                line.sendall(b"\x00\x00\x00")  # a hangup before any UUID: it is answered
                assert await asyncio.to_thread(line.recv, 3) == b"\x00\x00\x00"
            worker.close()
            await calls.stop(drain_deadline_s=0.0)
    finally:
        feed.close()
