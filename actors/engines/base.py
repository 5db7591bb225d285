"""The two kinds of engine.

An engine is a model: heavy, loaded once per worker, used by one thread at a time, which is not the event
loop's. Errors are EngineErrors that say what, where and what to do; no message contains a transcript.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, ClassVar

from pydantic import BaseModel

from actors.engines.abandonment import Abandonment
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.plugins.mistakes import own_settings
from actors.settings import Section, SpeechSettings, table_name


class Engine(ABC):
    """What both kinds share: settings, a cheap check, a slow load."""

    setting: ClassVar[str]
    """The key in `[speech]` that names the engine."""

    requires: ClassVar[Mapping[str, str]] = {}
    """Import name of each heavy package to the command that installs it."""

    Settings: ClassVar[type[BaseModel]] = Section
    """The model of the engine's own settings, `[speech.NAME]`. Built-in engines use `settings`."""

    options: Any
    """An instance of `Settings`."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Read the settings; load nothing. Raises ConfigurationError."""
        self.settings = settings
        self.options = self.own_settings(settings)

    @classmethod
    def own_settings(cls, settings: SpeechSettings) -> BaseModel:
        """Return the engine's own settings, checked. Raises ConfigurationError."""
        name = getattr(settings, cls.setting)
        return own_settings(cls.Settings, settings.own_table(name), f"speech.{table_name(name)}")

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

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the codes of the languages it works in, of any region; None: it does not say.

        Cheap, as `check`. It may run on another machine than the engine.
        """
        return None

    @abstractmethod
    def load(self) -> None:
        """Load the model and run it once. Raises EngineError."""


class SttEngine(Engine):
    """Speech to text: 8 kHz int16 in, words out."""

    setting = "stt"

    @property
    def batch_size(self) -> int:
        """Utterances that the loaded engine is best given together: the most it will be given."""
        return 1

    @abstractmethod
    def transcribe(self, request: Transcribe, abandonment: Abandonment | None = None) -> Transcript:
        """Return the words of one utterance. Raises EngineError; AbandonedError soon after `abandonment`."""

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or what `transcribe` would raise. This one works one by one.

        Raises EngineError if the engine has failed as a whole.
        """
        outcomes: list[Transcript | EngineError] = []
        for request, abandonment in zip(requests, abandonments, strict=True):
            try:
                outcomes.append(self.transcribe(request, abandonment))
            except EngineError as error:
                outcomes.append(error)
        return outcomes


class BatchSttEngine(SttEngine):
    """One that transcribes in batches; a single utterance is a batch of one."""

    def transcribe(self, request: Transcribe, abandonment: Abandonment | None = None) -> Transcript:
        """Return the words of one utterance; the text is empty if there was no speech. Raises EngineError."""
        (outcome,) = self.transcribe_batch([request], [abandonment or Abandonment()])
        if isinstance(outcome, EngineError):
            raise outcome
        return outcome

    @abstractmethod
    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or what `transcribe` would raise. Raises EngineError."""


class TtsEngine(Engine):
    """Text to speech: one sentence in, 8 kHz int16 pieces out."""

    setting = "tts"

    licence: ClassVar[str | None] = None
    """Of the voices and of the library that speaks them, by SPDX names; None: it is not known here."""

    scripts: ClassVar[frozenset[str] | None] = None
    """Scripts that its voices read, as `actors.speakable.language_scripts` names them; None: those of the
    request's language. A text of which half is in other letters is refused before it gets here."""

    real_time_factor: ClassVar[float] = 0.02
    """About how many seconds one core needs for a second of speech. It counts until that has been measured:
    sentences of a slow engine are spoken clause by clause."""

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the voices that a request may name; None: it does not say. Cheap, as `languages`."""
        return None

    @abstractmethod
    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the sentence's audio as soon as each piece is made. Raises EngineError.

        Pieces are 8 kHz int16 mono, non-empty, at most two seconds long (32,000 bytes: well inside
        one Ray message). Closing the iterator stops work. The text is speakable (`actors.speakable`): to
        yield nothing for it is an error.
        """
