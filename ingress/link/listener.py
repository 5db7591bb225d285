"""A process that listens: a Unix socket on which it takes links."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from actors.errors import LinkError
from ingress.link.link import Link
from ingress.link.messages import LINK_VERSION, Hello, Role
from ingress.link.private_socket import bound, is_there

LOOK_INTERVAL_S = 2.0

log = logging.getLogger(__name__)


async def serve(
    path: Path, handle: Callable[[Link], Awaitable[None]], name: str, role: Role = "gateway"
) -> asyncio.Server:
    """Listen on a Unix socket; `handle` runs once per link, after the hellos, until it returns.

    `role` and `name` are the listening process's.
    """

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        try:
            await link.greet(Hello(version=LINK_VERSION, role=role, name=name))
            await handle(link)
        except LinkError as error:
            log.debug("link closed: %s", error)
        except asyncio.CancelledError:
            pass  # the process ends; asyncio of Python 3.11 would log it as an error
        finally:
            await link.close()

    return await asyncio.start_unix_server(accept, sock=bound(path))


async def keep_listening(
    server: asyncio.Server,
    path: Path,
    handle: Callable[[Link], Awaitable[None]],
    name: str,
    role: Role = "gateway",
) -> None:
    """Keep what `serve` returned until cancelled, and serve anew when its socket has been removed.

    Programs that clean the temporary folder do that; nothing could reach the process any more.
    """
    try:
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            if is_there(path):
                continue
            try:
                newer = await serve(path, handle, name, role)
            except OSError as error:  # without its folder; made again with the next process
                log.debug("%s: %s", path, error.strerror or error)
                continue
            log.warning("%s had been removed; it is there again", path)
            server.close()
            server = newer
    finally:
        server.close()
