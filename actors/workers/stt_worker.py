"""One transcriber: an engine, loaded once, used by one thread at a time.

A plain class that knows neither Ray nor threads; `WorkerThread` runs it on a thread of its own.
Several utterances may be given to it together. A batch that fails as a whole is done again one by one,
so that one bad utterance fails alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.engines.abandonment import Abandonment
from actors.engines.registry import stt_engine
from actors.errors import EngineError
from actors.messages import Transcribe, Transcript
from actors.settings import SpeechSettings
from actors.telephone import audio_duration_ms
from actors.workers.work_meter import WorkMeter


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

    @property
    def batch_size(self) -> int:
        """Utterances that the loaded engine is best given together."""
        return self._engine.batch_size

    def transcribe(self, request: Transcribe, abandonment: Abandonment | None = None) -> Transcript:
        """Return the words of one utterance. Raises EngineError, which never quotes the caller."""
        self.meter.count += 1
        return self._alone(request, abandonment or Abandonment())

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or what `transcribe` would raise."""
        self.meter.count += len(requests)
        works = list(zip(requests, abandonments, strict=True))
        if len(works) == 1:
            return [self._outcome(*works[0])]
        duration_ms = sum(audio_duration_ms(request.audio) for request in requests)
        try:
            with self.meter.trying(f"{len(requests)} utterances with {duration_ms:.0f} ms of audio"):
                outcomes = self._engine.transcribe_batch(requests, abandonments)
        except EngineError:
            return [self._outcome(*work) for work in works]
        for outcome in outcomes:
            if isinstance(outcome, EngineError):
                self.meter.count_failure(outcome)
        return outcomes

    def _outcome(self, request: Transcribe, abandonment: Abandonment) -> Transcript | EngineError:
        try:
            return self._alone(request, abandonment)
        except EngineError as error:
            return error

    def _alone(self, request: Transcribe, abandonment: Abandonment) -> Transcript:
        with self.meter.working(f"{audio_duration_ms(request.audio):.0f} ms of audio"):
            return self._engine.transcribe(request, abandonment)
