"""Wait for the next element of an iterator with a time limit; the iterator goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Generic, Self, TypeVar

Element = TypeVar("Element")
LEAD = 16
"""Elements that may wait; while there are so many, no more are asked for."""


class Waiting(Generic[Element]):
    """Runs an iterator in a task of its own; `async with` ends both at once."""

    def __init__(self, elements: AsyncGenerator[Element, None]) -> None:
        self._elements = elements
        self._queue: asyncio.Queue[Element | None] = asyncio.Queue(LEAD)
        self._task = asyncio.create_task(self._run())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # it is of no interest any more

    async def next(self, within_s: float | None) -> Element | None:
        """Return the next element; None: there are no more.

        Raises TimeoutError, and what the iterator raises.
        """
        async with asyncio.timeout(within_s):
            element = await self._queue.get()
        if element is None:
            await self._task
        return element

    async def _run(self) -> None:
        try:
            async with aclosing(self._elements) as elements:
                async for element in elements:
                    await self._queue.put(element)
        finally:
            # Also after an error, which `next` raises; a cancelled task needs no room.
            if not _is_cancelled():
                await self._queue.put(None)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
