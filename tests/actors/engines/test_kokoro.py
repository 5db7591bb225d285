"""Kokoro with its real model (`raymal voices install pt-BR`), and what it says without."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from actors.engines.kokoro import SYMBOLS, KokoroTts
from actors.engines.whisper import WhisperStt
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe
from actors.settings import KokoroSettings, SpeechSettings
from actors.voices import installation
from actors.voices import kokoro_release as release
from actors.voices.folders import voice_folder

INSTALLED = voice_folder("kokoro", None)
needs_model = pytest.mark.skipif(
    not installation.is_model_there(INSTALLED), reason="run `raymal voices install pt-BR`"
)
FULL = "Bom dia, pode entrar."


def settings(folder: Path = INSTALLED, language: str = "pt-BR", voice: str | None = None) -> SpeechSettings:
    return SpeechSettings(
        tts="kokoro", language=language, kokoro=KokoroSettings(folder=str(folder), voice=voice)
    )


@pytest.fixture(scope="module")
def engine() -> KokoroTts:
    KokoroTts.check(settings())
    loaded = KokoroTts(settings())
    loaded.load()
    return loaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks installed, of the right sizes: nothing in it can be loaded."""
    (tmp_path / "voices").mkdir()
    sizes = {"model.onnx": release.MODEL_BYTES, "voices/pm_alex.bin": release.VOICE_BYTES}
    for name, size_bytes in {**sizes, "voices/pf_dora.bin": 4}.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size_bytes)
    return tmp_path


@pytest.mark.models
@needs_model
def test_whisper_understands_its_portuguese_and_the_first_words_come_early(
    engine: KokoroTts, whisper: WhisperStt
) -> None:
    """As a caller hears it: at 8 kHz, at the level of other engines, in pieces."""
    began = time.perf_counter()
    pieces = engine.synthesize(Synthesize("call", FULL, "pt-BR"))
    first = next(pieces)
    first_s = time.perf_counter() - began
    audio = first + b"".join(pieces)
    whole_s = time.perf_counter() - began
    assert first_s < 0.7 * whole_s
    samples = np.frombuffer(audio, "<i2") / 32768.0
    loud = np.abs(samples) > 0.01
    assert -25.0 < 20 * np.log10(np.sqrt(np.mean(samples[loud] ** 2))) < -19.0
    assert np.argmax(loud) / 8000 < 0.1
    heard = whisper.transcribe(Transcribe("call", audio, "pt")).text
    assert re.findall(r"\w+", heard.lower()) == ["bom", "dia", "pode", "entrar"]


@pytest.mark.models
@needs_model
def test_requests_that_it_cannot_speak_are_refused(engine: KokoroTts) -> None:
    """With what it has; nothing to say is nothing."""
    with pytest.raises(EngineError, match=r"no voice for the language 'de'.*en-GB, en-US, es, fr, it, pt-BR"):
        next(engine.synthesize(Synthesize("call", "Guten Tag.", "de")))
    with pytest.raises(EngineError, match=r"no voice 'pf_dara'.*did you mean 'pf_dora'"):
        next(engine.synthesize(Synthesize("call", FULL, "pt", "pf_dara")))
    assert list(engine.synthesize(Synthesize("call", "— ?!", "pt"))) == []


@pytest.mark.models
@needs_model
def test_one_voice_is_enough_where_every_extension_names_it(tmp_path: Path) -> None:
    """Of another language than the first: it is what the engine is tried with when it is loaded."""
    (tmp_path / "voices").mkdir()
    for name in ("model.onnx", "voices/pf_dora.bin"):
        (tmp_path / name).symlink_to(INSTALLED / name)
    engine = KokoroTts(settings(tmp_path, "en"))
    engine.load()
    assert b"".join(engine.synthesize(Synthesize("call", "Hi.", "en", "pf_dora")))
    with pytest.raises(EngineError, match=r"'af_heart' is not in .*: run `raymal voices install en-US`"):
        next(engine.synthesize(Synthesize("call", "Hi.", "en")))


@pytest.mark.models
@needs_model
def test_a_failure_while_speaking_does_not_quote_the_text(
    engine: KokoroTts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the dialog says is private."""
    monkeypatch.setitem(engine._styles, "pf_dora", np.zeros(0, np.float32))
    with pytest.raises(EngineError, match="15 characters: IndexError") as caught:
        next(engine.synthesize(Synthesize("call", "Um segredo meu.", "pt")))
    assert caught.value.__cause__ is None


def test_the_symbols_are_numbered_as_in_the_model() -> None:
    """A few known ones, and how many there are: one wrong run would shift all behind it."""
    known = {";": 1, " ": 16, "\u0303": 17, "A": 24, "O": 31, "Y": 41, "a": 43, "h": 50, "z": 68, "æ": 72,
             "ə": 83, "ɡ": 92, "ŋ": 112, "ɹ": 123, "ʃ": 131, "ʒ": 147, "ˈ": 156, "ː": 158}  # fmt: skip
    assert {symbol: SYMBOLS[symbol] for symbol in known} == known
    assert len(SYMBOLS) == len(set(SYMBOLS.values())) == 114


@pytest.mark.parametrize(
    ("language", "voice", "message"),
    [
        ("pt-BR", None, r"voice 'pf_dora' is not in .*: run `raymal voices install pt-BR`"),
        ("es", None, r"voice 'ef_dora' is not in .*: run `raymal voices install es`"),
        ("en-GB", None, r"voice 'bf_emma' is not in .*: run `raymal voices install en-GB`"),
    ],
)
def test_a_voice_that_is_not_installed_is_named_with_the_command(
    folder: Path, language: str, voice: str | None, message: str
) -> None:
    """A file of another size is half a voice: it counts as missing."""
    with pytest.raises(ConfigurationError, match=message):
        KokoroTts.check(settings(folder, language, voice))
    KokoroTts.check(settings(folder, language, "pm_alex"))
    KokoroTts.check(settings(folder, "xx", "pm_alex"))


def test_without_the_model_the_command_is_named(folder: Path, tmp_path: Path) -> None:
    """Before a port opens; and when it is loaded, for one that is damaged."""
    with pytest.raises(ConfigurationError, match=r"not in .*nowhere: run `raymal voices install pt-BR`"):
        KokoroTts.check(settings(tmp_path / "nowhere"))
    with pytest.raises(EngineError, match=r"cannot load .*model\.onnx: \w+; run `raymal voices install"):
        KokoroTts(settings(folder, voice="pm_alex")).load()


def test_a_voice_of_numbers_that_are_none_is_damaged(folder: Path) -> None:
    """Of the right size, so it counts as installed; to install it again mends it."""
    np.full(release.VOICE_BYTES // 4, np.nan, np.float32).tofile(folder / "voices" / "pf_dora.bin")
    request = Synthesize("call", FULL, "pt")
    with pytest.raises(EngineError, match=r"'pf_dora' is damaged in .*: run `raymal voices install pt-BR`"):
        next(KokoroTts(settings(folder)).synthesize(request))


def test_it_says_what_it_speaks_without_being_installed(folder: Path) -> None:
    """The workers may be on another machine; a voice of the operator's own counts as well."""
    assert set(KokoroTts.languages(settings())) == {"pt-BR", "es", "it", "fr", "en-US", "en-GB"}
    shutil.copy(folder / "voices" / "pm_alex.bin", folder / "voices" / "px_own.bin")
    assert {"pf_dora", "af_heart", "px_own"} <= set(KokoroTts.voices(settings(folder)))
