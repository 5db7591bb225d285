"""Speech to text with faster-whisper, cut to the length of a telephone turn (decision 4).

Whisper was trained on 30 s windows, and faster-whisper fills every utterance up to that. A telephone
turn lasts 1 to 8 s, so most of the encoder's work goes into silence: 30 s cost six to twelve times what
5 s cost. Encoding a shorter window alone breaks the decoder. It has learnt that speech is followed by a
stretch of silence, finds none, and says the sentence again and again (19 % word error rate with 10 s).

What it misses can be remembered. The encoder's output for the silence after speech hardly depends on the
speech, so `load` encodes 30 s that begin with a spoken word, and keeps the last 5 s of the output: the
*tail*. Each utterance is encoded in a short window of its own, the tail is put behind, and the decoder
sees speech, silence, end. That costs a few milliseconds and less errors than the plain 10 s window.

When the result still looks doubtful (it repeats itself, does not end, or the model was unsure), 30 s are
decoded as well and the better of the two is returned. On a GPU 30 s are cheap and always used.

Several utterances are encoded and decoded together (decision 11), in the window that the longest of them
needs; one is a batch of one. Between the encoder, the decoder and the second decode the engine looks
whether anybody still waits.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import soxr

from actors.engines.abandonment import AbandonedError, Abandonment
from actors.engines.base import SttEngine
from actors.engines.whisper_weights import locate, obtain
from actors.errors import EngineError
from actors.messages import Transcribe, Transcript
from actors.settings import GPU_BATCH_SIZE, SpeechSettings, WhisperSettings
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

MODEL_RATE_HZ = 16_000
FULL_WINDOW_S = 30.0
TAIL_S = 5.0
"""Remembered silence behind the window: 2 s are enough, 25 s cost a third more time."""

_HOP_SAMPLES = 160
"""Samples per mel frame (`hop_length`, faster_whisper/feature_extractor.py)."""
_FRAMES_PER_POSITION = 2
"""Mel frames per encoder position: the second convolution has stride 2 (Radford et al. 2022, §2.2)."""
_POSITIONS_PER_S = MODEL_RATE_HZ // _HOP_SAMPLES // _FRAMES_PER_POSITION
_MAX_LENGTH = 448
"""Tokens of prompt and text together that the decoder has positions for (`max_length`,
faster_whisper/transcribe.py)."""
_TOKENS_PER_S = 8
"""More than anybody says in English (prompts hold up to 5); a longer decode has run away."""
_TOKENS_PER_S_ELSEWHERE = 20
"""Words of other languages are cut into more tokens."""
_SPARE_TOKENS = 8
_SILENT_PEAK = 1e-3
"""Of full scale, -60 dB: below it there are no words, but the model is known to hear "you"."""
_MAX_COMPRESSION_RATIO = 2.4
"""Text that zlib makes smaller than this repeats itself (Radford et al. 2022, §4.5)."""
_NO_SPEECH_PROBABILITY = 0.65
_NO_SPEECH_LOG_PROBABILITY = -0.5
"""Above the one and below the other nobody spoke: two signs, as in Radford et al. 2022, §4.5, who ask
for 0.6 and -1.0. Between speech and "Thank you." heard in hiss, clicks and tones the line on telephone
audio runs here: real prompts made very quiet reach 0.7, but with -0.2; noise has 0.7 and -0.6 or more."""
_GUESS_LOG_PROBABILITY = -2.0
"""Below it the words are the model's invention."""
_SPOKEN_WORD = Path(__file__).with_name("hello.sln")
"""The word "hello" in a hibari voice, 8 kHz int16 without a header (Asterisk's `sln`)."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one decode gave, and what speaks against it."""

    text: str
    mean_log_probability: float
    no_speech_probability: float
    ended: bool
    """Whether the model itself stopped, not the token limit."""

    @property
    def is_repetitive(self) -> bool:
        """Whether the text says the same over and over."""
        return compression_ratio(self.text) > _MAX_COMPRESSION_RATIO

    @property
    def is_silence(self) -> bool:
        """Whether nobody spoke, whatever words the model found."""
        return (
            self.no_speech_probability > _NO_SPEECH_PROBABILITY
            and self.mean_log_probability < _NO_SPEECH_LOG_PROBABILITY
        )

    @property
    def is_understood(self) -> bool:
        """Whether somebody spoke and the words are more than a guess."""
        return not self.is_silence and self.mean_log_probability > _GUESS_LOG_PROBABILITY

    def is_doubtful(self, retry_log_probability: float) -> bool:
        """Whether somebody spoke and another decode may well give something better."""
        return not self.is_silence and (
            self.is_repetitive or not self.ended or self.mean_log_probability < retry_log_probability
        )


