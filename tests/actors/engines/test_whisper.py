"""The whisper engine: rules without a model, then real speech through the real one."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.abandonment import AbandonedError, Abandonment
from actors.engines.hibari import HibariTts
from actors.engines.whisper import FULL_WINDOW_S, WhisperStt, _attempt, window_s
from actors.engines.whisper_attempt import Attempt, better
from actors.errors import EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.settings import SpeechSettings, WhisperSettings
from actors.telephone import TELEPHONE_RATE_HZ, audio_duration_ms
from ingress.caller.word_errors import word_errors

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


@pytest.mark.parametrize(
    ("found", "is_doubtful", "is_understood"),
    [
        (attempt(), False, True),
        (attempt("press one to call. " * 12), True, True),
        (attempt(ended=False), True, True),
        (attempt(surety=-1.1), True, True),
        (attempt(surety=-2.5), True, False),  # a guess
        (attempt(no_speech=0.9, surety=-0.9), False, False),  # silence needs both signs
        (attempt(no_speech=0.9, surety=-2.5), False, False),
        (attempt(no_speech=0.9, surety=-0.2), False, True),
    ],
)
def test_what_a_result_is_worth(found: Attempt, is_doubtful: bool, is_understood: bool) -> None:
    """Repeated, cut or improbable words are decoded again; silence and guesses are no words."""
    assert (found.is_doubtful(-1.0), found.is_understood) == (is_doubtful, is_understood)


def test_an_endless_decode_never_beats_one_that_ended() -> None:
    """A model is very sure of what it repeats: the probability decides only between two that ended."""
    runaway = attempt("press one to call. " * 12, surety=-0.01, ended=False)
    sound = attempt(surety=-0.9)
    assert better(runaway, sound) is sound
    assert better(sound, runaway) is sound
    assert better(attempt(surety=-0.5), surer := attempt(surety=-0.1)) is surer


def test_an_engine_that_was_not_loaded_says_so() -> None:
    """Not an AttributeError."""
    with pytest.raises(EngineError, match="before it was loaded"):
        WhisperStt(SpeechSettings()).transcribe(Transcribe("call", b"\0\0", "en"))


def test_each_of_a_batch_has_a_limit_of_its_own() -> None:
    """The decoder goes on as long as the longest may; what passes its own limit has run away, and is cut."""
    tokenizer = SimpleNamespace(decode=lambda tokens: " ".join(tokens))
    result = SimpleNamespace(sequences_ids=[list("abcd")], scores=[-0.5], no_speech_prob=0.1)
    assert _attempt(result, tokenizer, 3) == Attempt("a b c", -0.4, 0.1, ended=False)
    assert _attempt(result, tokenizer, 5) == Attempt("a b c d", -0.4, 0.1, ended=True)


@pytest.mark.parametrize(
    ("device", "setting", "size"), [("cpu", None, 1), ("cuda", None, 8), ("cpu", 3, 3), ("cuda", 1, 1)]
)
def test_a_gpu_takes_several_at_once(device: str, setting: int | None, size: int) -> None:
    """Eight unless the operator says otherwise; a CPU takes one."""
    engine = WhisperStt(SpeechSettings(whisper=WhisperSettings(batch_size=setting)))
    engine._model = SimpleNamespace(model=SimpleNamespace(device=device))
    assert engine.batch_size == size


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


def together(engine: WhisperStt, *requests: Transcribe) -> list[Transcript | EngineError]:
    return engine.transcribe_batch(requests, [Abandonment() for _ in requests])


@pytest.mark.models
def test_a_batch_hears_what_each_alone_would(engine: WhisperStt, recordings: dict[str, bytes]) -> None:
    """The window is that of the longest and sums are rounded otherwise; the words are the same."""
    for texts in (SENTENCES[:4], SENTENCES[4:]):
        requests = [Transcribe("call", recordings[text], "en") for text in texts]
        for request, outcome in zip(requests, together(engine, *requests), strict=True):
            alone = engine.transcribe(request)
            assert isinstance(outcome, Transcript)
            assert (outcome.text, outcome.attempts) == (alone.text, 1)
            assert outcome.mean_log_probability == pytest.approx(alone.mean_log_probability, abs=0.1)


@pytest.mark.models
def test_each_of_a_batch_is_asked_for_its_own_language(
    engine: WhisperStt, recordings: dict[str, bytes]
) -> None:
    """The same English words, once as such and once in Russian spelling."""
    english, russian = together(
        engine, *(Transcribe("call", recordings[SENTENCES[0]], language) for language in ("en_US", "ru-RU"))
    )
    assert isinstance(english, Transcript)
    assert isinstance(russian, Transcript)
    assert word_errors([SENTENCES[0]], [english.text]).rate == 0.0
    assert any("а" <= letter <= "я" for letter in russian.text.lower())
    assert (english.language, russian.language) == ("en", "ru")


@pytest.mark.models
def test_what_is_wrong_with_one_of_a_batch_is_only_its_own(
    engine: WhisperStt, recordings: dict[str, bytes]
) -> None:
    """Half a sample, a language it does not know, nothing, silence, more than 30 s, an abandoned one."""
    speech = recordings[SENTENCES[1]]
    long_speech = b"".join(recording + bytes(2 * TELEPHONE_RATE_HZ) for recording in recordings.values())
    assert audio_duration_ms(long_speech) > 1000 * FULL_WINDOW_S
    requests = [
        Transcribe("odd", b"abc", "en"),
        Transcribe("foreign", speech, "xx-YY"),
        Transcribe("empty", b"", "en"),
        Transcribe("silent", bytes(16_000), "en"),
        Transcribe("well", speech, "en"),
        Transcribe("long", long_speech, "en"),
        Transcribe("gone", speech, "en"),
    ]
    abandonments = [Abandonment() for _ in requests]
    abandonments[-1].set()
    odd, foreign, empty, silent, well, long, gone = engine.transcribe_batch(requests, abandonments)
    assert isinstance(odd, EngineError)
    assert "3 bytes of audio" in str(odd)
    assert isinstance(foreign, EngineError)
    assert re.search(r"'xx'.*speech\.whisper\.model.* pt, ", str(foreign))
    assert [it.text for it in (empty, silent, well) if isinstance(it, Transcript)] == ["", "", SENTENCES[1]]
    assert isinstance(long, Transcript)
    assert word_errors([" ".join(SENTENCES)], [long.text]).rate <= 0.1
    assert isinstance(gone, AbandonedError)
    with pytest.raises(EngineError, match="3 bytes"):
        engine.transcribe(requests[0])


@pytest.fixture
def strict(engine: WhisperStt, monkeypatch: pytest.MonkeyPatch) -> WhisperStt:
    """The engine with a threshold that no result meets."""
    monkeypatch.setattr(engine, "_options", WhisperSettings(retry_log_probability=0.0))
    return engine


@pytest.mark.models
def test_a_doubtful_result_is_decoded_again(strict: WhisperStt, recordings: dict[str, bytes]) -> None:
    """In 30 s, and still understood; not the one beside it that may not be, because of the load."""
    audio = recordings[SENTENCES[0]]
    requests = [Transcribe("call", audio, "en", may_retry=may_retry) for may_retry in (True, False)]
    outcomes = [*together(strict, *requests), strict.transcribe(requests[1])]
    assert [isinstance(it, Transcript) and it.attempts for it in outcomes] == [2, 1, 1]
    texts = [it.text for it in outcomes if isinstance(it, Transcript)]
    assert word_errors([SENTENCES[0]] * 3, texts).rate == 0.0


class RecordedModel:
    """The model, with the names of the steps it was asked for."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.steps: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("encode", "generate"):
            self.steps.append(name)
        return getattr(self._model, name)


