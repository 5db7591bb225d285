"""The whisper engine: rules without a model, then real speech through the real one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines import whisper
from actors.engines.abandonment import AbandonedError, Abandonment
from actors.engines.hibari import HibariTts
from actors.engines.whisper import WhisperStt, window_s
from actors.engines.whisper_attempt import Attempt, longest_run, words
from actors.engines.whisper_model import FULL_WINDOW_S, attempt_of
from actors.errors import ConfigurationError, EngineError
from actors.messages import Doubt, Synthesize, Transcribe, Transcript
from actors.settings import SpeechSettings, WhisperSettings
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, audio_duration_ms
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


def test_an_engine_that_was_not_loaded_says_so() -> None:
    """Not an AttributeError."""
    with pytest.raises(EngineError, match="before it was loaded"):
        WhisperStt(SpeechSettings()).transcribe(Transcribe("call", b"\0\0", "en"))


def test_each_of_a_batch_has_a_limit_of_its_own() -> None:
    """The decoder goes on as long as the longest may; what passes its own limit has run away, and is cut."""
    english: Any = SimpleNamespace(
        code="en", tokenizer=SimpleNamespace(decode=lambda tokens: " ".join(tokens))
    )
    decoded: Any = SimpleNamespace(tokens=list("abcd"), log_probability=-2.0, no_speech_probability=0.1)
    assert attempt_of(decoded, english, 3) == Attempt("a b c", -0.4, 0.1, ended=False)
    assert attempt_of(decoded, english, 5) == Attempt("a b c d", -0.4, 0.1, ended=True)


@pytest.mark.parametrize(
    ("device", "setting", "size"), [("cpu", None, 1), ("cuda", None, 8), ("cpu", 3, 3), ("cuda", 1, 1)]
)
def test_a_gpu_takes_several_at_once(device: str, setting: int | None, size: int) -> None:
    """Eight unless the operator says otherwise; a CPU takes one."""
    engine = WhisperStt(SpeechSettings(whisper=WhisperSettings(batch_size=setting)))
    model: Any = SimpleNamespace(device=device)
    engine._model = model
    assert engine.batch_size == size


@pytest.fixture
def engine(whisper: WhisperStt) -> WhisperStt:
    return whisper


@pytest.fixture(scope="module")
def voice() -> HibariTts:
    loaded = HibariTts(SpeechSettings())
    loaded.load()
    return loaded


def said(voice: HibariTts, text: str) -> bytes:
    """Return a text as a synthetic voice says it on the telephone."""
    return b"".join(voice.synthesize(Synthesize(call_id="call", text=text, language="en")))


@pytest.fixture(scope="module")
def recordings(voice: HibariTts) -> dict[str, bytes]:
    return {text: said(voice, text) for text in SENTENCES}


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
    """The same English words: understood as such, and not as Russian."""
    english, russian = together(
        engine, *(Transcribe("call", recordings[SENTENCES[0]], language) for language in ("en_US", "ru-RU"))
    )
    assert isinstance(english, Transcript)
    assert isinstance(russian, Transcript)
    assert word_errors([SENTENCES[0]], [english.text]).rate == 0.0
    assert (russian.text, russian.doubt) == ("", Doubt.LANGUAGE)
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
    assert [(it.text, it.doubt) for it in (empty, silent, well) if isinstance(it, Transcript)] == [
        ("", Doubt.SILENCE),
        ("", Doubt.SILENCE),
        (SENTENCES[1], None),
    ]
    assert isinstance(long, EngineError)
    assert re.search(r"hears 30 s at most.*maximum_utterance_s", str(long))
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
        self.encoded: list[int] = []
        """How many utterances, at each encoding."""

    def encode(self, features: Any, to_cpu: bool) -> Any:
        self.steps.append("encode")
        self.encoded.append(features.shape[0])
        return self._model.encode(features, to_cpu=to_cpu)

    def __getattr__(self, name: str) -> Any:
        if name == "generate":
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
    assert strict._model is not None
    model = RecordedModel(strict._model.model.model)
    monkeypatch.setattr(strict._model.model, "model", model)
    request = Transcribe("call", recordings[SENTENCES[0]], "en")
    if look == 99:
        assert strict.transcribe(request, AbandonedAtLook(look)).attempts == 2
    else:
        with pytest.raises(AbandonedError):
            strict.transcribe(request, AbandonedAtLook(look))
    assert model.steps == steps


@pytest.mark.models
def test_steps_change_nothing(
    engine: WhisperStt, recordings: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence decoded four tokens at a time is the same as in one go, and as sure."""
    request = Transcribe("call", recordings[SENTENCES[5]], "en")
    whole = engine.transcribe(request)
    monkeypatch.setattr(whisper, "_STEP_TOKENS", 4)
    stepwise = engine.transcribe(request)
    assert word_errors([SENTENCES[5]], [stepwise.text]).rate == 0.0  # a comma may differ: sums are rounded
    assert stepwise.mean_log_probability == pytest.approx(whole.mean_log_probability, abs=0.05)
    assert stepwise.no_speech_probability == pytest.approx(whole.no_speech_probability, abs=1e-3)