def window_s(duration_s: float, settings: WhisperSettings) -> float:
    """Return the seconds to encode for an utterance: at least its length, at most 30.

    `duration_s` is at most 30.
    """
    return min(max(settings.window_s, duration_s + settings.window_margin_s), FULL_WINDOW_S)


def compression_ratio(text: str) -> float:
    """Return how many times smaller zlib makes `text`; 0 for an empty text."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def better(first: Attempt, second: Attempt) -> Attempt:
    """Return the attempt to believe: one that ended and does not repeat, then the surer one."""
    return max(
        (first, second),
        key=lambda attempt: (attempt.ended and not attempt.is_repetitive, attempt.mean_log_probability),
    )


class WhisperStt(SttEngine):
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

    @classmethod
    def check(cls, settings: SpeechSettings) -> None:
        """Raise ConfigurationError if faster-whisper or the weights are not on this machine."""
        super().check(settings)
        locate(settings.whisper)

    def load(self) -> None:
        """Load the weights, learn what silence looks like, and decode a full batch. Raises EngineError."""
        self._model = _load_model(self._options)
        self._languages = {}
        # A GPU encodes 30 s in a few milliseconds.
        self._tail = None if self._device == "cuda" else self._silence_after_speech()
        # A word in English, the one language every model has. A GPU too small for a batch is told now.
        word = Transcribe("warm-up", _SPOKEN_WORD.read_bytes(), "en")
        size = self.batch_size
        for outcome in self.transcribe_batch([word] * size, [Abandonment() for _ in range(size)]):
            if isinstance(outcome, EngineError):
                raise outcome

    @property
    def batch_size(self) -> int:
        """Return `whisper.batch_size`; unset, 1 on a CPU, where more at once are hardly faster."""
        return self._options.batch_size or (GPU_BATCH_SIZE if self._device == "cuda" else 1)

    def transcribe(self, request: Transcribe, abandonment: Abandonment | None = None) -> Transcript:
        """Return the words of one utterance; the text is empty if nobody spoke. Raises EngineError."""
        (outcome,) = self.transcribe_batch([request], [abandonment or Abandonment()])
        if isinstance(outcome, EngineError):
            raise outcome
        return outcome

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return for each utterance its words, or what `transcribe` would raise. Raises EngineError.

        More than 30 s are transcribed alone, after the others.
        """
        if self._model is None:
            raise EngineError("the whisper engine was asked to transcribe before it was loaded")
        outcomes: dict[int, Transcript | EngineError] = {}
        short: dict[int, _Work] = {}
        long: dict[int, _Work] = {}
        try:
            for index, (request, abandonment) in enumerate(zip(requests, abandonments, strict=True)):
                try:
                    work = self._prepared(request, abandonment)
                except EngineError as error:
                    outcomes[index] = error
                    continue
                if isinstance(work, Transcript):
                    outcomes[index] = work
                else:
                    (long if work.duration_s > FULL_WINDOW_S else short)[index] = work
            outcomes.update(zip(short, self._transcribe(list(short.values())), strict=True))
            outcomes.update((index, self._transcribe_long(work)) for index, work in long.items())
        except (RuntimeError, ValueError, MemoryError) as error:
            seconds = sum(len(request.audio) for request in requests) / BYTES_PER_SAMPLE / TELEPHONE_RATE_HZ
            raise EngineError(f"whisper could not transcribe {seconds:.1f} s of audio: {error}") from error
        return [outcomes[index] for index in range(len(requests))]

    @property
    def _device(self) -> str:
        device: str = self._model.model.device
        return device

    def _prepared(self, request: Transcribe, abandonment: Abandonment) -> _Work | Transcript:
        """Return the samples and what the decoder must know, or the answer where no model is needed."""
        abandonment.check()
        if len(request.audio) % BYTES_PER_SAMPLE:
            raise EngineError(
                f"whisper got {len(request.audio)} bytes of audio, which is no whole number of 16-bit samples"
            )
        code = request.language.split("-")[0].lower()
        if not request.audio:
            return _transcript("", code)
        samples = _samples(request.audio)
        work = _Work(samples, code, self._language(code), request.may_retry, abandonment)
        if np.abs(samples).max(initial=0.0) < _SILENT_PEAK:
            return _transcript("", code)
        return work

    def _transcribe(self, works: Sequence[_Work]) -> list[Transcript | EngineError]:
        """Decode all in one window, and those again in 30 s whose result is doubtful."""
        if not works:
            return []
        window = FULL_WINDOW_S
        if self._tail is not None:
            window = max(window_s(work.duration_s, self._options) for work in works)
        results = [(attempt, 1) for attempt in self._decode(works, window)]
        if window < FULL_WINDOW_S:
            doubtful = [
                index
                for index, (work, (attempt, _)) in enumerate(zip(works, results, strict=True))
                if attempt.is_doubtful(self._options.retry_log_probability)
                and work.may_retry
                and not work.abandonment.is_set
            ]
            # Twice the tokens, should the limit itself have cut the first.
            again = self._decode([works[index] for index in doubtful], FULL_WINDOW_S, allowance=2)
            for index, second in zip(doubtful, again, strict=True):
                results[index] = better(results[index][0], second), 2
        return [_answer(work, *result) for work, result in zip(works, results, strict=True)]

    def _decode(self, works: Sequence[_Work], window: float, allowance: int = 1) -> list[Attempt]:
        """Encode `window` seconds of each and decode them together.

        Each may have `allowance` times the tokens that its duration explains: what is longer has run away.
        """
        if not works:
            return []
        limits = [min(allowance * work.most_tokens, _MAX_LENGTH // 2) for work in works]
        most_tokens = max(limits)
        encoded = self._encode([work.samples for work in works], window)
        if all(work.abandonment.is_set for work in works):
            raise AbandonedError("the work was abandoned")
        prompts = [work.language.prompt for work in works]
        results = self._model.model.generate(
            _storage(encoded),
            prompts,
            beam_size=self._options.beam_size,
            # CTranslate2 stops at half of max_length or max_length less the prompt, the smaller one
            # (src/models/whisper.cc).
            max_length=max(2 * most_tokens, most_tokens + len(prompts[0])),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=works[0].language.suppressed,  # the same in every language
        )
        return [
            _attempt(result, work.language.tokenizer, limit)
            for result, work, limit in zip(results, works, limits, strict=True)
        ]

    def _encode(self, utterances: Sequence[Samples], window: float) -> npt.NDArray[Any]:
        """Return the encoder's output, [utterance, position, width]: the window's and, if short, the tail."""
        positions = math.ceil(window * _POSITIONS_PER_S)
        features = []
        for samples in utterances:
            padded = np.zeros(positions * _FRAMES_PER_POSITION * _HOP_SAMPLES, np.float32)
            padded[: len(samples)] = samples
            features.append(self._model.feature_extractor(padded, padding=0))
        encoded = np.asarray(self._model.model.encode(_storage(np.stack(features)), to_cpu=True))
        if self._tail is None or window >= FULL_WINDOW_S:
            return encoded
        tails = np.broadcast_to(self._tail, (len(utterances), *self._tail.shape[1:]))
        return np.concatenate((encoded, tails), axis=1)

    def _silence_after_speech(self) -> Samples:
        """Return the encoder's output for the last seconds of 30 that begin with a word."""
        encoded = self._encode([_samples(_SPOKEN_WORD.read_bytes())], FULL_WINDOW_S)
        return encoded[:, -round(TAIL_S * _POSITIONS_PER_S) :].copy()

    def _transcribe_long(self, work: _Work) -> Transcript | EngineError:
        """Transcribe more than 30 s the way faster-whisper does, window after window."""
        found, _ = self._model.transcribe(work.samples, language=work.code, beam_size=self._options.beam_size)
        segments = []
        for segment in found:  # decoded as they are asked for
            if work.abandonment.is_set:
                return AbandonedError("the work was abandoned")
            segments.append(segment)
        if not segments:
            return _transcript("", work.code)
        tokens = [len(segment.tokens) for segment in segments]
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            language=work.code,
            mean_log_probability=float(np.average([s.avg_logprob for s in segments], weights=tokens)),
            no_speech_probability=max(segment.no_speech_prob for segment in segments),
            attempts=1,
        )

    def _language(self, code: str) -> _Language:
        if code not in self._languages:
            self._languages[code] = _Language.of(self._model, code)
        return self._languages[code]


@dataclass(frozen=True, slots=True)
class _Language:
    """What the decoder is told for one language."""

    tokenizer: Any
    prompt: list[int]
    suppressed: Sequence[int]
    tokens_per_s: int

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
        return cls(
            tokenizer=tokenizer,
            prompt=[*tokenizer.sot_sequence, tokenizer.no_timestamps],
            suppressed=get_suppressed_tokens(tokenizer, [-1]),
            tokens_per_s=_TOKENS_PER_S if code == "en" else _TOKENS_PER_S_ELSEWHERE,
        )

    def most_tokens(self, duration_s: float) -> int:
        """Return how many tokens so many seconds of speech can hold."""
        return _SPARE_TOKENS + math.ceil(self.tokens_per_s * duration_s)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One utterance that the model has to hear."""

    samples: Samples
    """16 kHz."""
    code: str
    language: _Language
    may_retry: bool
    abandonment: Abandonment

    @property
    def duration_s(self) -> float:
        return len(self.samples) / MODEL_RATE_HZ

    @property
    def most_tokens(self) -> int:
        """How many tokens so much speech can hold."""
        return self.language.most_tokens(self.duration_s)


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


def _attempt(result: Any, tokenizer: Any, most_tokens: int) -> Attempt:
    """Return what CTranslate2 gave; in a batch it may have gone on beyond this utterance's own limit."""
    tokens = result.sequences_ids[0]
    return Attempt(
        text=tokenizer.decode(tokens[:most_tokens]).strip(),
        # The score is the mean without the end token, the probability with it
        # (`generate_with_fallback`, faster_whisper/transcribe.py).
        mean_log_probability=result.scores[0] * len(tokens) / (len(tokens) + 1),
        no_speech_probability=result.no_speech_prob,
        ended=len(tokens) < most_tokens,
    )


def _answer(work: _Work, attempt: Attempt, attempts: int) -> Transcript | EngineError:
    """Return the attempt's words if they are words, and if anybody still waits for them."""
    if work.abandonment.is_set:
        return AbandonedError("the work was abandoned")
    return _transcript(attempt.text if attempt.is_understood else "", work.code, attempt, attempts)


def _transcript(text: str, language: str, attempt: Attempt | None = None, attempts: int = 1) -> Transcript:
    return Transcript(
        text=text,
        language=language,
        mean_log_probability=attempt.mean_log_probability if attempt else 0.0,
        no_speech_probability=attempt.no_speech_probability if attempt else 1.0,
        attempts=attempts,
    )


def _samples(audio: bytes) -> Samples:
    """Return telephone audio as the model wants it: 16 kHz, -1..1."""
    samples = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
    resampled: Samples = soxr.resample(samples, TELEPHONE_RATE_HZ, MODEL_RATE_HZ)
    return resampled


def _storage(array: npt.NDArray[Any]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))
