"""One transcriber, and one speaker with one engine or several: loaded once, used by one thread at a time.

Plain classes that know neither Ray nor threads; `WorkerThread` runs one on a thread of its own. Any exception
of an engine becomes an EngineError that quotes nothing a caller said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

from actors.engines.abandonment import Abandonment
from actors.engines.base import Engine, TtsEngine
from actors.engines.registry import stt_engine, tts_engine
from actors.errors import EngineError, RaymalError, described
from actors.messages import MAXIMUM_FURTHER_ENGINES, FurtherEngine, Synthesize, Transcribe, Transcript
from actors.settings import SpeechSettings
from actors.speakable import language_scripts, unreadable
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, audio_duration_ms

MAXIMUM_PIECE_BYTES = 2 * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
"""Two seconds: well inside one message of Ray and of the link, whatever an engine makes at once."""
MAXIMUM_SPEECH_S = 40
"""Of one request, which is about 10 s of speech at a usual speed. With the gateway's lead of 20 s the playout
queue has room for it."""
MAXIMUM_SPEECH_BYTES = MAXIMUM_SPEECH_S * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE

LOAD_AGAIN_S = 60.0
"""After an engine failed to load; then a request for it makes the worker try again, and others wait."""

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


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an engine is not there."""

    reason: str
    failed_s: float


class TtsWorker:
    """Runs text-to-speech engines: `speech.tts`, and others once they are asked for.

    One that fails to load costs the requests for it alone.
    """

    def __init__(self, settings: SpeechSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """Find the engine `speech.tts`, without loading it. Raises ConfigurationError."""
        self._settings = settings
        self._clock = clock
        self._engine = tts_engine(settings)
        self._further: dict[str, TtsEngine | _Failure] = {}
        """By name, those that were asked for, the first one first."""

    def load(self) -> None:
        """Load and warm the engine `speech.tts`. Raises EngineError or ConfigurationError."""
        _load(self._engine)

    def prepare(self, engines: Iterable[FurtherEngine]) -> dict[str, str]:
        """Load what is missing of these engines; return for each that cannot be used the reason."""
        problems: dict[str, str] = {}
        for engine in engines:
            try:
                self._engine_of(engine.name, engine.language)
            except RaymalError as error:
                problems[engine.name] = described(error)
        return problems

    def _engine_of(self, name: str | None, language: str) -> TtsEngine:
        """Return an engine, loaded in that language if it was not there. Raises EngineError."""
        if name is None or name == self._settings.tts:
            return self._engine
        found, now = self._further.get(name), self._clock()
        if isinstance(found, _Failure) and now - found.failed_s < LOAD_AGAIN_S:
            raise EngineError(found.reason)
        if isinstance(found, TtsEngine):
            return found
        self._further.pop(name, None)  # it has failed once: no other one has to go for it
        while len(self._further) >= MAXIMUM_FURTHER_ENGINES:
            del self._further[next(iter(self._further))]
        try:
            engine = tts_engine(self._settings.for_engine(name, language))
            _load(engine)
        except RaymalError as error:
            reason = f"the engine {name!r} is not there: {described(error).splitlines()[0]}"
            self._further[name] = _Failure(reason, self._clock())
            raise EngineError(reason) from error
        self._further[name] = engine
        return engine

    def synthesize(self, request: Synthesize) -> Generator[bytes, None, None]:
        """Yield a sentence as 8 kHz int16 pieces of two seconds at most. Closing the iterator stops it.

        Raises EngineError, which never quotes the text: also for letters that the voice cannot read, for a
        text that is not blank and makes no sound, and for what is no audio, or far too much of it.
        """
        engine = self._engine_of(request.engine, request.language)
        _check_readable(engine, request)
        made_bytes, has_sound = 0, False
        with engine_errors(engine, f"failed on {len(request.text)} characters"):
            pieces = engine.synthesize(request)
            if not isinstance(pieces, Iterable):
                raise EngineError(f"{_name(engine)}.synthesize returned a {_kind(pieces)}: use `yield`")
            try:
                for piece in pieces:
                    audio = _checked_audio(engine, piece)
                    made_bytes += len(audio)
                    has_sound = has_sound or any(audio)
                    if made_bytes > MAXIMUM_SPEECH_BYTES:
                        raise EngineError(
                            f"{_name(engine)} made more than {MAXIMUM_SPEECH_S} s of audio of "
                            f"{len(request.text)} characters"
                        )
                    for start in range(0, len(audio), MAXIMUM_PIECE_BYTES):
                        yield audio[start : start + MAXIMUM_PIECE_BYTES]
            finally:
                if isinstance(pieces, Generator):
                    pieces.close()
        if not has_sound and request.text.strip():
            what = "only silence" if made_bytes else "no audio"
            raise EngineError(f"{_name(engine)} made {what} of {len(request.text)} characters")


def _check_readable(engine: TtsEngine, request: Synthesize) -> None:
    """Raise EngineError if the voice would leave out half of the letters, or all: a silent answer."""
    scripts = engine.scripts or language_scripts(request.language)
    problem = unreadable(request.text, scripts) if scripts else None
    if problem:
        raise EngineError(
            f"{_name(engine)} cannot read this text in the language {request.language!r}: {problem}"
        )


def _checked_audio(engine: TtsEngine, piece: object) -> bytes:
    """Return a piece of an engine's audio as bytes. Raises EngineError, which says what came instead."""
    if not isinstance(piece, bytes | bytearray):
        raise EngineError(
            f"{_name(engine)} yielded a {_kind(piece)}: it has to yield bytes, 8 kHz int16 mono "
            "(`telephone_pieces` of actors.engines.speech_audio makes them)"
        )
    if len(piece) % BYTES_PER_SAMPLE:  # all that follows would be loud noise
        raise EngineError(f"{_name(engine)} yielded half a sample of int16: {len(piece)} bytes")
    return bytes(piece)


def _kind(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _name(engine: Engine) -> str:
    return type(engine).__name__


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
