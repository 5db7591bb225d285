"""The whisper engine: rules without a model, then real speech through the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.hibari import HibariTts
from actors.engines.whisper import FULL_WINDOW_S, Attempt, WhisperStt, better, compression_ratio, window_s
from actors.errors import EngineError
from actors.messages import TELEPHONE_RATE_HZ, Synthesize, Transcribe, audio_duration_ms
from actors.settings import SpeechSettings, WhisperSettings
from ingress.word_errors import word_errors

SENTENCES = (
    "What time is it, please?",
    "I would like to speak with somebody about my invoice.",
    "Please connect me to extension two zero one.",
    "My telephone has not been working since Monday morning.",
    "Could you tell me when the office opens tomorrow?",
    "The technician never came, and nobody called me back to explain the reason.",
    "I want to change the address on my account before the next delivery.",
    "Thank you very much for your help, and have a nice evening.",
)


def attempt(
    text: str = "a few words", *, surety: float = -0.2, no_speech: float = 0.01, ended: bool = True
) -> Attempt:
    return Attempt(text, surety, no_speech, ended)


@given(
    duration_s=st.floats(0.0, FULL_WINDOW_S),
    shortest_s=st.floats(8.0, 30.0),
    margin_s=st.floats(0.0, 10.0),
)
def test_the_window_holds_the_utterance(duration_s: float, shortest_s: float, margin_s: float) -> None:
    """Never shorter than the speech or the setting, never longer than the model's; margin where it fits."""
    settings = WhisperSettings(window_s=shortest_s, window_margin_s=margin_s)
    window = window_s(duration_s, settings)
    assert max(duration_s, shortest_s) <= window <= FULL_WINDOW_S
    assert window == FULL_WINDOW_S or window >= duration_s + margin_s


def test_what_makes_a_result_doubtful() -> None:
    """Repetition, a decode that had to be cut, or a model that was unsure; nothing else."""
    assert not attempt().is_doubtful(-1.0)
    assert attempt("press one to call. " * 12).is_doubtful(-1.0)
    assert attempt(ended=False).is_doubtful(-1.0)
    assert attempt(surety=-1.1).is_doubtful(-1.0)


def test_silence_needs_both_signs() -> None:
    """The model must hold that nobody spoke, and not be sure of the words it found all the same."""
    assert attempt(no_speech=0.9, surety=-0.9).is_silence
    assert not attempt(no_speech=0.9, surety=-0.2).is_silence
    assert not attempt(no_speech=0.1, surety=-0.9).is_silence


def test_silence_and_guesses_are_no_words() -> None:
    """Neither is passed on; only the guess is worth another decode."""
    silence, guess = attempt(no_speech=0.9, surety=-1.5), attempt(surety=-2.5)
    assert (silence.is_understood, guess.is_understood) == (False, False)
    assert (silence.is_doubtful(-1.0), guess.is_doubtful(-1.0)) == (False, True)
    assert attempt(surety=-1.5).is_understood


def test_an_endless_decode_never_beats_one_that_ended() -> None:
    """A model is very sure of what it repeats, so surety only decides between sound results."""
    runaway = attempt("press one to call. " * 12, surety=-0.01, ended=False)
    sound = attempt(surety=-0.9)
    assert better(runaway, sound) is sound
    assert better(sound, runaway) is sound
    assert better(attempt(surety=-0.5), surer := attempt(surety=-0.1)) is surer


def test_repetition_compresses() -> None:
    """The measure grows with repetition and copes with nothing."""
    assert compression_ratio("") == 0.0
    assert compression_ratio("hello. " * 50) > 2.4 > compression_ratio("hello, hello, who is there?")


def test_an_engine_that_was_not_loaded_says_so() -> None:
    """A mistake of the caller's gets its own line, not an attribute error."""
    with pytest.raises(EngineError, match="before it was loaded"):
        WhisperStt(SpeechSettings()).transcribe(Transcribe("call", b"\0\0", "en"))


@pytest.fixture(scope="module")
def engine() -> WhisperStt:
    loaded = WhisperStt(SpeechSettings())
    loaded.load()
    return loaded


@pytest.fixture(scope="module")
def recordings() -> dict[str, bytes]:
    """Each sentence as a synthetic voice says it on the telephone."""
    voice = HibariTts(SpeechSettings())
    voice.load()
    return {
        text: b"".join(voice.synthesize(Synthesize(call_id="call", text=text, language="en")))
        for text in SENTENCES
    }


