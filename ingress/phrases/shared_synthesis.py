"""One synthesis and everybody who waits for it.

The same sentence may be asked for by several calls at once: twenty callers come in the same second and
get the same greeting. It is made once. Who joins late gets the pieces that are there, at once, and then
the rest with the others; an error reaches all. A follower that leaves takes nothing from those who stay;
when the last one has left, the work is cancelled and its slot is free.

The pieces are kept until the sentence is over, also if a follower is slow: a sentence is 13 s at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from actors.errors import CapacityError, RaymalError, WorkerLostError
from actors.messages import Priority
from actors.pool.speech_pool import SpeechChunk

GRACE_S = 0.25
"""The work has a deadline of its own; a follower lets it have the first word."""


class SharedSynthesis:
    """A sentence being made."""

    def __init__(
        self,
        chunks: AsyncIterator[SpeechChunk],
        priority: Priority,
        on_end: Callable[[SharedSynthesis], None],
    ) -> None:
        """Start to take `chunks`. `on_end` is called once, when no more follower may join."""
        self.pieces: list[bytes] = []
        self.priority = priority
        self.is_complete = False
        """Whether the pieces are the whole sentence."""
        self._error: Exception | None = None
        self._has_ended = False
        self._on_end = on_end
        self._followers = 0
        self._news = asyncio.Event()
        self.task = asyncio.create_task(self._take(chunks), name="synthesis")

    def serves(self, priority: Priority) -> bool:
        """Whether work of that class may rely on it: what still waits for a slot waits in its own class."""
        return bool(self.pieces) or self.priority.rank <= priority.rank

    async def follow(self, deadline_s: float) -> AsyncGenerator[bytes, None]:
        """Yield all pieces. Raises what the work raised, or CapacityError or WorkerLostError when late."""
        deadline = time.monotonic() + deadline_s + GRACE_S
        self._followers += 1
        try:
            taken = 0
            while True:
                while taken < len(self.pieces):
                    taken += 1
                    yield self.pieces[taken - 1]
                if self._error is not None:
                    raise self._error
                if self._has_ended:
                    return
                news = self._news
                try:
                    async with asyncio.timeout(deadline - time.monotonic()):
                        await news.wait()
                except TimeoutError:
                    raise self._late() from None
        finally:
            self._followers -= 1
            if self._followers == 0:
                self.cancel()

    def cancel(self) -> None:
        """Stop the work, if it is not over."""
        if not self._has_ended:
            self.task.cancel()
            self._end(WorkerLostError("the synthesis was stopped"))

    async def _take(self, chunks: AsyncIterator[SpeechChunk]) -> None:
        try:
            async for chunk in chunks:
                self.pieces.append(chunk.audio)
                self._tell()
            self.is_complete = True
            self._end(None)
        except Exception as error:
            # Whatever it is, it is the followers' to raise: nobody else waits for this task.
            self._end(error)
        finally:
            self._end(WorkerLostError("the synthesis was stopped"))
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    def _end(self, error: Exception | None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._error = error
        self._on_end(self)
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _late(self) -> RaymalError:
        if self.pieces:
            return WorkerLostError("the deadline passed while the worker worked")
        return CapacityError("no slot for synthesis within the deadline")
