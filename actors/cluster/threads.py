"""Blocking calls of Ray, whose compiled code tries again for a minute and longer: no exception reaches it."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable
from typing import TypeVar

import ray

from actors.liveness import threads

Answer = TypeVar("Answer")


async def in_thread(function: Callable[..., Answer], *arguments: object) -> Answer:
    """Return what the blocking call returns, as `actors.liveness.threads.in_thread`.

    Cancelled, the process ends without `ray.shutdown`, which would wait for that call.
    """
    try:
        return await threads.in_thread(function, *arguments)
    except asyncio.CancelledError:
        atexit.unregister(ray.shutdown)
        raise
