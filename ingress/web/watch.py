"""Follows the live model for what it does not keep: the last known status, and the last hour."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from ingress.link.messages import StatusReply, TurnFinished
from ingress.link.status import ServerStatus
from ingress.web.history import History
from ingress.web.live import LiveModel

LOOK_INTERVAL_S = 1.0


class Watch:
    """The last known status and when it came; and the history."""

    def __init__(self) -> None:
        self.history = History()
        self.last: ServerStatus | None = None
        """Also of a gateway that is away now."""
        self.as_of_s: float | None = None
        """When it came: seconds since 1970-01-01 UTC."""

    async def run(self, live: LiveModel) -> None:
        """Follow until cancelled."""
        while True:
            with live.subscribe() as subscription:
                while not subscription.has_fallen_behind:
                    try:
                        async with asyncio.timeout(LOOK_INTERVAL_S):
                            changes = await subscription.take()
                    except TimeoutError:
                        changes = ()
                    for change in changes:
                        match change:
                            case StatusReply(status=status):
                                self.last, self.as_of_s = status, wall_time_s()
                            case TurnFinished(record=record):
                                self.history.take_turn(record)
                    now = time.monotonic()
                    if self.history.is_due(now):
                        self.history.sample(now, wall_time_s(), len(live.calls), live.status)


def wall_time_s() -> float:
    """Return seconds since 1970-01-01 UTC: for people, never for a deadline."""
    return datetime.now(UTC).timestamp()
