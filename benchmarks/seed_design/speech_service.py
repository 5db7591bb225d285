"""Speech in the executor: the seed's `speech_service`.

A piece of work waits for its semaphore, then for a thread of the event loop's default executor. The answer
is complete before the first of it is sent.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from benchmarks.seed_design.resource_manager import ResourceManager


class Models(Protocol):
    """What hears and what speaks; both block, and are called by several threads at a time."""

    def transcribe(self, audio: bytes) -> str:
        """Return the words in 8 kHz int16 audio, empty for none."""
        ...

    def synthesize(self, text: str) -> bytes:
        """Return 8 kHz int16 speech."""
        ...


class SpeechService:
    """The models behind the semaphores."""

    def __init__(self, models: Models, resources: ResourceManager) -> None:
        self._models = models
        self._resources = resources

    async def transcribe(self, audio: bytes) -> str:
        """Return what was said."""
        async with self._resources.transcriptions:
            return await asyncio.get_running_loop().run_in_executor(None, self._models.transcribe, audio)

    async def synthesize(self, text: str) -> bytes:
        """Return the whole answer's audio."""
        async with self._resources.syntheses:
            return await asyncio.get_running_loop().run_in_executor(None, self._models.synthesize, text)
