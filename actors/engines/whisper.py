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
| in doubt (`whisper_attempt`) | again in 30 s, with time stamps; the second result counts |
| more than 30 s | refused: Whisper has no longer window |
| on a GPU | the first time in 30 s too, which are cheap there |

Words that are in doubt still, and those of another language, are none; the transcript says why. Before
the encoder, the decoder and the second decode the engine looks whether the results are still needed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import soxr

from actors.checks.languages import choice
from actors.engines.abandonment import AbandonedError, Abandonment
from actors.engines.base import BatchSttEngine
from actors.engines.whisper_attempt import Attempt, is_repetitive
from actors.engines.whisper_languages import model_code, model_languages
from actors.engines.whisper_weights import locate, obtain, obtainable
from actors.errors import ConfigurationError, EngineError
from actors.messages import Doubt, Transcribe, Transcript
from actors.settings import GPU_BATCH_SIZE, SpeechSettings, WhisperSettings
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

MODEL_RATE_HZ = 16_000
FULL_WINDOW_S = 30.0
TAIL_S = 2.0
"""5 s give no fewer errors; 25 s cost a third more time."""

_SLACK_S = 0.5
"""Of an utterance of the greatest length that its first sounds come on top of: cut off at its end."""

DEFAULT_TYPES = ("default", "auto")
"""Of CTranslate2's compute types: every device has them."""
HUB_DEADLINE_S = 5.0
HUB_SAMPLE = "Systran/faster-whisper-tiny"
"""Asked for in place of a model that faster-whisper knows by a short name: is the hub there?"""

_HOP_SAMPLES = 160
"""Samples per mel frame (`hop_length`, faster_whisper/feature_extractor.py)."""
_SAMPLES_PER_POSITION = 2 * _HOP_SAMPLES
"""Of the encoder's output: its second convolution has stride 2 (Radford et al. 2022, §2.2)."""
_POSITIONS_PER_S = MODEL_RATE_HZ // _SAMPLES_PER_POSITION
_MAX_LENGTH = 448
"""Tokens of prompt and text together that the decoder has positions for (`max_length`,
faster_whisper/transcribe.py)."""
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
_SPOKEN_WORD = Path(__file__).with_name("hello.sln")
"""The word "hello" in a hibari voice, 8 kHz int16 without a header (Asterisk's `sln`)."""

