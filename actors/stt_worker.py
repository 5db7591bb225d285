"""One transcriber: an engine, loaded once, used by one request at a time.

A plain class that knows neither Ray nor threads; the wire that runs it gives it a thread of its own.
"""

from __future__ import annotations

from actors.engines.registry import stt_engine
from actors.messages import Transcribe, Transcript, audio_duration_ms
from actors.settings import SpeechSettings
from actors.work_meter import WorkMeter


class SttWorker:
    """Runs the configured speech-to-text engine."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Find the engine, without loading it. Raises ConfigurationError."""
        self._engine = stt_engine(settings)
        self.meter = WorkMeter(type(self._engine).__name__)

    def load(self) -> None:
        """Load and warm the model. Raises EngineError or ConfigurationError."""
        with self.meter.loading():
            self._engine.load()

    def transcribe(self, request: Transcribe) -> Transcript:
        """Return the words of one utterance. Raises EngineError, which never quotes the caller."""
        self.meter.count += 1
        with self.meter.working(f"{audio_duration_ms(request.audio):.0f} ms of audio"):
            return self._engine.transcribe(request)