def in_a_row(word: bytes, count: int, gap_s: float = 0.15) -> bytes:
    """One word, said again and again by the same voice."""
    pause = bytes(BYTES_PER_SAMPLE * round(gap_s * TELEPHONE_RATE_HZ))
    return pause.join([pause, *[word] * count, pause])


@pytest.mark.models
@pytest.mark.parametrize("text", ["No.", "One.", "Six.", "Eight."])
def test_a_word_is_never_said_more_or_fewer_times_than_it_was(
    engine: WhisperStt, voice: HibariTts, text: str
) -> None:
    """Up to three times it is counted; six times and more it is not understood, at the first decode."""
    word = said(voice, text)
    for count in (2, 3, 4, 7, 12):
        transcript = engine.transcribe(Transcribe("call", in_a_row(word, count), "en"))
        assert longest_run(transcript.text) in ((0, count) if count > 2 else (count,))
        if count >= 7:
            assert (transcript.doubt, transcript.attempts) == (Doubt.REPETITION, 1)


def babble(recordings: dict[str, bytes], duration_s: float) -> bytes:
    """All sentences at once, again and again, as of many people in a room."""
    count = round(duration_s * TELEPHONE_RATE_HZ)
    voices = [np.frombuffer(recording, "<i2").astype(float) for recording in recordings.values()]
    mixed = sum(np.roll(np.resize(voice, count), 3_001 * which) for which, voice in enumerate(voices))
    return np.asarray(mixed / len(voices)).astype("<i2").tobytes()


@pytest.mark.models
@pytest.mark.parametrize("duration_s", [2.5, 6.0, 30.06])
def test_no_words_are_heard_in_many_voices(
    engine: WhisperStt, recordings: dict[str, bytes], duration_s: float
) -> None:
    """In which Whisper repeats one sentence without end; in one go, also where it is a little over 30 s."""
    transcript = engine.transcribe(Transcribe("call", babble(recordings, duration_s), "en"))
    assert transcript.text == ""
    assert transcript.doubt is not None


@pytest.mark.models
@pytest.mark.parametrize("duration_s", [0.02, 1.0, 6.0, 29.0])
def test_no_words_are_heard_in_silence_and_noise(engine: WhisperStt, duration_s: float) -> None:
    """In which Whisper is known to hear "you" and "Thank you"."""
    count = round(duration_s * TELEPHONE_RATE_HZ)
    hiss = np.random.default_rng(1).standard_normal(count) * 500
    tone = np.sin(2 * np.pi * 425 * np.arange(count) / TELEPHONE_RATE_HZ) * 8_000
    for sound in (np.zeros(count), hiss * 0.01, hiss, tone):
        assert heard(engine, sound.astype("<i2").tobytes()) == ""