Samples = npt.NDArray[np.float32]


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
        self._model: Any = None
        self._languages: dict[str, _Language] = {}
        self._tail: Samples | None = None
        """[1, position, width]; None on a GPU."""

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError if faster-whisper, the weights, the device or the type are not there.

        CTranslate2 is imported only for a type or a device that was chosen, faster-whisper for a hub name.
        """
        super().check(settings)
        options = settings.whisper
        located = locate(options)
        problem = obtainable(located)
        if problem is None and isinstance(located, str):
            problem = hub_problem(located)
        if problem is None:
            problem = device_problem(options)
        if problem is not None:
            raise ConfigurationError(problem)

    @classmethod
    def languages(cls, settings: SpeechSettings) -> Collection[str]:
        """Return the model's languages, as far as its name or folder says."""
        return model_languages(settings.whisper.model)

    def load(self) -> None:
        """Load the weights, keep the tail, and decode a full batch. Raises EngineError."""
        self._model = _load_model(self._options)
        self._languages = {}
        self._tail = None
        if self._device != "cuda":
            encoded = self._encode([_samples(_SPOKEN_WORD.read_bytes())], FULL_WINDOW_S)
            self._tail = encoded[:, -round(TAIL_S * _POSITIONS_PER_S) :].copy()
        # English is the one language that every model has. A GPU too small for a batch fails here.
        word = Transcribe("warm-up", _SPOKEN_WORD.read_bytes(), "en")
        size = self.batch_size
        for outcome in self.transcribe_batch([word] * size, [Abandonment() for _ in range(size)]):
            if isinstance(outcome, EngineError):
                raise outcome

    @property
    def batch_size(self) -> int:
        """Return `whisper.batch_size`; unset, 1 on a CPU, where more at once are hardly faster."""
        return self._options.batch_size or (GPU_BATCH_SIZE if self._device == "cuda" else 1)

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or what `transcribe` would raise. Raises EngineError."""
        if self._model is None:
            raise EngineError("the whisper engine was asked to transcribe before it was loaded")
        prepared = [self._prepared(*work) for work in zip(requests, abandonments, strict=True)]
        works = [work for work in prepared if isinstance(work, _Work)]
        try:
            outcomes = dict(zip(works, self._transcribe(works), strict=True))
        except (RuntimeError, ValueError, MemoryError) as error:
            seconds = sum(work.duration_s for work in works)
            raise EngineError(f"whisper could not transcribe {seconds:.1f} s of audio: {error}") from error
        return [outcomes[work] if isinstance(work, _Work) else work for work in prepared]

    @property
    def _device(self) -> str:
        device: str = self._model.model.device
        return device

    def _prepared(self, request: Transcribe, abandonment: Abandonment) -> _Work | Transcript | EngineError:
        """Return the samples and what the decoder needs, or the outcome where the model is not needed."""
        if abandonment.is_set:
            return AbandonedError()
        if len(request.audio) % BYTES_PER_SAMPLE:
            return EngineError(
                f"whisper got {len(request.audio)} bytes of audio, which is no whole number of 16-bit samples"
            )
        code = model_code(request.language)
        if not request.audio:
            return _silence(code)
        try:
            language = self._language(code)
        except EngineError as error:
            return error
        samples = _samples(request.audio)
        duration_s = len(samples) / MODEL_RATE_HZ
        if duration_s > FULL_WINDOW_S + _SLACK_S:
            return EngineError(
                f"whisper got {duration_s:.1f} s of audio, and hears {FULL_WINDOW_S:g} s at most: "
                "make the utterances shorter (maximum_utterance_s)"
            )
        samples = samples[: round(FULL_WINDOW_S * MODEL_RATE_HZ)]
        work = _Work(samples, language, request.may_retry, abandonment)
        if np.abs(work.samples).max(initial=0.0) < _SILENT_PEAK:
            return _silence(code)
        return work

    def _language(self, code: str) -> _Language:
        if code not in self._languages:
            self._languages[code] = _Language.of(self._model, code)
        return self._languages[code]

    def _transcribe(self, works: Sequence[_Work]) -> list[Transcript | EngineError]:
        """Decode all in one window, and those again in 30 s whose result is doubtful."""
        if not works:
            return []
        window = FULL_WINDOW_S
        if self._tail is not None:
            window = max(window_s(work.duration_s, self._options) for work in works)
        attempts = dict(zip(works, self._decode(works, window), strict=True))
        doubts = {work: first.doubt() for work, first in attempts.items()}
        again = [
            work
            for work, first in attempts.items()
            if first.is_doubtful(self._options.retry_log_probability)
            and work.may_retry
            and not work.abandonment.is_set
        ]
        if again:
            for work, second in zip(again, self._decode(again, FULL_WINDOW_S, is_stamped=True), strict=True):
                attempts[work], doubts[work] = second, second.doubt(attempts[work])
        return [
            AbandonedError()
            if work.abandonment.is_set
            else Transcript(
                attempt.text if doubts[work] is None else "",
                work.language.code,
                attempt.mean_log_probability,
                attempt.no_speech_probability,
                attempts=2 if work in again else 1,
                doubt=doubts[work],
            )
            for work, attempt in attempts.items()
        ]

    def _decode(self, works: Sequence[_Work], window: float, is_stamped: bool = False) -> list[Attempt]:
        """Encode `window` seconds of each and decode them together.

        Each may have as many tokens as its duration explains: what is longer has run away. Time stamps hold
        the decoder to its place in the audio: it ends more often, and counts repeated words better.
        """
        spare = _TIME_TOKENS if is_stamped else 0
        limits = [min(work.most_tokens + spare, _MAX_LENGTH // 2) for work in works]
        most_tokens = max(limits)
        encoded = self._encode([work.samples for work in works], window)
        if all(work.abandonment.is_set for work in works):
            raise AbandonedError()
        prompts = [work.language.stamped_prompt if is_stamped else work.language.prompt for work in works]
        heard = self._with_tail(encoded) if window < FULL_WINDOW_S else encoded
        in_steps = len(works) == 1 and not is_stamped
        step = min(_STEP_TOKENS, most_tokens) if in_steps else most_tokens
        decoded = self._generate(heard, prompts, step, works[0].language.suppressed)
        if in_steps:
            decoded = [self._continued(decoded[0], heard, works[0].language, most_tokens)]
        attempts = [
            _attempt(each, work.language, limit)
            for each, work, limit in zip(decoded, works, limits, strict=True)
        ]
        return self._with_languages(attempts, encoded)

    def _continued(
        self, decoded: _Decoded, encoded: npt.NDArray[Any], language: _Language, most_tokens: int
    ) -> _Decoded:
        """Go on step by step until the model ends, or what it says repeats itself: then it would not end."""
        count = _STEP_TOKENS
        while len(decoded.tokens) == count < most_tokens:
            if is_repetitive(language.tokenizer.decode(decoded.tokens)):
                break
            count = min(count + _STEP_TOKENS, most_tokens)
            prompt = [*language.prompt, *decoded.tokens]
            # CTranslate2 gives the tokens of the prompt's text again, and the probability of the new ones.
            (more,) = self._generate(encoded, [prompt], count, language.suppressed, may_be_blank=True)
            decoded = replace(more, log_probability=decoded.log_probability + more.log_probability)
        return decoded

    def _generate(
        self,
        encoded: npt.NDArray[Any],
        prompts: Sequence[list[int]],
        most_tokens: int,
        suppressed: Sequence[int],
        may_be_blank: bool = False,
    ) -> list[_Decoded]:
        results = self._model.model.generate(
            _storage(encoded),
            prompts,
            beam_size=self._options.beam_size,
            # CTranslate2 stops at half of max_length or max_length less the prompt, the smaller one
            # (src/models/whisper.cc).
            max_length=max(2 * most_tokens, most_tokens + len(prompts[0])),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=not may_be_blank,
            suppress_tokens=suppressed,  # the same in every language
        )
        # The score is the mean without the end token, which `generate_with_fallback`
        # (faster_whisper/transcribe.py) shows.
        return [
            _Decoded(tokens, result.scores[0] * len(tokens), result.no_speech_prob)
            for result in results
            for tokens in result.sequences_ids
        ]

    def _with_languages(self, attempts: list[Attempt], encoded: npt.NDArray[Any]) -> list[Attempt]:
        """Ask the model how probable the language is, where another one may have been spoken.

        Without the tail, which takes half as long again and says nothing more.
        """
        asked = [position for position, attempt in enumerate(attempts) if attempt.may_be_foreign]
        if asked and self._model.model.is_multilingual:
            found = self._model.model.detect_language(_storage(encoded[asked]))
            for position, languages in zip(asked, found, strict=True):
                attempt = attempts[position]
                probability = dict(languages)[f"<|{attempt.language}|>"]
                attempts[position] = replace(attempt, language_probability=probability)
        return attempts

    def _encode(self, utterances: Sequence[Samples], window: float) -> npt.NDArray[Any]:
        """Return the encoder's output, [utterance, position, width]."""
        count = math.ceil(window * _POSITIONS_PER_S) * _SAMPLES_PER_POSITION
        padded = np.zeros((len(utterances), count), np.float32)
        for row, samples in zip(padded, utterances, strict=True):
            row[: len(samples)] = samples
        features = np.stack([self._model.feature_extractor(row, padding=0) for row in padded])
        return np.asarray(self._model.model.encode(_storage(features), to_cpu=True))

    def _with_tail(self, encoded: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._tail is None:
            return encoded
        tails = np.broadcast_to(self._tail, (len(encoded), *self._tail.shape[1:]))
        return np.concatenate((encoded, tails), axis=1)


@dataclass(frozen=True, slots=True)
class _Language:
    """What the decoder needs to know for one language."""

    code: str
    tokenizer: Any
    prompt: list[int]
    stamped_prompt: list[int]
    """For text with time stamps."""
    suppressed: Sequence[int]

    @classmethod
    def of(cls, model: Any, code: str) -> _Language:
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        known: list[str] = model.supported_languages
        if code not in known:
            kind = "an English-only model" if known == ["en"] else "this model"
            raise EngineError(
                f"whisper: {kind} does not know the language {code!r}; "
                f"use another model (speech.whisper.model) or one of: {', '.join(known)}"
            )
        tokenizer = Tokenizer(
            model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=code
        )
        start = list(tokenizer.sot_sequence)
        suppressed = get_suppressed_tokens(tokenizer, [-1])
        return cls(code, tokenizer, [*start, tokenizer.no_timestamps], start, suppressed)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One utterance for the model."""

    samples: Samples
    """16 kHz."""
    language: _Language
    may_retry: bool
    abandonment: Abandonment

    @property
    def duration_s(self) -> float:
        return len(self.samples) / MODEL_RATE_HZ

    @property
    def most_tokens(self) -> int:
        """How many tokens so much speech can hold."""
        tokens_per_s = _TOKENS_PER_S if self.language.code == "en" else _TOKENS_PER_S_ELSEWHERE
        return _SPARE_TOKENS + math.ceil(tokens_per_s * self.duration_s)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What the decoder gave for one utterance."""

    tokens: list[int]
    log_probability: float
    """Of all tokens together, the end token's included."""
    no_speech_probability: float


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


def hub_problem(name: str) -> str | None:
    """Return why a model of the hub cannot be had, without downloading it; None: it can.

    It is not on this machine, and the hub has none or is not reached within `HUB_DEADLINE_S`.
    """
    from faster_whisper import available_models, download_model
    from huggingface_hub import HfApi

    if "/" not in name and name not in available_models():
        known = choice(name, available_models())
        return f"speech.whisper.model = {name!r}: the hub has no such model: {known}, or write owner/name"
    try:
        download_model(name, local_files_only=True)
    except Exception:  # the hub's client has errors of its own for what is not there
        try:
            HfApi().model_info(name if "/" in name else HUB_SAMPLE, timeout=HUB_DEADLINE_S)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            return (
                f"speech.whisper.model = {name!r} is not on this machine, and the hub does not give it "
                f"({type(error).__name__}: {reason}); name a model folder, or 'bundled'"
            )
    return None


def _load_model(options: WhisperSettings) -> Any:
    import ctranslate2
    from faster_whisper import WhisperModel

    weights = obtain(options)
    device = options.device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    try:
        compute_type = options.compute_type
        if compute_type == "default":
            compute_type = _fastest(device, ctranslate2.get_supported_compute_types(device))
        return WhisperModel(
            weights, device=device, compute_type=compute_type, cpu_threads=options.threads, num_workers=1
        )
    except Exception as error:  # the hub's client, CTranslate2 and the tokenizer each raise their own
        reason = " ".join(str(error).split())  # theirs have several lines
        raise EngineError(
            f"whisper could not load {weights!r} (speech.whisper.model) on {device}: {reason}; "
            "name a model folder, an installed one ('bundled'), or a hub name this machine can download"
        ) from error


def _fastest(device: str, supported: set[str]) -> str:
    wanted = ("float16", "int8_float16", "int8") if device == "cuda" else ("int8",)
    return next((compute_type for compute_type in wanted if compute_type in supported), "float32")


def _attempt(decoded: _Decoded, language: _Language, most_tokens: int) -> Attempt:
    """Return what was decoded; in a batch it may have gone on beyond this utterance's own limit."""
    text = language.tokenizer.decode(decoded.tokens[:most_tokens]).strip()
    return Attempt(
        text,
        mean_log_probability=decoded.log_probability / (len(decoded.tokens) + 1),
        no_speech_probability=decoded.no_speech_probability,
        ended=len(decoded.tokens) < most_tokens,
        language=language.code,
    )


def _silence(code: str) -> Transcript:
    return Transcript("", code, no_speech_probability=1.0, doubt=Doubt.SILENCE)


def _samples(audio: bytes) -> Samples:
    """Return telephone audio as the model takes it: 16 kHz, -1..1."""
    samples = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
    resampled: Samples = soxr.resample(samples, TELEPHONE_RATE_HZ, MODEL_RATE_HZ)
    return resampled


def _storage(array: npt.NDArray[Any]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))
