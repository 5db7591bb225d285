"""English speech from the `hibari` engine: a small model whose weights are inside the Python package.

One voice, "heart", comes with the package and needs no network; the library downloads the others when they
are first used. Sentences are synthesized one by one, so that the first is heard while the second is made. The
noise part of the voice has a fixed seed: the same text is always the same audio, and a phrase may be cached.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from actors.checks.languages import choice, primary
from actors.engines.base import TtsEngine
from actors.engines.speech_audio import Samples, telephone_pieces
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize
from actors.settings import SpeechSettings

if TYPE_CHECKING:
    from hibari import Hibari

NOISE_SEED = 0
WARM_UP_TEXT = "Hello, how can I help you?"


class HibariTts(TtsEngine):
    """English only, CPU only, fifty to eighty times faster than real time on one core."""

    licence = "Apache-2.0"

    requires: ClassVar[Mapping[str, str]] = {"hibari": "pip install hibari-tts"}

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings)
        self._voices: dict[str, Hibari] = {}

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError for a missing package or an unknown voice."""
        super().check(settings)
        if settings.hibari.voice not in _voice_names():
            raise ConfigurationError(f"speech.hibari.voice: {_unknown(settings.hibari.voice)}")

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str]:
        """Return English."""
        return ["en"]

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the library's voices; None if it is not on this machine."""
        return _voice_names() if find_spec("hibari") is not None else None

    def load(self) -> None:
        """Load the configured voice and speak once. Raises EngineError."""
        voice = self._voice(self.settings.hibari.voice)
        for _ in self._sentences(voice, WARM_UP_TEXT):
            pass

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the text as 8 kHz pieces, sentence by sentence. Raises EngineError."""
        if primary(request.language) != "en":
            raise EngineError(_not_english(request.language))
        voice = self._voice(request.voice or self.settings.hibari.voice)
        yield from telephone_pieces(self._sentences(voice, request.text), voice.sample_rate)

    def _voice(self, name: str) -> Hibari:
        """Return a loaded voice with its pronunciation rules."""
        if name not in self._voices:
            if name not in _voice_names():
                raise EngineError(_unknown(name))
            try:
                from hibari import Hibari

                voice = Hibari(voice=name, threads=self.settings.hibari.threads)
                _ = voice.g2p  # the lexicon, half a second: loaded by the library at first use
            except Exception as error:  # a download, a broken file or onnxruntime: all mean no voice
                raise EngineError(f"hibari: cannot load the voice {name!r}: {error}") from error
            self._voices[name] = voice
        return self._voices[name]

    def _sentences(self, voice: Hibari, text: str) -> Iterator[Samples]:
        """Yield the speech of each sentence; a sentence of punctuation alone is not spoken."""
        speed = self.settings.hibari.speed
        try:
            for phonemes in voice.phonemize(text):
                if any(symbol.isalpha() for symbol in phonemes):
                    yield voice.from_phonemes(phonemes, speed, NOISE_SEED)
        except Exception as error:  # not chained: the message may quote the text
            size, kind = len(text), type(error).__name__
            raise EngineError(f"hibari could not speak a text of {size} characters: {kind}") from None


def _voice_names() -> list[str]:
    """The library's voices. Its import is light: onnxruntime comes with the first model."""
    from hibari.voices import VOICES

    return list(VOICES)


def _not_english(language: str) -> str:
    return (
        f"the hibari engine speaks English only, not {language!r}: set speech.tts to another engine, "
        "for example kokoro; `raymal voices` lists them with their languages"
    )


def _unknown(voice: str) -> str:
    return f"hibari has no voice {voice!r}: {choice(voice, _voice_names())}"
