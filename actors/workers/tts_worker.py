"""One voice: an engine, loaded once, used by one sentence at a time.

A plain class that knows neither Ray nor threads; `WorkerThread` runs it on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Generator

from actors.engines.registry import tts_engine
from actors.errors import EngineError
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.telephone import BYTES_PER_SAMPLE
from actors.workers.engine_errors import engine_errors


class TtsWorker:
    """Runs the configured text-to-speech engine."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Find the engine, without loading it. Raises ConfigurationError."""
        self._engine = tts_engine(settings)

    def load(self) -> None:
        """Load and warm the model. Raises EngineError or ConfigurationError."""
        with engine_errors(self._engine, "could not load"):
            self._engine.load()

    def synthesize(self, request: Synthesize) -> Generator[bytes, None, None]:
        """Yield one sentence as 8 kHz int16 pieces. Raises EngineError, which never quotes the text.

        Closing the iterator stops the engine.
        """
        with engine_errors(self._engine, f"failed on {len(request.text)} characters"):
            pieces = self._engine.synthesize(request)
            try:
                for piece in pieces:
                    if len(piece) % BYTES_PER_SAMPLE:  # all that follows would be loud noise
                        raise EngineError(f"{type(self._engine).__name__} yielded half a sample of int16")
                    yield piece
            finally:
                if isinstance(pieces, Generator):
                    pieces.close()
