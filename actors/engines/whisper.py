"""Speech to text with faster-whisper, cut to the length of a telephone turn (decision 4).

faster-whisper fills every utterance up to the 30 s that Whisper was trained on, and a telephone turn lasts 1
to 8 s: 30 s cost six to twelve times what 5 s cost. With a shorter window alone the decoder fails: it expects
a stretch of silence after speech, and repeats the sentence when there is none (19 % word error rate with 10
s).

The encoder's output for the silence after speech hardly depends on the speech. So `load` encodes 30 s that
begin with a spoken word, and keeps the last 2 s of the output, the *tail*. Each utterance is encoded in a
short window, and the tail is appended. That takes a few milliseconds and makes fewer errors than the plain 10
s window.

| what | how it is decoded |
|---|---|
| up to 30 s | together in one window, that of the longest (decision 11) |
| with words that are expected | with these as a prompt first; counts if the audio supports it (decision 35) |
| in doubt (`whisper_attempt`) | again in 30 s, with time stamps and no prompt; the second result counts |
| more than 30 s | refused: Whisper has no longer window |
| on a GPU | the first time in 30 s too, which are cheap there |

Which of several languages is spoken is found out before, among these alone, from the encoder's output, which
the decoder takes too if model and window are the same. A short utterance is easily taken for another
language: what is not clear then is decoded again, in the first of them. A language may have a model of its
own (`speech.whisper.models`).

Words that are in doubt still, and those of another language, are none; the transcript says why. Before
the encoder, the decoder and the second decode the engine looks whether the results are still needed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from actors.checks.languages import choice, is_clear
from actors.engines.abandonment import AbandonedError, Abandonment
from actors.engines.base import BatchSttEngine
from actors.engines.whisper_attempt import Attempt, is_repetitive
from actors.engines.whisper_languages import language_shares, model_code, model_languages
from actors.engines.whisper_model import (
    FULL_WINDOW_S,
    MAX_LENGTH,
    MODEL_RATE_HZ,
    SPOKEN_WORD,
    Decoded,
    Encoded,
    Language,
    LoadedModel,
    Samples,
    attempt_of,
    telephone_samples,
)
from actors.engines.whisper_prompt import MOST_NO_SPEECH_PROBABILITY, prompt_text
from actors.engines.whisper_weights import SETTING, locate, obtainable
from actors.errors import ConfigurationError, EngineError
from actors.messages import Doubt, Transcribe, Transcript
from actors.settings import GPU_BATCH_SIZE, SpeechSettings, WhisperSettings
from actors.telephone import BYTES_PER_SAMPLE

_SLACK_S = 0.5
"""Of an utterance of the greatest length that its first sounds come on top of: cut off at its end."""

DEFAULT_TYPES = ("default", "auto")
"""Of CTranslate2's compute types: every device has them."""
HUB_DEADLINE_S = 5.0
HUB_SAMPLE = "Systran/faster-whisper-tiny"
"""Asked for in place of a model that faster-whisper knows by a short name: is the hub there?"""

_TOKENS_PER_S = 8
"""More than English speech has (prompts hold up to 5); a longer decode has run away."""
_TOKENS_PER_S_ELSEWHERE = 20
"""Words of other languages are cut into more tokens."""
_SPARE_TOKENS = 8
_STEP_TOKENS = 32
"""After so many it is looked whether the text repeats itself. Most utterances have fewer."""
_TIME_TOKENS = 8
"""Stamps at the begin and the end of each segment, few of which are in 30 s."""
_SILENT_PEAK = 1e-3
"""Of full scale, -60 dB: below it there are no words, but the model is known to hear "you"."""


def window_s(duration_s: float, settings: WhisperSettings) -> float:
    """Return the seconds to encode for an utterance of at most 30 s: at least its length, at most 30."""
    return min(max(settings.window_s, duration_s + settings.window_margin_s), FULL_WINDOW_S)


