"""The gateway's own loop, and what keeps it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingress.gateway.loop_lag import PERIOD_S, LoopLag


@asynccontextmanager
async def measured() -> AsyncIterator[LoopLag]:
    """Run a measurement."""
    lag = LoopLag()
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0)
    try:
        yield lag
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert lag.take_ms() >= 0.0
        assert lag.take_ms() == 0.0, "nobody measures any more"


async def test_a_blocked_loop_is_seen_and_told_once() -> None:
    """Blocked for 300 ms: nearly all of it is lag, and it is forgotten once it was told."""
    async with measured() as lag:
        time.sleep(0.3)  # noqa: ASYNC251
        await asyncio.sleep(2 * PERIOD_S)
        assert 0.3 - PERIOD_S <= lag.take_ms() / 1000.0 < 2.0
        assert lag.take_ms() < 250.0


async def test_a_block_that_has_not_ended_its_period_is_told_as_well() -> None:
    """Who asks right after the block sees it, though the measuring task has not had its turn."""
    async with measured() as lag:
        time.sleep(0.3)  # noqa: ASYNC251
        assert lag.take_ms() / 1000.0 >= 0.3 - PERIOD_S - 0.01
        await asyncio.sleep(0.01)
        assert lag.take_ms() / 1000.0 < 0.2, "told twice"
