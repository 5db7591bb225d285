"""One transcriber and one voice: an engine, loaded once, used by one thread at a time.

Plain classes that know neither Ray nor threads; `WorkerThread` runs one on a thread of its own. Any exception
of an engine becomes an EngineError that quotes nothing a caller said.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import extract_tb

from actors.engines.abandonment import Abandonment
from actors.engines.base import Engine
from actors.engines.registry import stt_engine, tts_engine
from actors.errors import EngineError, RaymalError, described
from actors.messages import Synthesize, Transcribe, Transcript
from actors.settings import SpeechSettings
from actors.telephone import BYTES_PER_SAMPLE, audio_duration_ms

LONGEST_REASON = 300
"""Characters of a library's own message."""


class SttWorker:
    """Runs the configured speech-to-text engine.

    A batch that fails as a whole is done again one by one, so that one bad utterance fails alone.
    """

    def __init__(self, settings: SpeechSettings) -> None:
        """Find the engine, without loading it. Raises ConfigurationError."""
        self._engine = stt_engine(settings)

    def load(self) -> None:
        """Load and warm the model. Raises EngineError or ConfigurationError."""
        _load(self._engine)

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


class TtsWorker:
    """Runs the configured text-to-speech engine."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Find the engine, without loading it. Raises ConfigurationError."""
        self._engine = tts_engine(settings)

    def load(self) -> None:
        """Load and warm the model. Raises EngineError or ConfigurationError."""
        _load(self._engine)

    def synthesize(self, request: Synthesize) -> Generator[bytes, None, None]:
        """Yield one sentence as 8 kHz int16 pieces. Closing the iterator stops the engine.

        Raises EngineError, which never quotes the text.
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


def _load(engine: Engine) -> None:
    """Load the engine; what fails is said in its own words: no caller has spoken to it yet."""
    try:
        engine.load()
    except RaymalError:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(described(error).split())[:LONGEST_REASON]
        raise EngineError(
            f"{type(engine).__name__} could not load: {type(error).__name__} at {_place(error)}: {reason}"
        ) from error


@contextmanager
def engine_errors(engine: object, what: str) -> Iterator[None]:
    """Raise EngineError for any exception of the block that is not one of ours, SystemExit too.

    `what` finishes the sentence "the engine ...", and names an input by its size, not by its content.
    """
    try:
        yield
    except RaymalError:
        raise
    except (Exception, SystemExit) as error:
        # The message and the chain may quote what a caller said: only the type and the place go on.
        kind = type(error).__name__
        raise EngineError(f"{type(engine).__name__} {what}: {kind} at {_place(error)}") from None


def _place(error: BaseException) -> str:
    place = extract_tb(error.__traceback__)[-1]
    return f"{Path(place.filename).name}:{place.lineno}"
