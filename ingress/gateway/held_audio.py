"""The audio of a sentence that may not be heard yet: its end would not be there in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class HeldAudio:
    """Audio in order, none of it sent before a time. For one sentence."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], held_s: float) -> None:
        """Hold what is added for `held_s` from now."""
        self._send = send
        self._waiting: list[bytes] = []
        """Bounded by the sentence, which is some tens of seconds."""
        self._is_whole = asyncio.Event()
        self._sending = asyncio.create_task(self._send_waiting(held_s), name="held audio")

    async def add(self, audio: bytes) -> None:
        """Send the audio, or keep it until it is time. Raises what sending raises."""
        if self._sending.done():
            self._sending.result()
            await self._send(audio)
        else:
            self._waiting.append(audio)

    async def finish(self) -> None:
        """Send what is held: all of the sentence is there. Raises what sending raises."""
        self._is_whole.set()
        await self._sending

    def discard(self) -> None:
        """Send nothing more. Idempotent."""
        if not self._sending.cancel() and not self._sending.cancelled():
            self._sending.exception()  # seen

    async def _send_waiting(self, held_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(held_s):
                await self._is_whole.wait()
        while self._waiting:  # more may come meanwhile
            await self._send(self._waiting.pop(0))
