"""The web process's link to the gateway: what ends is told as it ends, the status is asked for."""

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
from ingress.web.live import LiveModel

STATUS_INTERVAL_S = 2.0
"""The gateway looks at its workers as often."""
UNANSWERED_QUESTIONS = 3
"""One after the other: the gateway hangs."""


class GatewayLink:
    """Keeps the live model up to date with the gateway."""

    def __init__(self, socket: Path, name: str, live: LiveModel) -> None:
        self._live = live
        self._unanswered = 0
        hello = Hello(version=LINK_VERSION, role="web", name=name)
        self._client = LinkClient(socket, hello, self._take, self._gone, on_link=self._begin)

    async def run(self) -> None:
        """Follow the gateway until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._client.run())
            tasks.create_task(self._ask())

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(STATUS_INTERVAL_S)
            self._question()

    def _question(self) -> None:
        """Ask for the status, unless the last answer is still to come."""
        if not self._unanswered:
            self._unanswered = int(self._client.send(StatusRequest()))
        else:
            self._unanswered += 1
            if self._unanswered == UNANSWERED_QUESTIONS:
                self._live.gateway_gone()

    def _begin(self) -> None:
        self._unanswered = 0
        self._client.send(Follow())
        self._question()

    def _take(self, message: Message) -> None:
        match message:
            case StatusReply():
                self._unanswered = 0
                self._live.take(message)
            case TurnFinished() | CallEnded():
                self._live.take(message)

    def _gone(self) -> None:
        self._unanswered = 0
        self._live.gateway_gone()
