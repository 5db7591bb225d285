"""espeak-ng's own voices: the last resort, for a language that no other engine speaks.

Callers hardly understand them over a telephone: whisper does not either. It says so when it is loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar

from actors.engines.base import TtsEngine
from actors.engines.espeak_library import INSTALL, espeak_library
from actors.engines.phonemes import ESPEAK_VOICES, espeak_voice
from actors.engines.speech_audio import Samples, evened, telephone_pieces
from actors.errors import EngineError
from actors.messages import Synthesize
from actors.sentences import split_sentences
from actors.settings import SpeechSettings

SENTENCE_PAUSE_S = 0.2
WARM_UP_TEXT = "a."

log = logging.getLogger(__name__)


class EspeakTts(TtsEngine):
    """Formant synthesis: no weights, hundreds of times faster than speech, robotic."""

    licence = "GPL-3.0"

    requires: ClassVar[Mapping[str, str]] = {"espeakng_loader": INSTALL}

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the languages that raymal writes texts in; the library has more."""
        return sorted(ESPEAK_VOICES)

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the voices: they are called as their languages."""
        return sorted(ESPEAK_VOICES)

    def load(self) -> None:
        """Load the library, speak once, and warn. Raises EngineError."""
        log.warning(
            "speech.tts = espeak is the last resort: callers hardly understand it over a telephone; "
            "`raymal voices` lists better engines for %s", self.settings.language
        )  # fmt: skip
        for _ in self._speech(WARM_UP_TEXT, espeak_voice(self.settings.language) or "en-us"):
            pass

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the text as 8 kHz pieces, sentence by sentence. Raises EngineError."""
        voice = espeak_voice(request.voice or request.language)
        if voice is None:
            wanted = request.voice or request.language
            raise EngineError(
                f"espeak has no voice {wanted!r}: choose one of {', '.join(sorted(ESPEAK_VOICES))}"
            )
        speech = self._speech(request.text, voice)
        yield from telephone_pieces(speech, espeak_library().rate_hz)

    def _speech(self, text: str, voice: str) -> Iterator[Samples]:
        """Yield the speech of each sentence that has anything to say."""
        library = espeak_library()
        for sentence in split_sentences(text):
            if any(character.isalnum() for character in sentence):
                speech = library.speech(sentence, voice, self.settings.espeak.speed)
                yield evened(speech, library.rate_hz, SENTENCE_PAUSE_S)