class AbandonedAtLook(Abandonment):
    """Abandoned when the engine looks for the nth time."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks_left = looks

    @property
    def is_set(self) -> bool:
        self._looks_left -= 1
        return self._looks_left <= 0


@pytest.mark.models
@pytest.mark.parametrize(
    ("look", "steps"),
    [(1, []), (2, ["encode"]), (3, ["encode", "generate"]), (99, ["encode", "generate"] * 2)],
)
def test_an_abandoned_utterance_stops_at_the_next_step(
    strict: WhisperStt,
    recordings: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    look: int,
    steps: list[str],
) -> None:
    """Before the encoder, before the decoder, before the second decode."""
    model = RecordedModel(strict._model.model)
    monkeypatch.setattr(strict._model, "model", model)
    request = Transcribe("call", recordings[SENTENCES[0]], "en")
    if look == 99:
        assert strict.transcribe(request, AbandonedAtLook(look)).attempts == 2
    else:
        with pytest.raises(AbandonedError):
            strict.transcribe(request, AbandonedAtLook(look))
    assert model.steps == steps


@pytest.mark.models
@pytest.mark.parametrize("duration_s", [0.02, 1.0, 6.0, 29.0])
def test_no_words_are_heard_in_silence_and_noise(engine: WhisperStt, duration_s: float) -> None:
    """In which Whisper is known to hear "you" and "Thank you"."""
    count = round(duration_s * TELEPHONE_RATE_HZ)
    hiss = np.random.default_rng(1).standard_normal(count) * 500
    tone = np.sin(2 * np.pi * 425 * np.arange(count) / TELEPHONE_RATE_HZ) * 8_000
    for sound in (np.zeros(count), hiss * 0.01, hiss, tone):
        assert heard(engine, sound.astype("<i2").tobytes()) == ""


@pytest.mark.models
@pytest.mark.parametrize("model", ["folder", "no-such-model"])
def test_weights_that_cannot_be_loaded_are_named(tmp_path: Path, model: str) -> None:
    """A folder of rubbish and an unknown hub name each end in one line with the key and the choices."""
    for name in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    settings = WhisperSettings(model=str(tmp_path) if model == "folder" else model)
    with pytest.raises(EngineError, match=r"could not load .*speech\.whisper\.model.*'bundled'"):
        WhisperStt(SpeechSettings(whisper=settings)).load()