class WhisperStt(BatchSttEngine):
    """Whisper on CTranslate2 through faster-whisper."""

    requires: ClassVar = {
        "faster_whisper": "pip install faster-whisper",
        "ctranslate2": "pip install ctranslate2",
    }

    def __init__(self, settings: SpeechSettings) -> None:
        super().__init__(settings)
        self._options = settings.whisper
        self._model: LoadedModel | None = None
        self._own_models: dict[str, LoadedModel] = {}
        """Of languages that have one, by the code that models know them by."""
        self._listener: LoadedModel | None = None
        """Which says which language it hears; None: all models know one language only."""

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError if faster-whisper, the weights, the device or the type are not there.

        CTranslate2 is imported only for a type or a device that was chosen, faster-whisper for a hub name.
        """
        super().check(settings)
        options = settings.whisper
        problems = [_model_problem(options, SETTING)]
        for language, own in options.own_models():
            where = f"speech.whisper.models.{language}"
            problem = _model_problem(own, where)
            if problem is None and model_code(language) not in model_languages(own.model):
                problem = f"{where}: the model {own.model!r} does not know this language"
            problems.append(problem)
        problems.append(device_problem(options))
        found = [problem for problem in problems if problem is not None]
        if found:
            raise ConfigurationError("\n".join(found))

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the models' languages, as far as their names or folders say."""
        return {*model_languages(settings.whisper.model), *settings.whisper.models}

    def load(self) -> None:
        """Load all models, and decode a full batch with each. Raises EngineError.

        Those of single languages too: else the first caller who speaks one would wait for it.
        """
        # Each model by its name: two languages may share one.
        loaded = {self._options.model: LoadedModel(self._options)}
        for _, options in self._options.own_models():
            if options.model not in loaded:
                loaded[options.model] = LoadedModel(options)
        self._model = loaded[self._options.model]
        self._own_models = {
            model_code(language): loaded[options.model] for language, options in self._options.own_models()
        }
        self._listener = next((model for model in loaded.values() if model.is_multilingual), None)
        # English is the one language that every model has. A GPU too small for a batch fails here.
        word = Transcribe("warm-up", SPOKEN_WORD.read_bytes(), "en")
        samples = telephone_samples(word.audio)
        for model in loaded.values():
            works = [
                _Work(_Utterance(word, samples, Abandonment()), _Spoken("en"), model.language("en"))
                for _ in range(self.batch_size)
            ]
            self._transcribe(model, works)

    @property
    def batch_size(self) -> int:
        """Return `whisper.batch_size`; unset, 1 on a CPU, where more at once are hardly faster."""
        is_on_gpu = self._model is not None and self._model.device == "cuda"
        return self._options.batch_size or (GPU_BATCH_SIZE if is_on_gpu else 1)

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or what `transcribe` would raise. Raises EngineError."""
        if self._model is None:
            raise EngineError("the whisper engine was asked to transcribe before it was loaded")
        prepared = [_prepared(*each) for each in zip(requests, abandonments, strict=True)]
        utterances = [each for each in prepared if isinstance(each, _Utterance)]
        try:
            outcomes = self._heard(self._model, utterances)
        except (RuntimeError, ValueError, MemoryError) as error:
            seconds = sum(utterance.duration_s for utterance in utterances)
            raise EngineError(f"whisper could not transcribe {seconds:.1f} s of audio: {error}") from error
        return [outcomes[each] if isinstance(each, _Utterance) else each for each in prepared]

    def _heard(self, main: LoadedModel, utterances: Sequence[_Utterance]) -> _Outcomes:
        """Find out which language each is in, and transcribe it in that; what is not clear, in the first."""
        spoken = self._spoken(utterances)
        outcomes = self._transcribed(main, spoken)
        unclear = {
            each: replace(found, language=each.request.language)
            for each, found in spoken.items()
            if found.language != each.request.language and not _is_clear(outcomes[each])
        }
        return outcomes | self._transcribed(main, unclear)

    def _transcribed(self, main: LoadedModel, spoken: Mapping[_Utterance, _Spoken]) -> _Outcomes:
        """Transcribe each with its language's model."""
        outcomes: _Outcomes = {}
        works: dict[LoadedModel, list[_Work]] = {}
        for utterance, found in spoken.items():
            code = model_code(found.language)
            model = self._own_models.get(code, main)
            try:
                work = _Work(utterance, found, model.language(code))
            except EngineError as error:
                outcomes[utterance] = error
            else:
                works.setdefault(model, []).append(work)
        for model, of_model in works.items():
            outcomes |= self._transcribe(model, of_model)
        return outcomes

    def _spoken(self, utterances: Sequence[_Utterance]) -> dict[_Utterance, _Spoken]:
        """Return the language of each utterance: the one asked for, or the most probable of several."""
        spoken = {each: _Spoken(each.request.language) for each in utterances}
        asked = [each for each in utterances if len(each.request.languages) > 1]
        listener = self._listener
        if asked and listener is not None:
            window = self._window(listener, asked)
            encoded = listener.encode([each.samples for each in asked], window)
            found = listener.language_probabilities(encoded)
            for each, probabilities, output in zip(asked, found, encoded, strict=True):
                shares = language_shares(each.request.languages, probabilities)
                language = max(shares, key=lambda language: shares[language])
                spoken[each] = _Spoken(language, shares, _Encoding(listener, window, output))
        return spoken

    def _window(self, model: LoadedModel, utterances: Sequence[_Utterance]) -> float:
        """Return the seconds to encode for all of them together."""
        if not model.has_tail:
            return FULL_WINDOW_S
        return max(window_s(each.duration_s, self._options) for each in utterances)

    def _transcribe(self, model: LoadedModel, works: Sequence[_Work]) -> _Outcomes:
        """Decode all in one window, and those again in 30 s whose result is doubtful."""
        window = self._window(model, [work.utterance for work in works])
        attempts = dict(zip(works, self._decode(model, works, window), strict=True))
        doubts = {work: first.doubt() for work, first in attempts.items()}
        again = [
            work
            for work, first in attempts.items()
            if first.is_doubtful(self._options.retry_log_probability)
            and work.utterance.request.may_retry
            and not work.is_abandoned
        ]
        if again:
            seconds = self._decode(model, again, FULL_WINDOW_S, is_stamped=True)
            for work, second in zip(again, seconds, strict=True):
                attempts[work], doubts[work] = second, second.doubt(attempts[work])
        return {
            work.utterance: AbandonedError()
            if work.is_abandoned
            else Transcript(
                attempt.text if doubts[work] is None else "",
                work.transcript_language,
                attempt.mean_log_probability,
                attempt.no_speech_probability,
                attempts=2 if work in again else 1,
                doubt=doubts[work],
                language_probability=work.spoken.shares.get(work.spoken.language),
            )
            for work, attempt in attempts.items()
        }

    def _decode(
        self, model: LoadedModel, works: Sequence[_Work], window: float, is_stamped: bool = False
    ) -> list[Attempt]:
        """Encode `window` seconds of each and decode them together.

        Each may have as many tokens as its duration explains: what is longer has run away. Time stamps hold
        the decoder to its place in the audio: it ends more often, and counts repeated words better.
        """
        encoded = _encoded(model, works, window)
        if all(work.is_abandoned for work in works):
            raise AbandonedError()
        heard = model.with_tail(encoded) if window < FULL_WINDOW_S else encoded
        attempts: dict[_Work, Attempt] = {}
        if not is_stamped:
            for row, work in enumerate(works):
                prompted = self._with_prompt(model, work, heard[row : row + 1])
                if prompted is not None:
                    attempts[work] = prompted
        rows = [row for row, work in enumerate(works) if work not in attempts]
        if rows:
            rest = [works[row] for row in rows]
            attempts |= zip(rest, self._without_prompt(model, rest, heard[rows], is_stamped), strict=True)
        return _with_languages(model, [attempts[work] for work in works], encoded)

    def _with_prompt(self, model: LoadedModel, work: _Work, heard: Encoded) -> Attempt | None:
        """Return what one utterance says if names or answers are expected; None: there is none, or it is in
        doubt, or says what the audio does not support.
        """
        request, language = work.utterance.request, work.language
        text = prompt_text(filter(language.is_rare, request.hot_words), request.prompt)
        if not text:
            return None
        limit = min(work.most_tokens, MAX_LENGTH // 2)
        prompts = [work.language.prompt_after(text)]
        (decoded,) = model.generate(heard, prompts, limit, work.language.suppressed)
        attempt = attempt_of(decoded, work.language, limit)
        if (
            attempt.doubt() is not None
            or attempt.is_doubtful(self._options.retry_log_probability)
            or attempt.no_speech_probability > MOST_NO_SPEECH_PROBABILITY
        ):
            return None
        is_there = model.supports(heard, language, decoded.tokens, work.utterance.duration_s, text)
        return attempt if is_there else None

    def _without_prompt(
        self, model: LoadedModel, works: Sequence[_Work], heard: Encoded, is_stamped: bool
    ) -> list[Attempt]:
        spare = _TIME_TOKENS if is_stamped else 0
        limits = [min(work.most_tokens + spare, MAX_LENGTH // 2) for work in works]
        most_tokens = max(limits)
        prompts = [work.language.start if is_stamped else work.language.prompt for work in works]
        in_steps = len(works) == 1 and not is_stamped
        step = min(_STEP_TOKENS, most_tokens) if in_steps else most_tokens
        decoded = model.generate(heard, prompts, step, works[0].language.suppressed)
        if in_steps:
            decoded = [_continued(model, decoded[0], heard, works[0].language, most_tokens)]
        return [
            attempt_of(each, work.language, limit)
            for each, work, limit in zip(decoded, works, limits, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Utterance:
    """One utterance that the model is needed for."""

    request: Transcribe
    samples: Samples
    """16 kHz, 30 s at most."""
    abandonment: Abandonment

    @property
    def duration_s(self) -> float:
        return len(self.samples) / MODEL_RATE_HZ


_Outcomes = dict[_Utterance, Transcript | EngineError]


@dataclass(frozen=True, slots=True, eq=False)
class _Encoding:
    """What a model's encoder made of one utterance."""

    model: LoadedModel
    window: float
    output: Encoded
    """[position, width]."""


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Which language an utterance is in."""

    language: str
    """As in the request."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """How probable each is that was asked for, among these; empty: there was nothing to find out."""
    encoding: _Encoding | None = None
    """From which that was found out."""

    def encoded(self, model: LoadedModel, window: float) -> Encoded | None:
        """Return what that model made of those seconds, if it did."""
        made = self.encoding
        return made.output if made and made.model is model and made.window == window else None


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One utterance for the decoder."""

    utterance: _Utterance
    spoken: _Spoken
    language: Language

    @property
    def is_abandoned(self) -> bool:
        return self.utterance.abandonment.is_set

    @property
    def transcript_language(self) -> str:
        """One of the languages asked for, as it was written there; else the model's code."""
        return self.spoken.language if self.utterance.request.languages else self.language.code

    @property
    def most_tokens(self) -> int:
        """How many tokens so much speech can hold."""
        tokens_per_s = _TOKENS_PER_S if self.language.code == "en" else _TOKENS_PER_S_ELSEWHERE
        return _SPARE_TOKENS + math.ceil(tokens_per_s * self.utterance.duration_s)


def _is_clear(outcome: Transcript | EngineError) -> bool:
    """Whether the call may go on in the language in which these words were found."""
    if isinstance(outcome, EngineError):
        return True  # it would fail again
    confidence = math.exp(outcome.mean_log_probability)
    return is_clear(outcome.text, confidence, outcome.language_probability or 0.0)


def _prepared(request: Transcribe, abandonment: Abandonment) -> _Utterance | Transcript | EngineError:
    """Return the samples, or the outcome where the model is not needed."""
    if abandonment.is_set:
        return AbandonedError()
    if len(request.audio) % BYTES_PER_SAMPLE:
        return EngineError(
            f"whisper got {len(request.audio)} bytes of audio, which is no whole number of 16-bit samples"
        )
    samples = telephone_samples(request.audio)
    duration_s = len(samples) / MODEL_RATE_HZ
    if duration_s > FULL_WINDOW_S + _SLACK_S:
        return EngineError(
            f"whisper got {duration_s:.1f} s of audio, and hears {FULL_WINDOW_S:g} s at most: "
            "make the utterances shorter (maximum_utterance_s)"
        )
    samples = samples[: round(FULL_WINDOW_S * MODEL_RATE_HZ)]
    if np.abs(samples).max(initial=0.0) < _SILENT_PEAK:
        silence = Transcript("", model_code(request.language), no_speech_probability=1.0)
        return replace(silence, doubt=Doubt.SILENCE)
    return _Utterance(request, samples, abandonment)


def _encoded(model: LoadedModel, works: Sequence[_Work], window: float) -> Encoded:
    """Return the encoder's output for all; what it made before of the same seconds is not made again."""
    made = [work.spoken.encoded(model, window) for work in works]
    missing = [work.utterance.samples for work, output in zip(works, made, strict=True) if output is None]
    encoded = model.encode(missing, window) if missing else None
    if encoded is not None and len(missing) == len(works):
        return encoded
    rest = iter(() if encoded is None else encoded)
    return np.stack([next(rest) if output is None else output for output in made])


def _with_languages(model: LoadedModel, attempts: list[Attempt], encoded: Encoded) -> list[Attempt]:
    """Ask the model how probable the language is, where another one may have been spoken."""
    asked = [position for position, attempt in enumerate(attempts) if attempt.may_be_foreign]
    if asked and model.is_multilingual:
        found = model.language_probabilities(encoded[asked])
        for position, probabilities in zip(asked, found, strict=True):
            attempt = attempts[position]
            probability = probabilities[attempt.language]
            attempts[position] = replace(attempt, language_probability=probability)
    return attempts


def _continued(
    model: LoadedModel, decoded: Decoded, encoded: Encoded, language: Language, most_tokens: int
) -> Decoded:
    """Go on step by step until the model ends, or what it says repeats itself: then it would not end."""
    count = _STEP_TOKENS
    while len(decoded.tokens) == count < most_tokens:
        if is_repetitive(language.tokenizer.decode(decoded.tokens)):
            break
        count = min(count + _STEP_TOKENS, most_tokens)
        prompt = [*language.prompt, *decoded.tokens]
        # CTranslate2 gives the tokens of the prompt's text again, and the probability of the new ones.
        (more,) = model.generate(encoded, [prompt], count, language.suppressed, may_be_blank=True)
        decoded = replace(more, log_probability=decoded.log_probability + more.log_probability)
    return decoded


def _model_problem(options: WhisperSettings, where: str) -> str | None:
    """Return why the model that the setting `where` names cannot be had; None: it can."""
    try:
        located = locate(options, where=where)
        of_hub = hub_problem(located, where) if isinstance(located, str) else None
        return of_hub or obtainable(located, where)
    except ConfigurationError as error:
        return str(error)


def device_problem(options: WhisperSettings) -> str | None:
    """Return why CTranslate2 cannot compute as the settings say on this machine; None: it can."""
    if options.compute_type in DEFAULT_TYPES and options.device != "cuda":
        return None
    import ctranslate2

    gpus = ctranslate2.get_cuda_device_count()
    if options.device == "cuda" and not gpus:
        return "speech.whisper.device = 'cuda': CTranslate2 sees no GPU; set auto or cpu"
    device = "cuda" if options.device == "cuda" or (options.device == "auto" and gpus) else "cpu"
    known = {*ctranslate2.get_supported_compute_types(device), *DEFAULT_TYPES}
    if options.compute_type in known:
        return None
    return (
        f"speech.whisper.compute_type = {options.compute_type!r}: there is no such type on this machine's "
        f"{device}: {choice(options.compute_type, known)}"
    )


def hub_problem(name: str, where: str) -> str | None:
    """Return why a model of the hub cannot be had, without downloading it; None: it can.

    It is not on this machine, and the hub has none or is not reached within `HUB_DEADLINE_S`.
    """
    from faster_whisper import available_models, download_model
    from huggingface_hub import HfApi

    if "/" not in name and name not in available_models():
        known = choice(name, available_models())
        return f"{where} = {name!r}: the hub has no such model: {known}, or write owner/name"
    try:
        download_model(name, local_files_only=True)
    except Exception:  # the hub's client has errors of its own for what is not there
        try:
            HfApi().model_info(name if "/" in name else HUB_SAMPLE, timeout=HUB_DEADLINE_S)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            return (
                f"{where} = {name!r} is not on this machine, and the hub does not give it "
                f"({type(error).__name__}: {reason}); name a model folder, or 'bundled'"
            )
    return None