NAMES = ("Kowalczyk", "Beauregard", "Nakamura", "Siobhan", "Albuquerque", "Nguyen", "Oyelaran")


@pytest.mark.models
def test_names_are_written_as_they_are_expected(engine: WhisperStt, voice: HibariTts) -> None:
    """Of residents, say; without them a name is written as it sounds. Other words stay what they are."""
    texts = ("I would like to speak with Mr. Kowalczyk, please.", "My name is Nguyen.", "Wait a moment.")
    for text in texts:
        audio = said(voice, text)
        plain = heard(engine, audio)
        with_names = engine.transcribe(Transcribe("call", audio, "en", hot_words=NAMES))
        assert word_errors([text], [with_names.text]).rate == 0.0
        assert (word_errors([text], [plain]).rate > 0.0) == any(name in text for name in NAMES)
        assert (with_names.attempts, with_names.doubt) == (1, None)


def burst(seconds: float, seed: int) -> np.ndarray:
    """Noise that falls off, as of a cough."""
    count = round(seconds * TELEPHONE_RATE_HZ)
    noise = np.random.default_rng(seed).standard_normal(count) * 5_000
    return noise * np.exp(-6.0 * np.arange(count) / count)


@pytest.mark.models
def test_nothing_is_heard_only_because_it_is_expected(engine: WhisperStt, voice: HibariTts) -> None:
    """In noise Whisper repeats its prompt, and from "huh" it makes a "yes".

    Without the second decode, which has no prompt.
    """
    pause = np.zeros(2_400)
    cough = np.concatenate([pause, burst(0.25, 1), pause, burst(0.3, 2), pause, pause])
    for audio in (cough.astype("<i2").tobytes(), said(voice, "Uh."), said(voice, "Huh?")):
        plain = engine.transcribe(Transcribe("call", audio, "en", may_retry=False)).text
        for expected in (NAMES, ("yes", "no")):
            request = Transcribe("call", audio, "en", may_retry=False, hot_words=expected)
            assert engine.transcribe(request).text == plain
            assert not set(words(plain)) & {word.lower() for word in expected}


@pytest.fixture(scope="module")
def two_models(whisper: WhisperStt) -> WhisperStt:
    """One that hears Portuguese with the bundled model, and English with the bundled English one.

    The former is loaded already.
    """
    models = WhisperSettings(model="bundled-en", models={"en": "bundled-en"})
    loaded = WhisperStt(SpeechSettings(whisper=models))
    loaded.load()
    assert whisper._model is not None
    assert loaded._own_models == {"en": loaded._model}, "each model is loaded once"
    loaded._own_models = {"pt": whisper._model}
    loaded._listener = whisper._model
    return loaded


@pytest.mark.models
def test_the_language_is_found_out_among_those_asked_for(
    two_models: WhisperStt, recordings: dict[str, bytes], voice: HibariTts
) -> None:
    """And the words come from that language's own model; silence has no language, a short word the first."""
    audio = recordings[SENTENCES[1]]
    requests = [
        Transcribe("call", audio, "pt-BR", languages=("pt-BR", "en-GB")),
        Transcribe("call", audio, "pt"),
        Transcribe("call", bytes(16_000), "pt-BR", languages=("pt-BR", "en-GB")),
        Transcribe("call", said(voice, "Yes."), "pt-BR", languages=("pt-BR", "en-GB")),
    ]
    either, portuguese, silent, short = together(two_models, *requests)
    assert isinstance(either, Transcript)
    assert isinstance(portuguese, Transcript)
    assert isinstance(silent, Transcript)
    assert (either.text, either.language) == (SENTENCES[1], "en-GB")
    assert either.language_probability is not None
    assert either.language_probability > 0.9
    assert (portuguese.doubt, portuguese.language_probability) == (Doubt.LANGUAGE, None)
    assert (silent.text, silent.language_probability) == ("", None)
    assert isinstance(short, Transcript)
    assert (short.text, short.language) == ("Yes.", "pt-BR")
    assert short.language_probability is not None
    assert short.language_probability < 0.1


