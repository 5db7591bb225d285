"""espeak-ng's own voices: the last resort, for a language that no other engine speaks.

Callers hardly understand them over a telephone: whisper does not either. It says so when it is loaded.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from actors.checks.languages import choice, normalised, primary
from actors.engines.base import TtsEngine
from actors.engines.espeak_library import INSTALL, espeak_library
from actors.engines.phonemes import ESPEAK_VOICES
from actors.engines.speech_audio import Samples, evened, telephone_pieces
from actors.errors import EngineError
from actors.messages import Synthesize
from actors.sentences import split_sentences
from actors.settings import SpeechSettings

SENTENCE_PAUSE_S = 0.2
WARM_UP_TEXT = "a."
_CODE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")

log = logging.getLogger(__name__)


class EspeakTts(TtsEngine):
    """Formant synthesis: no weights, hundreds of times faster than speech, robotic."""

    licence = "GPL-3.0"

    requires: ClassVar[Mapping[str, str]] = {"espeakng_loader": INSTALL}

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the hundred languages of the library; None if it is not on this machine."""
        return sorted(_voices()) or None

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the voices: they are called as their languages."""
        return sorted(_voices()) or None

    def load(self) -> None:
        """Load the library, speak once, and warn. Raises EngineError."""
        log.warning(
            "the engine espeak is the last resort: callers hardly understand it over a telephone; "
            "`raymal voices` lists better engines"
        )
        for _ in self._speech(WARM_UP_TEXT, _voice(self.settings.first_language) or "en-us"):
            pass

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the text as 8 kHz pieces, sentence by sentence. Raises EngineError."""
        wanted = request.voice or request.language
        voice = _voice(wanted)
        if voice is None:
            raise EngineError(f"espeak has no voice {wanted!r}: {choice(wanted, _voices())}")
        yield from telephone_pieces(self._speech(request.text, voice), espeak_library().rate_hz)

    def _speech(self, text: str, voice: str) -> Iterator[Samples]:
        """Yield the speech of each sentence that has anything to say."""
        library = espeak_library()
        for sentence in split_sentences(text):
            if any(character.isalnum() for character in sentence):
                speech = library.speech(sentence, voice, self.settings.espeak.speed)
                yield evened(speech, library.rate_hz, SENTENCE_PAUSE_S)


def _voice(language: str) -> str | None:
    """Return the library's voice of a language or of its region; None: it has none."""
    known = _voices()
    try:
        return known.get(normalised(language)) or known.get(primary(language))
    except ValueError:  # not even a code
        return None


@cache
def _voices() -> dict[str, str]:
    """Return the library's name of each language's voice; empty if it is not on this machine."""
    found = find_spec("espeakng_loader")
    if found is None or found.origin is None:
        return {}
    files = (Path(found.origin).parent / "espeak-ng-data" / "lang").rglob("*")
    own = {path.name: path.name.lower() for path in files if _CODE.fullmatch(path.name) and path.is_file()}
    return {**own, "no": "nb", "zh": "cmn", **ESPEAK_VOICES}
