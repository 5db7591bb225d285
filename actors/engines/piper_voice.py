"""What a Piper voice's JSON says, checked: its rate, its language, its phonemes and their numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from actors.checks.languages import normalised
from actors.errors import EngineError

START, END, BETWEEN = "^", "$", "_"
"""Symbols that every voice has besides its phonemes."""


class Audio(BaseModel):
    """What comes out of the model."""

    sample_rate: int = Field(ge=8_000, le=96_000)


class Inference(BaseModel):
    """How the voice was meant to be used: noise, length, and noise of the length."""

    noise_scale: float = Field(default=0.667, ge=0.0, allow_inf_nan=False)
    length_scale: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)
    noise_w: float = Field(default=0.8, ge=0.0, allow_inf_nan=False)


class EspeakVoice(BaseModel):
    """Whose phonemes the voice was trained on."""

    voice: str


def _has_all(numbers: dict[str, list[int]]) -> dict[str, list[int]]:
    if missing := {START, END, BETWEEN} - numbers.keys():
        raise ValueError(f"the symbols {' '.join(sorted(missing))} are missing")
    return numbers


class VoiceConfig(BaseModel):
    """`NAME.onnx.json`, as far as it is used."""

    audio: Audio
    espeak: EspeakVoice
    phoneme_id_map: Annotated[dict[str, list[int]], AfterValidator(_has_all)]
    phoneme_type: str = "espeak"
    inference: Inference = Inference()
    num_speakers: int = 1


def json_of(model: Path) -> Path:
    """Return the place of a model's JSON."""
    return model.with_name(model.name + ".json")


def voice_config(model: Path) -> VoiceConfig:
    """Return what is said of a voice. Raises EngineError with the file and what is wrong in it."""
    path = json_of(model)
    try:
        config = VoiceConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise EngineError(f"piper: {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise EngineError(
            f"piper: {path} is not that of a Piper voice: {where}{first['msg']}; fetch it again"
        ) from None
    if config.phoneme_type != "espeak":
        raise EngineError(f"piper: the voice {model} was not trained on espeak-ng's phonemes: use another")
    return config


def voice_language(model: Path) -> str:
    """Return the language that a voice's JSON says; empty if it says none or cannot be read."""
    try:
        config = json.loads(json_of(model).read_text(encoding="utf-8"))
        return normalised(config.get("language", {}).get("code") or config["espeak"]["voice"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return ""
