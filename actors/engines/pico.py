"""SVOX Pico from the package `ttspico`: clear, small voices, 150 times faster than speech.

One voice for each language. The package contains the library's source and compiles it when it is installed. A
sentence is made as a whole: a few hundredths of a second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from actors.checks.languages import normalised, primary
from actors.engines.base import TtsEngine
from actors.engines.speech_audio import Samples, evened, telephone_pieces
from actors.errors import EngineError
from actors.messages import Synthesize
from actors.sentences import split_sentences
from actors.settings import SpeechSettings

if TYPE_CHECKING:
    from ttspico import TtsEngine as PicoLibrary

RATE_HZ = 16_000
NORMAL_RATE_PERCENT = 100
SENTENCE_PAUSE_S = 0.2
VOICES = {"en": "en-US", "en-GB": "en-GB", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "it": "it-IT"}
"""The voice of a language, or of one of its regions."""
WARM_UP_TEXT = "a."


class PicoTts(TtsEngine):
    """German, Spanish, French, Italian, British and American English on a CPU."""

    licence = "Apache-2.0"

    requires: ClassVar[Mapping[str, str]] = {
        "ttspico": "pip install 'raymal[pico]' (it is compiled: needs gcc and Python's header files)"
    }

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings)
        self._voices: dict[str, PicoLibrary] = {}

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the languages of the voices."""
        return sorted(VOICES.values())

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the voices: they are called as their languages."""
        return sorted(VOICES.values())

    def load(self) -> None:
        """Load the language's voice and speak once. Raises EngineError."""
        voice = _voice_name(self.settings.first_language, None) or "en-US"
        for _ in self._speech(WARM_UP_TEXT, self._voice(voice)):
            pass

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the text as 8 kHz pieces, sentence by sentence. Raises EngineError."""
        name = _voice_name(request.language, request.voice)
        if name is None:
            wanted = request.voice or request.language
            raise EngineError(
                f"pico has no voice {wanted!r}: choose one of {', '.join(sorted(VOICES.values()))}"
            )
        yield from telephone_pieces(self._speech(request.text, self._voice(name)), RATE_HZ)

    def _voice(self, name: str) -> PicoLibrary:
        if name not in self._voices:
            try:
                from ttspico import TtsEngine as PicoLibrary

                voice = PicoLibrary(name)
                voice.rate = round(NORMAL_RATE_PERCENT * self.settings.pico.speed)
            except Exception as error:  # files that are missing, a build that does not fit
                raise EngineError(
                    f"pico: cannot load the voice {name!r}: {type(error).__name__}; reinstall it: "
                    "`pip install --force-reinstall ttspico`"
                ) from error
            self._voices[name] = voice
        return self._voices[name]

    def _speech(self, text: str, voice: PicoLibrary) -> Iterator[Samples]:
        """Yield the speech of each sentence that has anything to say."""
        for sentence in split_sentences(_plain(text)):
            if any(character.isalnum() for character in sentence):
                try:
                    audio = voice.speak(sentence) or b""
                except Exception as error:  # not chained: the message may quote the text
                    size, kind = len(sentence), type(error).__name__
                    raise EngineError(f"pico could not speak {size} characters: {kind}") from None
                speech = np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768.0)
                yield evened(speech, RATE_HZ, SENTENCE_PAUSE_S)


def _voice_name(language: str, voice: str | None) -> str | None:
    if voice is not None:
        return voice if voice in VOICES.values() else None
    return VOICES.get(normalised(language)) or VOICES.get(primary(language))


def _plain(text: str) -> str:
    """Angle brackets would be commands, and a zero byte the end."""
    return text.translate({ord("<"): " ", ord(">"): " ", 0: " "})
