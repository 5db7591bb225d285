from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from actors.engines.hibari import HibariTts
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize
from actors.settings import HibariSettings, SpeechSettings
from actors.speakable import speakable_pieces
from actors.telephone import audio_duration_ms

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def engine() -> HibariTts:
    loaded = HibariTts(SpeechSettings())
    loaded.load()
    return loaded


def say(text: str, language: str = "en", voice: str | None = None) -> Synthesize:
    return Synthesize(call_id="call", text=text, language=language, voice=voice)


def spoken(engine: HibariTts, text: str, **request: str) -> np.ndarray:
    audio = b"".join(engine.synthesize(say(text, **request)))
    return np.frombuffer(audio, "<i2") / 32768.0


def test_a_question_sounds_like_telephone_speech(engine: HibariTts) -> None:
    """It lasts as long as a person would speak it, at a usual level, without clipping or a late start."""
    audio = spoken(engine, "What time is it, please?", language="en-GB")
    loud = np.abs(audio) > 0.01
    active_level_dbfs = 20 * np.log10(np.sqrt(np.mean(audio[loud] ** 2)))
    assert 1.0 < audio.size / 8000 < 4.0
    assert -30.0 < active_level_dbfs < -16.0
    assert np.abs(audio).max() < 0.9
    assert np.argmax(loud) / 8000 < 0.1


def test_sentences_come_one_by_one_in_pieces_of_two_seconds(engine: HibariTts) -> None:
    """The first sentence is there before the others, and no piece is too long for one message."""
    first_alone = audio_duration_ms(b"".join(engine.synthesize(say("Good day."))))
    text = "Good day. " + "This is a much longer sentence, which takes far more than two seconds to say. " * 2
    pieces = list(engine.synthesize(say(text)))
    assert audio_duration_ms(pieces[0]) == pytest.approx(first_alone, abs=100)
    assert all(0 < audio_duration_ms(piece) <= 2000.0 and len(piece) % 2 == 0 for piece in pieces)
    assert sum(map(audio_duration_ms, pieces)) > 8000
    without_punctuation = "again and " * 20  # the longest sentence that the server may send
    assert spoken(engine, without_punctuation).size / 8000 > 5


def test_the_same_text_is_always_the_same_audio(engine: HibariTts) -> None:
    """A phrase may be cached."""
    text = "Please hold the line. Somebody will be with you soon."
    assert list(engine.synthesize(say(text))) == list(engine.synthesize(say(text)))


def test_speed_is_obeyed(engine: HibariTts) -> None:
    """Twice the speed is about half the time."""
    fast = HibariTts(SpeechSettings(hibari=HibariSettings(speed=2.0)))
    text = "Please hold the line while I look for your order."
    assert spoken(fast, text).size < 0.7 * spoken(engine, text).size


@pytest.mark.parametrize("text", ["", "  \n", "...", "—", "🙂", "?!", "\x00"])
def test_text_with_nothing_to_say_yields_nothing(engine: HibariTts, text: str) -> None:
    """Punctuation and symbols without words are not spoken."""
    assert list(engine.synthesize(say(text))) == []


def test_another_language_is_refused_with_what_to_configure(engine: HibariTts) -> None:
    """The caller's language decides, before any work."""
    with pytest.raises(EngineError, match=r"English only, not 'pt-BR'.*speech\.tts"):
        next(engine.synthesize(say("Bom dia.", language="pt-BR")))
    assert HibariTts.languages(SpeechSettings(language="pt-BR")) == ["en"]


def test_an_unknown_voice_is_refused_with_the_known_ones(engine: HibariTts) -> None:
    """A request's voice and a configured voice are both checked."""
    with pytest.raises(EngineError, match=r"no voice 'bob'.*heart"):
        next(engine.synthesize(say("Hello.", voice="bob")))
    with pytest.raises(ConfigurationError, match=r"speech\.hibari\.voice.*no voice 'bob'.*heart"):
        HibariTts.check(SpeechSettings(hibari=HibariSettings(voice="bob")))


def test_a_voice_that_cannot_be_loaded_is_an_engine_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file in the library's cache of voices is named, for `load` and for a request."""
    (tmp_path / "bf_emma.int8.onnx").write_bytes(b"not a model")
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    engine = HibariTts(SpeechSettings(hibari=HibariSettings(voice="emma")))
    with pytest.raises(EngineError, match="cannot load the voice 'emma'"):
        engine.load()
    with pytest.raises(EngineError, match="cannot load the voice 'emma'"):
        next(engine.synthesize(say("Hello.")))


def test_a_voice_that_cannot_be_downloaded_is_an_engine_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network the message says which voice, from where, and where a copy would go."""
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens on the discard port
    engine = HibariTts(SpeechSettings(hibari=HibariSettings(voice="kore")))
    with pytest.raises(EngineError, match=r"cannot load the voice 'kore'.*could not download.*af_kore"):
        engine.load()


def test_a_failure_while_speaking_does_not_quote_the_text(
    engine: HibariTts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the dialog says is private, also in an error's chain."""
    voice = engine._voice("heart")
    monkeypatch.setattr(voice, "vocab", None)
    with pytest.raises(EngineError, match="13 characters: TypeError") as caught:
        list(engine.synthesize(say("Secret words.")))
    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_check_accepts_the_default_and_loads_no_model_library() -> None:
    """`raymal serve` checks every engine before a port opens, in a process without onnxruntime."""
    program = (
        "import sys; from actors.engines.hibari import HibariTts; from actors.settings import SpeechSettings;"
        "HibariTts.check(SpeechSettings()); assert 'onnxruntime' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "digits", ["0042", "1" * 37, "34191790010104351004791020150008291070026000123", "9" * 200]
)
def test_a_number_of_any_length_is_spoken(engine: HibariTts, digits: str) -> None:
    """The library itself fails from 37 digits on; speakable, each digit takes its time."""
    pieces = speakable_pieces(digits, "en")
    seconds = [spoken(engine, piece).size / 8000 for piece in pieces]
    assert max(seconds) < 15.0
    assert 0.2 < sum(seconds) / len(digits) < 0.8
