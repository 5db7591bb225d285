"""Clients of a process that listens: one connection, or one that is made anew while the process runs."""

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


async def connect(path: Path, hello: Hello, listener: str = "gateway") -> Link:
    """Connect to a process's socket and exchange hellos. Raises LinkError; `listener` names it there."""
    try:
        link = Link(*await asyncio.open_unix_connection(str(path)))
    except OSError as error:
        raise LinkError(f"no {listener} at {path}: {error.strerror or error}") from error
    try:
        await link.greet(hello)
    except LinkError:
        await link.close()
        raise
    return link


class LinkClient:
    """Connects to a process, and connects again."""

    def __init__(
        self,
        path: Path,
        hello: Hello,
        on_message: Callable[[Message], None],
        on_gone: Callable[[], None],
        on_link: Callable[[], None] = lambda: None,
        listener: str = "gateway",
    ) -> None:
        """`on_link` and `on_gone` are called when a link begins and ends; `listener` names the process."""
        self._path = path
        self._hello = hello
        self._on_message = on_message
        self._on_gone = on_gone
        self._on_link = on_link
        self._listener = listener
        self._link: Link | None = None

    def send(self, message: Message) -> bool:
        """Send now or not at all; False when there is no link. Never waits."""
        if self._link is None:
            return False
        try:
            self._link.send(message)
        except LinkError as error:
            log.warning("%s: %s", self._listener, error)
            return False
        return True

    async def run(self) -> None:
        """Keep a link up until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                self._link = await connect(self._path, self._hello, self._listener)
            except LinkError as error:
                log.debug("%s; trying again in %.1f s", error, retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(LAST_RETRY_S, retry_s * 2)
                continue
            retry_s = FIRST_RETRY_S
            try:
                self._on_link()
                while True:
                    self._on_message(await self._link.receive())
            except LinkError as error:
                log.warning("%s lost: %s; calls go on, trying to reach it again", self._listener, error)
            finally:
                link, self._link = self._link, None
                self._on_gone()
                await link.close()
            await asyncio.sleep(retry_s)  # it may be one that drops each link at once
