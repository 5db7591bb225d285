"""The media worker process. It gets its listening sockets from the supervisor, which holds them open as well:
the ports answer while a worker is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from pathlib import Path

import uvloop

from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.settings import Settings
from ingress.link.client import LinkClient
from ingress.link.messages import LINK_VERSION, Hello
from ingress.media.calls import Calls
from ingress.media.extension_feed import ExtensionFeed
from ingress.media.scheduling import allow_descriptors, prefer
from ingress.phrases.fixed import PhraseShelf

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    book: ExtensionBook,
    channel: socket.socket,
    gateway_socket: Path,
    live_socket: Path,
    name: str,
) -> None:
    """Serve calls until SIGTERM, then drain. SIGINT ends running calls at once.

    A second SIGTERM means nothing: the kernel sends one for each thread of a supervisor that dies.
    """
    prefer(settings.server)
    allow_descriptors()
    uvloop.run(_serve(settings, book, channel, gateway_socket, live_socket, name))


async def _serve(
    settings: Settings,
    book: ExtensionBook,
    channel: socket.socket,
    gateway_socket: Path,
    live_socket: Path,
    name: str,
) -> None:
    calls = Calls(settings, book, PhraseShelf(settings))
    calls.pauses.start()
    hello = Hello(version=LINK_VERSION, role="media", name=name)
    link = LinkClient(gateway_socket, hello, calls.receive, calls.gateway_gone)
    web = LinkClient(
        live_socket,
        hello,
        calls.live.receive,
        calls.live.link_gone,
        on_link=lambda: calls.live.link_up(web.send),
        listener="web process",
    )
    async with asyncio.TaskGroup() as tasks:
        link_tasks = [tasks.create_task(link.run())]
        if settings.web.enabled:
            link_tasks.append(tasks.create_task(web.run()))
        await calls.start({}, link.send)
        feed = ExtensionFeed(channel, calls)
        feed.start()
        terminated, interrupted = _on_signal(signal.SIGTERM), _on_signal(signal.SIGINT)
        ending = tasks.create_task(interrupted.wait())
        draining = tasks.create_task(terminated.wait())
        await asyncio.wait((draining, ending), return_when=asyncio.FIRST_COMPLETED)
        feed.take_waiting()
        stopping = tasks.create_task(calls.stop(feed.drain_deadline_s))
        await asyncio.wait((stopping, ending), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            stopping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stopping
            await calls.stop(drain_deadline_s=0.0)
        feed.close()
        for task in (*link_tasks, draining, ending):
            task.cancel()


def _on_signal(number: signal.Signals) -> asyncio.Event:
    """Return what is set when the signal comes."""
    came = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(number, came.set)
    return came
