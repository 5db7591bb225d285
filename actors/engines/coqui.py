"""Neural voices in many languages from the Coqui library: `from TTS.api import TTS`.

The model is a name of the library (`tts_models/<language>/<dataset>/<model>`, downloaded at first use) or a
folder with `config.json` and a checkpoint, on a CPU or a GPU. A model may have one speaker or many, speak one
language or many, and imitate a recording, which is analysed once, at load. A request for what it does not
have is refused with a list of what it has.

| what the library does | here |
|---|---|
| asks on the terminal whether a license is accepted | an error that names the variable to set |
| logs the texts that it speaks | its loggers are silenced; errors have type and length alone |
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from actors.checks.folders import expanded
from actors.checks.languages import primary
from actors.engines.base import TtsEngine
from actors.engines.speech_audio import Samples, telephone_pieces
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize
from actors.sentences import split_sentences
from actors.settings import SpeechSettings

if TYPE_CHECKING:
    from TTS.api import TTS

INSTALL = "pip install 'raymal[coqui]'"
WARM_UP_TEXT = "Hello, how can I help you?"
IMITATED_VOICE = "raymal-imitated"
"""Under this name the library keeps the voice of `coqui.speaker_wav`."""

CHECKPOINT_NAMES = ("model.pth", "model_file.pth", "best_model.pth", "checkpoint.pth")
"""What the library's downloads and its trainer call the checkpoint; else the folder's only *.pth."""

NAMES_LISTED = 10


class CoquiTts(TtsEngine):
    """Any model of the coqui-tts library, sentence by sentence."""

    licence = "MPL-2.0; each model its own"

    # torchaudio, torchcodec and six are imported by coqui-tts, which does not require them.
    requires: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("TTS", "torch", "torchaudio", "torchcodec", "six"), INSTALL
    )

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings)
        self._tts: TTS
        """Set by `load`."""
        self._voice_folder: str | None = None

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError for a missing package, model folder, checkpoint or recording."""
        super().check(settings)
        try:
            _folder_checkpoint(settings.coqui.model)
        except FileNotFoundError as problem:
            raise ConfigurationError(f"speech.coqui.model: {problem}") from None
        recording = settings.coqui.speaker_wav
        if recording is not None and not Path(recording).is_file():
            raise ConfigurationError(f"speech.coqui.speaker_wav: there is no file {recording!r}")

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the languages that a model's name or its folder's config.json says."""
        config = _folder_config(settings.coqui.model)
        if config is not None:
            network = config.get("model_args") or {}
            speaks_many = config.get("model") == "xtts" or network.get("use_language_embedding")
            return config.get("languages") or None if speaks_many else None
        kind, language, *data_set = [*settings.coqui.model.split("/"), "", ""][:3]
        has_code = kind == "tts_models" and data_set != ["fairseq"] and len(primary(language)) == 2
        return [language] if has_code else None

    @classmethod
    def voices(cls, settings: SpeechSettings) -> Collection[str] | None:
        """Return the speakers that the folder's config.json lists."""
        config = _folder_config(settings.coqui.model) or {}
        return config.get("speakers") or None

    def load(self) -> None:
        """Load the model, learn the recording's voice, speak once. Raises EngineError."""
        settings = self.settings.coqui
        logging.getLogger("TTS").setLevel(logging.CRITICAL + 1)
        try:
            with redirect_stdout(sys.stderr):
                import torch

                torch.set_num_threads(settings.threads)
                self._tts = _load_model(settings.model).to(_device(settings.device))
        except EngineError:
            raise
        except Exception as error:  # a download, a damaged file, torch: all mean no model
            raise EngineError(
                f"coqui: cannot load the model {settings.model!r}: {_reason(error)}; a model of the library "
                "is downloaded at first use, a folder needs config.json and a checkpoint"
            ) from error
        if settings.speaker_wav is not None:
            self._learn_voice(settings.speaker_wav)
        for _ in self._sentences(WARM_UP_TEXT, self._options(self.settings.first_language, None)):
            pass

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the text as 8 kHz pieces, sentence by sentence. Raises EngineError."""
        options = self._options(request.language, request.voice)
        yield from telephone_pieces(
            self._sentences(request.text, options), self._tts.synthesizer.output_sample_rate
        )

    def _sentences(self, text: str, options: dict[str, str]) -> Iterator[Samples]:
        """Yield the speech of each sentence; a sentence of punctuation alone is not spoken."""
        for sentence in split_sentences(text):
            if any(character.isalnum() for character in sentence):
                try:
                    speech = self._tts.tts(sentence, split_sentences=False, **options)
                except Exception as error:  # not chained: the library's messages may quote the text
                    size, kind = len(sentence), type(error).__name__
                    raise EngineError(
                        f"coqui could not speak a sentence of {size} characters: {kind}"
                    ) from None
                yield np.asarray(speech, np.float32)

    def _options(self, language: str, voice: str | None) -> dict[str, str]:
        """Return the library's arguments for a language and a voice."""
        return self._language_option(language) | self._speaker_option(voice)

    def _language_option(self, language: str) -> dict[str, str]:
        """Return the model's own name of the language: itself, else its first part, else a variant of it."""
        languages: list[str] | None = self._tts.languages
        if languages is None:
            return {}
        wanted, first = language.lower().replace("_", "-"), primary(language)
        for known in sorted(languages, key=lambda name: (name.lower() != wanted, name.lower() != first)):
            if primary(known) == first:
                return {"language": known}
        raise EngineError(f"the coqui model does not speak {language!r}; it speaks {_some(languages)}")

    def _speaker_option(self, voice: str | None) -> dict[str, str]:
        """Return a request's voice, else the imitated one, else the configured speaker."""
        if voice is None and self._voice_folder is not None:
            return {"speaker": IMITATED_VOICE, "voice_dir": self._voice_folder}
        name = voice or self.settings.coqui.speaker
        speakers: list[str] | None = self._tts.speakers
        if speakers is None:
            if name is None:
                return {}
            raise EngineError(
                f"the coqui model has a single voice and none called {name!r}: leave the name out"
            )
        if name is None:
            raise EngineError(
                "the coqui model has no default voice: set speech.coqui.speaker to one of its speakers "
                f"({_some(speakers)}), or speech.coqui.speaker_wav to a recording if it can imitate one"
            )
        if name not in speakers:
            raise EngineError(f"the coqui model has no speaker {name!r}; it has {_some(speakers)}")
        return {"speaker": name}

    def _learn_voice(self, recording: str) -> None:
        """Have the library analyse the recording and keep the voice in a folder of this engine's."""
        if not self._tts.synthesizer.tts_config.supports_cloning:
            raise EngineError(
                f"the coqui model {self.settings.coqui.model!r} cannot imitate a recording: "
                "leave speech.coqui.speaker_wav out, or choose a model that clones voices"
            )
        folder = tempfile.mkdtemp(prefix="raymal-voice-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        learning = {"speaker": IMITATED_VOICE, "speaker_wav": recording, "voice_dir": folder}
        try:
            self._tts.tts(
                WARM_UP_TEXT,
                split_sentences=False,
                **self._language_option(self.settings.first_language),
                **learning,
            )
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(f"coqui: cannot learn a voice from {recording!r}: {_reason(error)}") from error
        self._voice_folder = folder


def _load_model(model: str) -> TTS:
    """Load a folder's checkpoint, or a model of the library by its name."""
    from TTS.api import TTS

    checkpoint = _folder_checkpoint(model)
    if checkpoint is not None:
        return TTS(
            model_path=str(checkpoint), config_path=str(checkpoint.parent / "config.json"), progress_bar=False
        )
    _check_name(model)
    return TTS(model, progress_bar=False)


def _folder_checkpoint(model: str) -> Path | None:
    """Return the checkpoint if `model` is a folder, None if it is a name. Raises FileNotFoundError."""
    folder = expanded(model, "speech.coqui.model")
    if not folder.is_dir():
        if model.startswith(("/", ".", "~")):
            raise FileNotFoundError(f"there is no folder {model!r}")
        return None
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"the folder {model!r} has no config.json")
    checkpoints = [folder / name for name in CHECKPOINT_NAMES if (folder / name).is_file()]
    checkpoints = checkpoints[:1] or list(folder.glob("*.pth"))
    if len(checkpoints) != 1:
        found = "several *.pth files" if checkpoints else "no *.pth file"
        raise FileNotFoundError(
            f"the folder {model!r} has {found}: call the checkpoint {CHECKPOINT_NAMES[0]}"
        )
    return checkpoints[0]


