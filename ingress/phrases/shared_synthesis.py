"""One synthesis that any number of calls follow.

Twenty callers who come in the same second get the same greeting, made once. A follower that joins late gets
the pieces that are there, at once, and then the rest with the others; an error is raised in all. When the
last follower has left, the work is cancelled and its slot is free. A piece is about 10 s, 40 s at most, so
all is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from actors.errors import CapacityError, WorkerLostError
from actors.messages import Priority
from actors.pool.speech_pool import SpeechChunk

GRACE_S = 0.25
"""Added to a follower's deadline: the work has the same one, and its error says more."""


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
        self.first_ms = self.whole_ms = 0.0
        """From the lease to the first piece, and to the last one."""
        self.is_complete = False
        """Whether the pieces are the whole sentence."""
        self.is_fixed = False
        """Whether a follower said that the sentence is the same for every caller."""
        self._error: Exception | None = None
        self._has_ended = False
        self._on_end = on_end
        self._followers = 0
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(self._take(chunks), name="synthesis")

    def serves(self, priority: Priority) -> bool:
        """Whether a call of that class may follow it: while it waits for a slot it waits in its own class."""
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
                try:
                    async with asyncio.timeout(deadline - time.monotonic()):
                        await self._changed.wait()
                except TimeoutError:
                    if self.pieces:
                        raise WorkerLostError("the deadline passed while the worker worked") from None
                    raise CapacityError("no slot for synthesis within the deadline") from None
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
                if not self.pieces:
                    self.first_ms = chunk.elapsed_ms
                self.whole_ms = chunk.elapsed_ms
                self.pieces.append(chunk.audio)
                self._wake_followers()
            self.is_complete = True
            self._end(None)
        except Exception as error:
            self._end(error)  # raised by the followers: nothing awaits this task
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
        self._wake_followers()

    def _wake_followers(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
