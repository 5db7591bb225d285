"""One voice: an engine, loaded once, used by one sentence at a time.

A plain class that knows neither Ray nor threads; `WorkerThread` runs it on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Generator

from actors.engines.registry import tts_engine
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.workers.work_meter import WorkMeter


class TtsWorker:
    """Runs the configured text-to-speech engine."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Find the engine, without loading it. Raises ConfigurationError."""
        self._engine = tts_engine(settings)
        self.meter = WorkMeter(type(self._engine).__name__)

    def load(self) -> None:
        """Load and warm the model. Raises EngineError or ConfigurationError."""
        with self.meter.loading():
            self._engine.load()

    def synthesize(self, request: Synthesize) -> Generator[bytes, None, None]:
        """Yield one sentence as 8 kHz int16 pieces. Raises EngineError, which never quotes the text.

        Only the time inside the engine counts, not the time until the next piece is asked for.
        Closing the iterator stops the engine.
        """
        self.meter.count += 1
        on_what = f"{len(request.text)} characters"
        with self.meter.working(on_what):
            pieces = self._engine.synthesize(request)
        try:
            while True:
                with self.meter.working(on_what):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