def _folder_config(model: str) -> dict[str, Any] | None:
    """Return the config.json of a folder; None if `model` is no folder, or it cannot be read."""
    try:
        config = json.loads((Path(model).expanduser() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return None
    return config if isinstance(config, dict) else None


def _check_name(model: str) -> None:
    """Raise EngineError for a name that is not the library's, or a license that is not accepted.

    The library would ask on the terminal (TTS/utils/manage.py, `ModelManager.ask_tos`).
    """
    from TTS.utils.manage import ModelManager

    manager = ModelManager(progress_bar=False)
    item = manager.models_dict
    for part in model.split("/"):
        item = item.get(part, {})
    has_form = model.startswith("tts_models/") and model.count("/") == 3
    if not has_form or not (item or "/fairseq/" in model):
        raise EngineError(
            f"coqui: {model!r} is neither a folder nor a text-to-speech model of the library; "
            "`tts --list_models` prints their names"
        )
    if not manager.tos_agreed(item, manager.output_prefix / model.replace("/", "--")):
        raise EngineError(
            f"coqui: the license of {model!r} ({item.get('license')}) must be accepted by the operator: read "
            "it, then set COQUI_TOS_AGREED=1 in the environment of the workers"
        )


def _device(wanted: str) -> str:
    """Return the torch device for `auto`, `cpu` or `cuda`. Raises EngineError for a GPU that is not there."""
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise EngineError(
            "coqui: torch sees no GPU: set speech.coqui.device to auto or cpu, or install its CUDA build"
        )
    return "cuda" if available and wanted != "cpu" else "cpu"


def _some(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    listed = ", ".join(names[:NAMES_LISTED]) or "none"
    more = len(names) - NAMES_LISTED
    return f"{listed} and {more} more" if more > 0 else listed


def _reason(error: Exception) -> str:
    """Return an error's type and the first line of its message."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"
