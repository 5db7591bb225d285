"""The web process's link to the gateway: what ends is reported as it ends, the status is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ingress.link.client import LinkClient
from ingress.link.messages import (
    LINK_VERSION,
    CallEnded,
    Follow,
    Hello,
    Message,
    StatusReply,
    StatusRequest,
    TurnFinished,
)
from ingress.web.live import OWN_READERS, LiveModel

STATUS_INTERVAL_S = 2.0
"""The gateway looks at its workers as often."""
WATCHED_INTERVAL_S = 1.0
"""While an event stream is open."""
HANGS_AFTER_S = 4.0
"""Without an answer; it may wait 2 s for the manager."""


class GatewayLink:
    """Keeps the live model up to date with the gateway."""

    def __init__(self, socket: Path, name: str, live: LiveModel) -> None:
        self._live = live
        self._asked_s: float | None = None
        """When the question was asked that is not answered yet."""
        hello = Hello(version=LINK_VERSION, role="web", name=name)
        self._client = LinkClient(socket, hello, self._take, self._gone, on_link=self._begin)

    async def run(self) -> None:
        """Follow the gateway until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._client.run())
            tasks.create_task(self._ask())

    async def _ask(self) -> None:
        while True:
            is_watched = self._live.readers > OWN_READERS
            await asyncio.sleep(WATCHED_INTERVAL_S if is_watched else STATUS_INTERVAL_S)
            self._question()

    def _question(self) -> None:
        """Ask for the status, unless the last answer is still to come."""
        now = asyncio.get_running_loop().time()
        if self._asked_s is None:
            self._asked_s = now if self._client.send(StatusRequest()) else None
        elif now - self._asked_s >= HANGS_AFTER_S:
            self._live.gateway_gone()

    def _begin(self) -> None:
        self._asked_s = None
        self._client.send(Follow())
        self._question()

    def _take(self, message: Message) -> None:
        match message:
            case StatusReply():
                self._asked_s = None
                self._live.take(message)
            case TurnFinished() | CallEnded():
                self._live.take(message)

    def _gone(self) -> None:
        self._asked_s = None
        self._live.gateway_gone()
