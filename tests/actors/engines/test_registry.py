"""What the engines say of a language and a voice before they are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from actors.engines.registry import language_problems, voice_problems
from actors.settings import CoquiSettings, SpeechSettings

MANY: dict[str, Any] = {
    "model_args": {"use_language_embedding": True},
    "languages": ["en", "pt-br"],
    "speakers": ["alto", "bass"],
}


def coqui(model: str) -> SpeechSettings:
    return SpeechSettings(stt="scripted", tts="coqui", coqui=CoquiSettings(model=model))


@pytest.mark.parametrize(
    ("model", "language", "is_known"),
    [
        ("tts_models/en/ljspeech/vits", "en-GB", True),
        ("tts_models/en/ljspeech/vits", "pt", False),
        ("tts_models/zh-CN/baker/tacotron2-DDC-GST", "zh", True),
        ("tts_models/multilingual/multi-dataset/xtts_v2", "xx", True),
        ("tts_models/por/fairseq/vits", "pt", True),
        ("tts_models", "pt", True),
    ],
)
def test_a_coqui_model_says_its_language_by_its_name(model: str, language: str, is_known: bool) -> None:
    """A name that does not say it is judged when the model is loaded."""
    assert (not list(language_problems(coqui(model), language, "speech.language"))) == is_known


@pytest.mark.parametrize(
    ("config", "language", "voice", "problems"),
    [
        (MANY, "pt", "alto", 0),
        (MANY, "de", "altos", 2),
        ({"model": "xtts", "languages": ["en", "zh-cn"]}, "zh_CN", "any", 0),
        ({"model": "xtts", "languages": ["en"]}, "pt", "any", 1),
        ({"model_args": None, "languages": None}, "pt", "any", 0),
        ([], "pt", "any", 0),
    ],
)
def test_a_coqui_folder_says_what_it_has(
    tmp_path: Path, config: object, language: str, voice: str, problems: int
) -> None:
    """As far as its config.json does."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    speech = coqui(str(tmp_path))
    found = [
        *language_problems(speech, language, "speech.language"),
        *voice_problems(speech, voice, "extensions.a.voice"),
    ]
    assert len(found) == problems, found
    if problems == 2:
        assert "did you mean 'alto'?" in found[1]


def test_engines_that_may_not_be_installed_here_are_not_asked() -> None:
    """The built-in ones are."""
    speech = SpeechSettings(stt="whisper", tts="no.such.module:Engine")
    found = list(language_problems(speech, "xx", "speech.language", only_built_in=True))
    assert len(found) == 1
    assert list(voice_problems(speech, "xx", "extensions.a.voice", only_built_in=True)) == []


def test_settings_as_of_a_server_that_speaks_otherwise() -> None:
    """With another engine, language or voice: each that is not given stays, whichever the others are."""
    server = SpeechSettings(tts="hibari", language="en")
    assert server.for_engine(None) == server.for_engine("hibari") == server
    assert server.for_engine("hibari", "pt") == SpeechSettings(tts="hibari", language="pt")
    other = server.for_engine("kokoro", voice="pf_dora")
    assert (other.tts, other.language, other.kokoro.voice) == ("kokoro", "en", "pf_dora")
    assert other.hibari == server.hibari
    assert server.for_engine("own_speech:Demanding", "eo", "zamenhof").own_table("own_speech:Demanding") == {}
