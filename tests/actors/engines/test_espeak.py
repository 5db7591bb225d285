"""espeak-ng's library: one in the process, any thread, no noise; and its own voices, the last resort."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from actors.engines.espeak import EspeakTts
from actors.engines.espeak_library import espeak_library
from actors.engines.kokoro import SYMBOLS
from actors.engines.phonemes import clauses, espeak_voice, kokoro_sounds, sounds
from actors.errors import EngineError
from actors.messages import Synthesize
from actors.settings import EspeakSettings, SpeechSettings
from actors.speakable import speakable_pieces
from actors.telephone import audio_duration_ms
from ingress.configuration.phrases import TEXTS


def say(text: str, language: str = "pt", voice: str | None = None) -> Synthesize:
    return Synthesize(call_id="call", text=text, language=language, voice=voice)


@pytest.mark.parametrize("language", ["en", "en-GB", "pt", "es", "fr", "it"])
def test_kokoro_knows_every_sound_of_every_phrase(language: str) -> None:
    """A sound that it does not know would be left out of a word."""
    library, voice = espeak_library(), espeak_voice(language) or ""
    for text in TEXTS[language[:2]].values():
        for piece in speakable_pieces(text, language):
            spoken = sounds(clauses(piece), lambda words: library.phonemes(words, voice))
            assert set(kokoro_sounds(spoken, language)) <= set(SYMBOLS), text


def test_threads_do_not_disturb_each_other() -> None:
    """The library has one voice at a time."""
    words = {"pt-br": "obrigado", "en-us": "thank you", "fr": "merci", "de": "danke"}
    alone = {voice: espeak_library().phonemes(text, voice) for voice, text in words.items()}
    assert len(set(alone.values())) == 4
    jobs = [(text, voice) for voice, text in words.items()] * 50
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda job: espeak_library().phonemes(*job), jobs))
    assert together == [alone[voice] for _, voice in jobs]


def test_a_word_of_another_language_is_read_without_a_mark() -> None:
    """The library writes `(en)` and `(pt)` around it."""
    heard = espeak_library().phonemes("o show de rock do weekend", "pt-br")
    assert "(" not in heard
    assert heard


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 10_000, "🙂", "", " \n"])
def test_any_text_is_survived(text: str) -> None:
    """Whatever a dialog writes."""
    assert isinstance(espeak_library().phonemes(text, "en-us"), str)


def test_a_voice_that_does_not_exist_is_an_error_and_the_next_text_is_spoken(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """And nothing is printed by the library itself."""
    before = espeak_library().phonemes("obrigado", "pt-br")
    with pytest.raises(EngineError, match="no voice 'nowhere'"):
        espeak_library().phonemes("qapla", "nowhere")
    assert espeak_library().phonemes("obrigado", "pt-br") == before
    assert capfd.readouterr() == ("", "")


def test_it_says_that_it_is_the_last_resort(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each worker, when it loads."""
    engine = EspeakTts(SpeechSettings(tts="espeak", language="pt"))
    engine.load()
    assert "last resort" in caplog.text
    assert "`raymal voices`" in caplog.text


def test_it_speaks_sentence_by_sentence_at_the_speed_and_level_of_others() -> None:
    """Streamed, in pieces for the telephone."""
    engine = EspeakTts(SpeechSettings(tts="espeak", language="pt"))
    pieces = list(engine.synthesize(say("Bom dia. Com quem deseja falar?")))
    assert len(pieces) >= 2
    audio = np.frombuffer(b"".join(pieces), "<i2") / 32768.0
    level = np.sqrt(np.mean(audio[np.abs(audio) > 0.01] ** 2))
    assert -25 < 20 * np.log10(level) < -18
    fast = EspeakTts(SpeechSettings(tts="espeak", espeak=EspeakSettings(speed=2.0)))
    quick = audio_duration_ms(b"".join(fast.synthesize(say("Bom dia. Com quem deseja falar?"))))
    assert quick < 0.7 * audio.size / 8
    assert list(engine.synthesize(say("…"))) == []
    assert list(engine.synthesize(say("God dag, hvem vil du snakke med?", language="nb-NO")))
    with pytest.raises(EngineError, match=r"no voice 'tlh'.*choose one of .*de, "):
        list(engine.synthesize(say("Qapla", language="tlh")))
    with pytest.raises(EngineError, match=r"no voice 'bob!'"):
        list(engine.synthesize(say("Olá", voice="bob!")))
