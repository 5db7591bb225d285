"""The two shapes of engine.

An engine is the model: heavy, loaded once per worker, used by one thread at a time. Loading happens
in `load`, which also warms the model, so that the first caller does not pay for it. Engines are
synchronous: the wire that runs them keeps them off its event loop. Each raises EngineError with what,
where and what to do; no message contains a transcript.

A transcriber may take several utterances at once where its model gains from that, and looks between its
steps whether anybody still waits for them. A voice is stopped by closing its iterator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import ClassVar

from actors.engines.abandonment import Abandonment
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.settings import SpeechSettings


class Engine(ABC):
    """What both shapes share: settings, a cheap check, a slow load."""

    requires: ClassVar[Mapping[str, str]] = {}
    """Import name of each heavy package to the command that installs it."""

    def __init__(self, settings: SpeechSettings) -> None:
        self.settings = settings

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError if this machine clearly cannot load the engine.

        Cheap: looks for packages and files, imports no model library.
        """
        for package, install in cls.requires.items():
            if find_spec(package) is None:
                raise ConfigurationError(
                    f"{cls.__name__} needs the Python package {package!r}: run `{install}`"
                )

    @abstractmethod
    def load(self) -> None:
        """Load the model and run it once. Raises EngineError."""


class SttEngine(Engine):
    """Speech to text: 8 kHz int16 in, words out."""

    @property
    def batch_size(self) -> int:
        """Utterances that the loaded engine is best given together: the most it will be given."""
        return 1

    @abstractmethod
    def transcribe(self, request: Transcribe, abandonment: Abandonment | None = None) -> Transcript:
        """Return the words of one utterance. Raises EngineError; AbandonedError soon after it is given up."""

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or what `transcribe` would raise.

        An engine that has failed as a whole raises EngineError instead. This one works one by one.
        """
        outcomes: list[Transcript | EngineError] = []
        for request, abandonment in zip(requests, abandonments, strict=True):
            try:
                outcomes.append(self.transcribe(request, abandonment))
            except EngineError as error:
                outcomes.append(error)
        return outcomes


class TtsEngine(Engine):
    """Text to speech: one sentence in, 8 kHz int16 pieces out."""

    @abstractmethod
    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the sentence's audio as soon as each piece is made. Raises EngineError.

        Pieces are 8 kHz int16 mono, non-empty, at most two seconds long (32,000 bytes: well inside
        one Ray message). Text with nothing to say yields nothing. Closing the iterator stops work.
        """
