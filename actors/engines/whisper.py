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

from actors.engines.base import SttEngine
from actors.engines.whisper_weights import locate, obtain
from actors.errors import EngineError
from actors.messages import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, Transcribe, Transcript
from actors.settings import SpeechSettings, WhisperSettings

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
        """Load the weights, learn what silence looks like, and decode once. Raises EngineError."""
        self._model = _load_model(self._options)
        self._languages = {}
        # A GPU encodes 30 s in a few milliseconds.
        self._tail = None if self._model.model.device == "cuda" else self._silence_after_speech()
        # An English word: that is the one language every model has.
        self._transcribe(_samples(_SPOKEN_WORD.read_bytes()), "en")

    def transcribe(self, request: Transcribe) -> Transcript:
        """Return the words of one utterance; the text is empty if nobody spoke. Raises EngineError."""
        if self._model is None:
            raise EngineError("the whisper engine was asked to transcribe before it was loaded")
        if len(request.audio) % BYTES_PER_SAMPLE:
            raise EngineError(
                f"whisper got {len(request.audio)} bytes of audio, which is no whole number of 16-bit samples"
            )
        code = request.language.split("-")[0].lower()
        if not request.audio:
            return _transcript("", code)
        try:
            return self._transcribe(_samples(request.audio), code)
        except (RuntimeError, ValueError, MemoryError) as error:
            seconds = len(request.audio) / BYTES_PER_SAMPLE / TELEPHONE_RATE_HZ
            raise EngineError(f"whisper could not transcribe {seconds:.1f} s of audio: {error}") from error

    def _transcribe(self, samples: Samples, code: str) -> Transcript:
        language = self._language(code)
        duration_s = len(samples) / MODEL_RATE_HZ
        if np.abs(samples).max(initial=0.0) < _SILENT_PEAK:
            return _transcript("", code)
        if duration_s > FULL_WINDOW_S:
            return self._transcribe_long(samples, code)
        most_tokens = language.most_tokens(duration_s)
        window = FULL_WINDOW_S if self._tail is None else window_s(duration_s, self._options)
        attempt = self._decode(samples, language, window, most_tokens)
        attempts = 1
        if window < FULL_WINDOW_S and attempt.is_doubtful(self._options.retry_log_probability):
            # Twice the tokens, should the limit itself have cut the first.
            second = self._decode(samples, language, FULL_WINDOW_S, 2 * most_tokens)
            attempt, attempts = better(attempt, second), 2
        return _transcript(attempt.text if attempt.is_understood else "", code, attempt, attempts)

    def _decode(self, samples: Samples, language: _Language, window: float, most_tokens: int) -> Attempt:
        """Encode `window` seconds and decode them, with at most `most_tokens` tokens of text."""
        most_tokens = min(most_tokens, _MAX_LENGTH // 2)
        result = self._model.model.generate(
            _storage(self._encode(samples, window)),
            [language.prompt],
            beam_size=self._options.beam_size,
            # CTranslate2 stops at half of max_length or max_length less the prompt, the smaller one
            # (src/models/whisper.cc).
            max_length=max(2 * most_tokens, most_tokens + len(language.prompt)),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=language.suppressed,
        )[0]
        tokens = result.sequences_ids[0]
        return Attempt(
            text=language.tokenizer.decode(tokens).strip(),
            # The score is the mean without the end token, the probability with it
            # (`generate_with_fallback`, faster_whisper/transcribe.py).
            mean_log_probability=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech_probability=result.no_speech_prob,
            ended=len(tokens) < most_tokens,
        )

    def _encode(self, samples: Samples, window: float) -> npt.NDArray[Any]:
        """Return the encoder's output, [1, position, width]: the window's and, if it is short, the tail."""
        positions = math.ceil(window * _POSITIONS_PER_S)
        padded = np.zeros(positions * _FRAMES_PER_POSITION * _HOP_SAMPLES, np.float32)
        padded[: len(samples)] = samples
        features = self._model.feature_extractor(padded, padding=0)
        encoded = np.asarray(self._model.model.encode(_storage(features[None]), to_cpu=True))
        if self._tail is None or window >= FULL_WINDOW_S:
            return encoded
        return np.concatenate((encoded, self._tail), axis=1)

    def _silence_after_speech(self) -> Samples:
        """Return the encoder's output for the last seconds of 30 that begin with a word."""
        encoded = self._encode(_samples(_SPOKEN_WORD.read_bytes()), FULL_WINDOW_S)
        return encoded[:, -round(TAIL_S * _POSITIONS_PER_S) :].copy()

    def _transcribe_long(self, samples: Samples, code: str) -> Transcript:
        """Transcribe more than 30 s the way faster-whisper does, window after window."""
        found, _ = self._model.transcribe(samples, language=code, beam_size=self._options.beam_size)
        segments = list(found)
        if not segments:
            return _transcript("", code)
        tokens = [len(segment.tokens) for segment in segments]
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            language=code,
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
