"""Kokoro-82M: natural voices in Portuguese, Spanish, Italian, French and English on a CPU, from local files.

`raymal voices install pt-BR` brings the model and the voices. A second of speech costs about half a second of
a core: a text is spoken in pieces of a few words, so that the first is heard while the next is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from actors.checks.languages import choice
from actors.engines.base import TtsEngine
from actors.engines.espeak_library import espeak_library
from actors.engines.phonemes import Clause, clauses, espeak_voice, kokoro_sounds, short_groups, sounds
from actors.engines.speech_audio import Samples, evened, telephone_pieces
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.voices import installation
from actors.voices import kokoro_release as release
from actors.voices.folders import voice_folder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

RATE_HZ = 24_000
MAX_SYMBOLS = 500
"""The model's limit is 510 with a mark at each end; a piece has far fewer."""
CLAUSE_PAUSE_S = 0.12
SENTENCE_PAUSE_S = 0.3
WARM_UP_TEXTS = {
    "pt": "Bom dia.",
    "es": "Buenos días.",
    "it": "Buongiorno.",
    "fr": "Bonjour.",
    "en": "Hello.",
}

# The model's numbers of its symbols (config.json of Kokoro-82M 1.0): those of a run are consecutive.
# fmt: off
_RUNS = {
    1: ";:,.!?", 9: "—…\"()“” \u0303ʣʥʦʨᵝ\uab67AI", 31: "O", 33: "Q", 35: "ST", 39: "W", 41: "Yᵊabcdef",
    50: "hijklmnopqrstuvwxyzɑɐɒæ", 75: "βɔɕç", 80: "ɖðʤə", 85: "ɚɛɜ", 90: "ɟ", 92: "ɡ", 99: "ɥ", 101: "ɨɪʝ",
    110: "ɯɰŋɳɲɴø", 118: "ɸθœ", 123: "ɹ", 125: "ɾɻ", 128: "ʁɽʂʃʈʧ", 135: "ʊʋ", 138: "ʌɣɤ", 142: "χʎ",
    147: "ʒʔ",
    156: "ˈˌː", 162: "ʰ", 164: "ʲ", 169: "↓", 171: "→↗↘", 177: "ᵻ",
}
# fmt: on
SYMBOLS = {symbol: start + index for start, run in _RUNS.items() for index, symbol in enumerate(run)}


class KokoroTts(TtsEngine):
    """A model of 82 million weights in int8; any of its voices in any of its languages."""

    licence = "Apache-2.0; espeak-ng: GPL-3.0"
    real_time_factor: ClassVar[float] = 0.6

    requires: ClassVar[Mapping[str, str]] = {
        "onnxruntime": "pip install onnxruntime",
        "espeakng_loader": "pip install 'raymal[kokoro]'",
    }

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings)
        self._session: InferenceSession
        """Set by `load`."""
        self._styles: dict[str, Samples] = {}

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError for a missing package, model or voice."""
        super().check(settings)
        folder = _folder(settings)
        voices = installation.installed_voices(folder)
        wanted = settings.kokoro.voice or release.default_voice(settings.first_language)
        if not installation.is_model_there(folder) or not voices:
            language = settings.first_language if release.voices_of(settings.first_language) else "LANGUAGE"
            raise ConfigurationError(
                f"kokoro's model or voices are not in {folder}: run `raymal voices install {language}`, or "
                "set speech.kokoro.folder to where they are"
            )
        if wanted is not None and wanted not in voices:
            raise ConfigurationError(_missing(wanted, folder))

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the languages that its voices speak and its sounds are known for."""
        return list(release.LANGUAGES.values())

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the voices of the release, and those of the operator's own in the folder."""
        return sorted({*release.VOICES, *installation.installed_voices(_folder(settings))})

    def load(self) -> None:
        """Load the model and the sounds, speak once. Raises EngineError."""
        import onnxruntime

        espeak_library()
        model = _folder(self.settings) / release.MODEL_FILE
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.settings.kokoro.threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # a missing or damaged file
            raise EngineError(
                f"kokoro: cannot load {model}: {type(error).__name__}; run `raymal voices install LANGUAGE`"
            ) from error
        language = self.settings.first_language
        if release.default_voice(language) is None:
            language = "en"
        voice = self.settings.kokoro.voice or self._any_voice(language)
        text = WARM_UP_TEXTS[language.partition("-")[0]]
        for _ in self._speech(text, language, self._style(voice)):
            pass

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the text as 8 kHz pieces, a few words at first. Raises EngineError."""
        known = release.default_voice(request.language)
        if known is None:
            raise EngineError(release.unknown_language(request.language))
        style = self._style(request.voice or self.settings.kokoro.voice or known)
        yield from telephone_pieces(self._speech(request.text, request.language, style), RATE_HZ)

    def _speech(self, text: str, language: str, style: Samples) -> Iterator[Samples]:
        """Yield the speech of each piece of the text."""
        library, voice = espeak_library(), espeak_voice(language) or "en-us"
        try:
            for group in short_groups(clauses(text)):
                spoken = sounds(group, lambda words: library.phonemes(words, voice))
                symbols = [SYMBOLS[each] for each in kokoro_sounds(spoken, language) if each in SYMBOLS]
                for start in range(0, len(symbols), MAX_SYMBOLS):
                    part = symbols[start : start + MAX_SYMBOLS]
                    yield evened(self._run(part, style), RATE_HZ, _pause_s(group[-1]))
        except EngineError:
            raise
        except Exception as error:  # not chained: the message may quote the text
            size, kind = len(text), type(error).__name__
            raise EngineError(f"kokoro could not speak a text of {size} characters: {kind}") from None

    def _run(self, symbols: list[int], style: Samples) -> Samples:
        inputs = {
            "tokens": np.array([[0, *symbols, 0]], np.int64),
            "style": style[len(symbols)],
            "speed": np.array([self.settings.kokoro.speed], np.float32),
        }
        audio: Samples = self._session.run(None, inputs)[0]
        return audio

    def _any_voice(self, language: str) -> str:
        """Return the voice of a language, or one that is here: an extension may name that alone."""
        own = release.default_voice(language) or ""
        here = installation.installed_voices(_folder(self.settings))
        return own if own in here or not here else here[0]

    def _style(self, voice: str) -> Samples:
        """Return a voice: for each length of a text a style. Raises EngineError."""
        if voice not in self._styles:
            folder = _folder(self.settings)
            if voice not in self.voices(self.settings):
                known = self.voices(self.settings)
                raise EngineError(f"kokoro has no voice {voice!r}: {choice(voice, known)}")
            try:
                content = np.fromfile(installation.voice_file(folder, voice), np.float32)
                styles = content.reshape(release.VOICE_STYLES, 1, release.STYLE_SIZE)
            except (OSError, ValueError):
                raise EngineError(_missing(voice, folder)) from None
            if not np.isfinite(styles).all():
                raise EngineError(_missing(voice, folder, "is damaged"))
            self._styles[voice] = styles
        return self._styles[voice]


def _pause_s(last: Clause) -> float:
    if last.ends_sentence:
        return SENTENCE_PAUSE_S
    return CLAUSE_PAUSE_S if last.mark else 0.0


def _folder(settings: SpeechSettings) -> Path:
    return voice_folder("kokoro", settings.kokoro.folder)


def _missing(voice: str, folder: Path, what: str = "is not") -> str:
    language = release.voice_language(voice) or "LANGUAGE"
    return f"kokoro's voice {voice!r} {what} in {folder}: run `raymal voices install {language}`"