def heard(engine: WhisperStt, audio: bytes, language: str = "en") -> str:
    return engine.transcribe(Transcribe("call", audio, language)).text


@pytest.mark.models
def test_sentences_are_understood(engine: WhisperStt, recordings: dict[str, bytes]) -> None:
    """At most one word in twenty is wrong, at the first attempt, and the model is sure of it."""
    transcripts = [engine.transcribe(Transcribe("call", recordings[text], "en-GB")) for text in SENTENCES]
    assert word_errors(SENTENCES, [transcript.text for transcript in transcripts]).rate <= 0.05
    for transcript in transcripts:
        assert transcript.language == "en"
        assert transcript.attempts == 1
        assert -0.7 < transcript.mean_log_probability < 0.0
        assert transcript.no_speech_probability < 0.5


@pytest.mark.models
def test_a_doubtful_result_is_decoded_again(recordings: dict[str, bytes]) -> None:
    """With a threshold that nothing meets, every utterance gets its 30 s, and is still understood."""
    strict = WhisperStt(SpeechSettings(whisper=WhisperSettings(retry_log_probability=0.0)))
    strict.load()
    transcript = strict.transcribe(Transcribe("call", recordings[SENTENCES[0]], "en"))
    assert transcript.attempts == 2
    assert word_errors([SENTENCES[0]], [transcript.text]).rate == 0.0


@pytest.mark.models
def test_more_than_a_window_of_speech_is_understood(engine: WhisperStt, recordings: dict[str, bytes]) -> None:
    """A caller who talks for more than 30 s loses no sentence."""
    pause = bytes(2 * TELEPHONE_RATE_HZ)
    audio = b"".join(recording + pause for recording in recordings.values())
    assert audio_duration_ms(audio) > 1000 * FULL_WINDOW_S
    assert word_errors([" ".join(SENTENCES)], [heard(engine, audio)]).rate <= 0.1


@pytest.mark.models
@pytest.mark.parametrize("duration_s", [0.02, 1.0, 6.0, 29.0])
def test_nobody_is_heard_in_silence_and_noise(engine: WhisperStt, duration_s: float) -> None:
    """Whisper likes to hear "you" and "Thank you" in them; a caller who said nothing is told nothing."""
    count = round(duration_s * TELEPHONE_RATE_HZ)
    hiss = np.random.default_rng(1).standard_normal(count) * 500
    tone = np.sin(2 * np.pi * 425 * np.arange(count) / TELEPHONE_RATE_HZ) * 8_000
    for sound in (np.zeros(count), hiss * 0.01, hiss, tone):
        assert heard(engine, sound.astype("<i2").tobytes()) == ""


@pytest.mark.models
def test_no_audio_is_no_words(engine: WhisperStt) -> None:
    """An empty utterance is not an error."""
    assert heard(engine, b"") == ""


@pytest.mark.models
def test_half_a_sample_is_refused(engine: WhisperStt) -> None:
    """An odd number of bytes is somebody's framing mistake."""
    with pytest.raises(EngineError, match="3 bytes of audio"):
        heard(engine, b"abc")


@pytest.mark.models
def test_a_language_it_does_not_know_is_refused(engine: WhisperStt) -> None:
    """The message names the language, the key and the choices."""
    with pytest.raises(EngineError, match=r"'xx'.*speech\.whisper\.model.* pt, "):
        heard(engine, b"\x00\x40" * 8_000, "xx-YY")


@pytest.mark.models
def test_another_language_is_asked_for(engine: WhisperStt, recordings: dict[str, bytes]) -> None:
    """The language of the request reaches the model: English words come out in another spelling."""
    assert heard(engine, recordings[SENTENCES[0]], "ru-RU") != heard(engine, recordings[SENTENCES[0]])


@pytest.mark.models
@pytest.mark.parametrize("model", ["folder", "no-such-model"])
def test_weights_that_cannot_be_loaded_are_named(tmp_path: Path, model: str) -> None:
    """A folder of rubbish and an unknown hub name each end in one line with the key and the choices."""
    for name in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    settings = WhisperSettings(model=str(tmp_path) if model == "folder" else model)
    with pytest.raises(EngineError, match=r"could not load .*speech\.whisper\.model.*'bundled'"):
        WhisperStt(SpeechSettings(whisper=settings)).load()
