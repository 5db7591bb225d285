"""A speech pool with fixed audio, in steps that the test sets off, and with counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

from actors.messages import Decision, Priority, Synthesize
from actors.pool.speech_pool import SpeechChunk, SpeechPool
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import BargeInSettings, DialogSettings


class RecordedPool:
    """Answers every synthesis with the same pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.decision = Decision()
        self.pieces = pieces or (b"ab" * 800,)
        self.error: Exception | None = None
        """Raised in the place of the rest after `fails_after` pieces."""
        self.fails_after = 0
        self.gates: list[asyncio.Event] = []
        """Awaited one before each piece, as far as there are any."""
        self.requests: list[Synthesize] = []
        self.running = 0
        self.most_running = 0
        self.stopped = 0
        """Syntheses that were closed before their end."""

    @property
    def as_pool(self) -> SpeechPool:
        """The same, typed as a pool."""
        return cast(SpeechPool, self)

    async def synthesize(self, request: Synthesize, deadline_s: float) -> AsyncGenerator[SpeechChunk, None]:
        """Yield the pieces."""
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        has_ended = False
        try:
            for number, piece in enumerate(self.pieces):
                if number < len(self.gates):
                    await self.gates[number].wait()
                if self.error is not None and number >= self.fails_after:
                    raise self.error
                yield SpeechChunk(piece, 0.0, 0.0)
            has_ended = True
        finally:
            self.running -= 1
            self.stopped += not has_ended


def extension(
    name: str = "default",
    language: str = "en",
    voice: str | None = None,
    priority: Priority = Priority.NORMAL,
    dialog: DialogSettings | None = None,
) -> Extension:
    """Return an extension without texts of its own."""
    chosen = dialog or DialogSettings(greeting="Welcome. How can I help?")
    return Extension(
        name=name,
        port=0,
        priority=priority,
        language=language,
        voice=voice,
        dialog=chosen,
        needs_speech=chosen.name != "tone",
        barge_in=BargeInSettings(),
    )
