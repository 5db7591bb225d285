"""One transcriber: an engine, loaded once, used by one thread at a time.

A plain class that knows neither Ray nor threads; `WorkerThread` runs it on a thread of its own.
Several utterances may be given to it together. A batch that fails as a whole is done again one by one,
so that one bad utterance fails alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from actors.engines.abandonment import Abandonment
from actors.engines.registry import stt_engine
from actors.errors import EngineError
from actors.messages import Transcribe, Transcript
from actors.settings import SpeechSettings
from actors.telephone import audio_duration_ms
from actors.workers.engine_errors import engine_errors


class SttWorker:
    """Runs the configured speech-to-text engine."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Find the engine, without loading it. Raises ConfigurationError."""
        self._engine = stt_engine(settings)

    def load(self) -> None:
        """Load and warm the model. Raises EngineError or ConfigurationError."""
        with engine_errors(self._engine, "could not load"):
            self._engine.load()

    @property
    def batch_size(self) -> int:
        """Utterances that the loaded engine is best given together."""
        return self._engine.batch_size

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or an error that never quotes the caller."""
        if len(requests) > 1:
            duration_ms = sum(audio_duration_ms(request.audio) for request in requests)
            what = f"failed on {len(requests)} utterances with {duration_ms:.0f} ms of audio"
            with suppress(EngineError), engine_errors(self._engine, what):
                outcomes = self._engine.transcribe_batch(requests, abandonments)
                if len(outcomes) == len(requests):
                    return outcomes
        return [self._alone(*work) for work in zip(requests, abandonments, strict=True)]

    def _alone(self, request: Transcribe, abandonment: Abandonment) -> Transcript | EngineError:
        try:
            with engine_errors(self._engine, f"failed on {audio_duration_ms(request.audio):.0f} ms of audio"):
                return self._engine.transcribe(request, abandonment)
        except EngineError as error:
            return error
