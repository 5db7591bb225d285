"""What one turn has to do with: its call, and the time that its stages take."""

from __future__ import annotations

import asyncio
from typing import Protocol

from actors.messages import SessionActivity
from ingress.configuration.extensions import Extension
from ingress.link.messages import CallStarted, Message
from ingress.link.records import StageTimes


class TurnCall(Protocol):
    """The call that a turn belongs to."""

    started: CallStarted
    extension: Extension

    async def send(self, message: Message) -> None:
        """Send to the call's media worker, as fast as that reads. Raises LinkError."""

    def turn_to(self, activity: SessionActivity) -> None:
        """Called when the call begins to be transcribed, thought about or spoken to."""


class Stages:
    """The stages of a turn so far."""

    def __init__(self) -> None:
        self.times = StageTimes()

    def note(self, **times: float) -> None:
        """Change some of them."""
        self.times = self.times.model_copy(update=times)


def now_s() -> float:
    """Return the time of the event loop's clock."""
    return asyncio.get_running_loop().time()


def since_ms(start_s: float) -> float:
    """Return how long ago a time of that clock is."""
    return (now_s() - start_s) * 1000.0
