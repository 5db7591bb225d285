"""One whisper model in memory: it encodes, decodes, and says which language it hears.

Everything is [utterance, …]: several at once, in one window. The engine (`whisper`) decides what is decoded,
how often, and what of it counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from actors.engines.whisper_attempt import Attempt
from actors.engines.whisper_prompt import is_supported
from actors.engines.whisper_weights import obtain
from actors.errors import EngineError
from actors.settings import WhisperSettings
from actors.telephone import TELEPHONE_RATE_HZ

MODEL_RATE_HZ = 16_000
FULL_WINDOW_S = 30.0
TAIL_S = 2.0
"""5 s give no fewer errors; 25 s cost a third more time."""
MAX_LENGTH = 448
"""Tokens of prompt and text together that the decoder has positions for (`max_length`,
faster_whisper/transcribe.py)."""
MAX_PROMPT_TOKENS = MAX_LENGTH // 2 - 1
"""Of what comes before the transcript, as Whisper was trained (Radford et al. 2022, §2.3)."""

_HOP_SAMPLES = 160
"""Samples per mel frame (`hop_length`, faster_whisper/feature_extractor.py)."""
_SAMPLES_PER_POSITION = 2 * _HOP_SAMPLES
"""Of the encoder's output: its second convolution has stride 2 (Radford et al. 2022, §2.2)."""
_POSITIONS_PER_S = MODEL_RATE_HZ // _SAMPLES_PER_POSITION
_LEAST_PROBABILITY = 1e-9
SPOKEN_WORD = Path(__file__).with_name("hello.sln")
"""The word "hello" in a hibari voice, 8 kHz int16 without a header (Asterisk's `sln`)."""

Samples = npt.NDArray[np.float32]
Encoded = npt.NDArray[Any]
"""[utterance, position, width]"""


@dataclass(frozen=True, slots=True)
class Language:
    """What the decoder needs to know for one language."""

    code: str
    tokenizer: Any
    start: list[int]
    """The prompt of a text with time stamps."""
    prompt: list[int]
    suppressed: Sequence[int]

    @classmethod
    def of(cls, model: Any, code: str) -> Language:
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
        return cls(code, tokenizer, start, [*start, tokenizer.no_timestamps], suppressed)

    def is_rare(self, word: str) -> bool:
        """Whether a word is several tokens, as names are: others are known well without any prompt."""
        return len(self.tokenizer.encode(f" {word.strip()}")) > 1

    def prompt_after(self, text: str) -> list[int]:
        """Return the prompt with a text before it, as far as there is room."""
        tokens = self.tokenizer.encode(f" {text}")[:MAX_PROMPT_TOKENS]
        return [self.tokenizer.sot_prev, *tokens, *self.prompt]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder gave for one utterance."""

    tokens: list[int]
    log_probability: float
    """Of all tokens together, the end token's included."""
    no_speech_probability: float


class LoadedModel:
    """The weights of one model, and what is kept beside them."""

    def __init__(self, options: WhisperSettings) -> None:
        """Load the weights and, on a CPU, keep the tail. Raises EngineError."""
        self._options = options
        self.model = _load_model(options)
        self._languages: dict[str, Language] = {}
        self._tail: Samples | None = None
        """[1, position, width]; None on a GPU."""
        if self.device != "cuda":
            encoded = self.encode([telephone_samples(SPOKEN_WORD.read_bytes())], FULL_WINDOW_S)
            self._tail = encoded[:, -round(TAIL_S * _POSITIONS_PER_S) :].copy()

    @property
    def device(self) -> str:
        """Where it is: `cpu` or `cuda`."""
        device: str = self.model.model.device
        return device

    @property
    def has_tail(self) -> bool:
        """Whether utterances are encoded in a short window."""
        return self._tail is not None

    @property
    def is_multilingual(self) -> bool:
        """Whether it can say which language it hears."""
        return bool(self.model.model.is_multilingual)

    def language(self, code: str) -> Language:
        """Return what it needs to know for a language. Raises EngineError for one that it does not know."""
        if code not in self._languages:
            self._languages[code] = Language.of(self.model, code)
        return self._languages[code]

    def language_probabilities(self, encoded: Encoded) -> list[dict[str, float]]:
        """Return, for each utterance, how probable each language is, by its code; of a multilingual model.

        Without the tail, which takes half as long again and says nothing more.
        """
        return [
            {token.strip("<|>"): probability for token, probability in found}
            for found in self.model.model.detect_language(_storage(encoded))
        ]

    def supports(
        self, encoded: Encoded, language: Language, tokens: Sequence[int], duration_s: float, prompt: str
    ) -> bool:
        """Whether it finds each word of a text in the audio of one utterance, without its prompt.

        `encoded`: as for `generate`.
        """
        frames = min(round(duration_s * MODEL_RATE_HZ / _HOP_SAMPLES), encoded.shape[1] * 2)
        (aligned,) = self.model.model.align(_storage(encoded), language.start, [list(tokens)], [frames])
        probabilities = np.maximum(aligned.text_token_probs, _LEAST_PROBABILITY)
        texts = [language.tokenizer.decode([token]) for token in tokens]
        return is_supported(texts, np.log(probabilities).tolist(), prompt)

    def generate(
        self,
        encoded: npt.NDArray[Any],
        prompts: Sequence[list[int]],
        most_tokens: int,
        suppressed: Sequence[int],
        may_be_blank: bool = False,
    ) -> list[Decoded]:
        """Return what the decoder writes for each utterance; all prompts have the same length."""
        results = self.model.model.generate(
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
            Decoded(tokens, result.scores[0] * len(tokens), result.no_speech_prob)
            for result in results
            for tokens in result.sequences_ids
        ]

    def encode(self, utterances: Sequence[Samples], window: float) -> Encoded:
        """Return the encoder's output, [utterance, position, width]."""
        count = math.ceil(window * _POSITIONS_PER_S) * _SAMPLES_PER_POSITION
        padded = np.zeros((len(utterances), count), np.float32)
        for row, samples in zip(padded, utterances, strict=True):
            row[: len(samples)] = samples
        features = np.stack([self.model.feature_extractor(row, padding=0) for row in padded])
        return np.asarray(self.model.model.encode(_storage(features), to_cpu=True))

    def with_tail(self, encoded: Encoded) -> Encoded:
        """Return the encoder's output with the remembered silence behind it, if there is any."""
        if self._tail is None:
            return encoded
        tails = np.broadcast_to(self._tail, (len(encoded), *self._tail.shape[1:]))
        return np.concatenate((encoded, tails), axis=1)


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


def attempt_of(decoded: Decoded, language: Language, most_tokens: int) -> Attempt:
    """Return what was decoded; in a batch it may have gone on beyond this utterance's own limit."""
    text = language.tokenizer.decode(decoded.tokens[:most_tokens]).strip()
    return Attempt(
        text,
        mean_log_probability=decoded.log_probability / (len(decoded.tokens) + 1),
        no_speech_probability=decoded.no_speech_probability,
        ended=len(decoded.tokens) < most_tokens,
        language=language.code,
    )


def telephone_samples(audio: bytes) -> Samples:
    """Return telephone audio as the model takes it: 16 kHz, -1..1."""
    samples = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
    resampled: Samples = soxr.resample(samples, TELEPHONE_RATE_HZ, MODEL_RATE_HZ)
    return resampled


def _storage(array: npt.NDArray[Any]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))
