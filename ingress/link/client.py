"""The gateway's clients: one connection, or one that is made anew for as long as the process runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from actors.errors import LinkError
from ingress.link.link import Link
from ingress.link.messages import Hello, Message

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 1.0

log = logging.getLogger(__name__)


async def connect(path: Path, hello: Hello) -> Link:
    """Connect to the gateway's socket and exchange hellos. Raises LinkError."""
    try:
        link = Link(*await asyncio.open_unix_connection(str(path)))
    except OSError as error:
        raise LinkError(f"no gateway at {path}: {error.strerror or error}") from error
    try:
        await link.greet(hello)
    except LinkError:
        await link.close()
        raise
    return link


class LinkClient:
    """Connects to the gateway, and connects again."""

    def __init__(
        self,
        path: Path,
        hello: Hello,
        on_message: Callable[[Message], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._path = path
        self._hello = hello
        self._on_message = on_message
        self._on_gone = on_gone
        self._link: Link | None = None

    def send(self, message: Message) -> bool:
        """Send now or not at all; False when there is no link. Never waits."""
        if self._link is None:
            return False
        try:
            self._link.send(message)
        except LinkError as error:
            log.warning("link: %s", error)
            return False
        return True

    async def run(self) -> None:
        """Keep a link up until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                self._link = await connect(self._path, self._hello)
            except LinkError as error:
                log.debug("link: %s; trying again in %.1f s", error, retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(LAST_RETRY_S, retry_s * 2)
                continue
            retry_s = FIRST_RETRY_S
            try:
                while True:
                    self._on_message(await self._link.receive())
            except LinkError as error:
                log.warning("gateway lost: %s; calls go on, trying to reach it again", error)
            finally:
                link, self._link = self._link, None
                self._on_gone()
                await link.close()
            await asyncio.sleep(retry_s)  # the gateway may be one that drops each link at once
