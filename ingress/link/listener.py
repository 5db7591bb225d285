"""The gateway's end: a Unix socket on which it takes links."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from actors.errors import LinkError
from ingress.link.link import Link
from ingress.link.messages import LINK_VERSION, Hello

log = logging.getLogger(__name__)


async def serve(path: Path, handle: Callable[[Link], Awaitable[None]], name: str) -> asyncio.Server:
    """Listen on a Unix socket; `handle` runs once per link, after the hellos, until it returns."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        try:
            await link.greet(Hello(version=LINK_VERSION, role="gateway", name=name))
            await handle(link)
        except LinkError as error:
            log.debug("link closed: %s", error)
        finally:
            await link.close()

    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # left by a gateway that was killed
    return await asyncio.start_unix_server(accept, path=str(path))
