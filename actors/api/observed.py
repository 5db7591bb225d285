"""An answer of the manager that all who ask within a second share: the calls need the manager more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

FRESH_S = 1.0


class Observed(Generic[Answer]):
    """Asks one question at a time. For one event loop."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._asking: asyncio.Future[Answer] | None = None
        self._answered_s = 0.0

    async def get(self) -> Answer:
        """Return the answer, at most `FRESH_S` old. Raises what the question raises."""
        now = time.monotonic()
        asking = self._asking
        if asking is None or (asking.done() and now - self._answered_s >= FRESH_S):
            asking = self._asking = asyncio.ensure_future(self._ask())
            asking.add_done_callback(self._note)
        return await asyncio.shield(asking)

    def _note(self, asked: asyncio.Future[Answer]) -> None:
        self._answered_s = time.monotonic()
        if not asked.cancelled():
            asked.exception()  # those who wait get it; without any it is no defect
