"""A transcriber that works only when the test lets it, and keeps what it was given together."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from actors.engines.abandonment import Abandonment
from actors.engines.base import BatchSttEngine
from actors.errors import EngineError
from actors.messages import Transcribe, Transcript
from actors.settings import SpeechSettings

UNREADABLE = b"unreadable"
"""Audio that the engine refuses with an error of its own."""

SURPRISING = b"surprising"
"""Audio that makes the whole batch fail by accident."""

GATED = "gated_engine:GatedStt"
"""For the engines' registry."""


class GatedStt(BatchSttEngine):
    """Hears each call's own id. It never looks whether its work was abandoned, as native code does not."""

    newest: GatedStt
    """The engine that was made last."""

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings)
        self.gate = threading.Semaphore(0)
        """Each batch takes one permit."""
        self.began = threading.Semaphore(0)
        """Gets a permit with each batch."""
        self.batches: list[list[str]] = []
        """The ids of each call of the engine."""
        GatedStt.newest = self

    def load(self) -> None:
        """Nothing to load."""

    @property
    def batch_size(self) -> int:
        """Return `scripted.batch_size`."""
        return self.settings.scripted.batch_size

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        self.batches.append([request.call_id for request in requests])
        self.began.release()
        assert self.gate.acquire(timeout=20.0)
        if any(request.audio == SURPRISING for request in requests):
            raise LookupError(f"what the caller said: {SURPRISING!r}")
        return [self._heard(request) for request in requests]

    def _heard(self, request: Transcribe) -> Transcript | EngineError:
        if request.audio == UNREADABLE:
            return EngineError("unreadable")
        return Transcript(request.call_id, request.language)