@pytest.fixture
def recorded(engine: WhisperStt, monkeypatch: pytest.MonkeyPatch) -> RecordedModel:
    """The engine's model, which knows many languages."""
    assert engine._model is not None
    model = RecordedModel(engine._model.model.model)
    monkeypatch.setattr(engine._model.model, "model", model)
    return model


@pytest.mark.models
def test_what_was_encoded_for_the_language_is_not_encoded_again(
    engine: WhisperStt, recorded: RecordedModel, recordings: dict[str, bytes], voice: HibariTts
) -> None:
    """The same words come out as of a call whose language is known; also where the first language counts."""
    request = Transcribe("call", recordings[SENTENCES[1]], "en", may_retry=False)
    known = engine.transcribe(request)
    found = engine.transcribe(replace(request, languages=("en", "pt")))
    assert replace(found, language_probability=None) == known
    assert recorded.steps == ["encode", "generate"] * 2
    recorded.steps.clear()
    yes = Transcribe("call", said(voice, "Yes."), "pt", may_retry=False, languages=("pt", "en"))
    assert engine.transcribe(yes).language == "pt"
    assert recorded.steps == ["encode", "generate", "generate"]


@pytest.mark.models
def test_in_a_batch_only_what_is_missing_is_encoded(
    engine: WhisperStt, recorded: RecordedModel, recordings: dict[str, bytes]
) -> None:
    """All again, if one that is longer makes the window of all longer."""
    known = Transcribe("call", recordings[SENTENCES[1]], "en", may_retry=False)
    unknown = replace(known, languages=("en", "pt"))
    longer = replace(known, audio=known.audio + bytes(3 * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE))
    for requests in ((known, unknown, known), (unknown, longer)):
        outcomes = together(engine, *requests)
        assert {it.text for it in outcomes if isinstance(it, Transcript)} == {SENTENCES[1]}
    assert recorded.steps == ["encode", "encode", "generate"] * 2
    assert recorded.encoded == [1, 2, 1, 2]


def test_models_of_single_languages_are_checked() -> None:
    """Each by itself and by its own setting; and what it makes of the languages that the engine knows."""
    models = {"de-AT": "bundled-en", "fr": "/no/such/folder", "pt": "smal"}
    settings = SpeechSettings(whisper=WhisperSettings(model="bundled-en", models=models))
    assert set(WhisperStt.languages(settings)) == {"en", "de-AT", "fr", "pt"}
    settings = SpeechSettings(whisper=WhisperSettings(model="/no/such/model", models=models))
    with pytest.raises(ConfigurationError) as caught:
        WhisperStt.check(settings)
    main, german, french, portuguese = str(caught.value).splitlines()
    assert main == "speech.whisper.model: the folder /no/such/model does not exist"
    assert german == "speech.whisper.models.de-AT: the model 'bundled-en' does not know this language"
    assert french == "speech.whisper.models.fr: the folder /no/such/folder does not exist"
    assert portuguese.startswith("speech.whisper.models.pt = 'smal': the hub has no such model: ")


@pytest.mark.models
@pytest.mark.parametrize("model", ["folder", "no-such-model"])
def test_weights_that_cannot_be_loaded_are_named(tmp_path: Path, model: str) -> None:
    """A folder of rubbish and an unknown hub name each end in one line with the key and the choices."""
    for name in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}  ")
    settings = WhisperSettings(model=str(tmp_path) if model == "folder" else model)
    with pytest.raises(EngineError, match=r"could not load .*speech\.whisper\.model.*'bundled'"):
        WhisperStt(SpeechSettings(whisper=settings)).load()
