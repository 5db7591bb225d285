"""Judge what whisper's decoder gave: words, silence, a guess, or what another decode may improve."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

MAX_COMPRESSION_RATIO = 2.4
"""Text that zlib makes smaller than this repeats itself (Radford et al. 2022, §4.5)."""
NO_SPEECH_PROBABILITY = 0.65
NO_SPEECH_LOG_PROBABILITY = -0.5
"""Above the one and below the other there was no speech: two signs, as in Radford et al. 2022, §4.5, with 0.6
and -1.0. On telephone audio the line between speech and the "Thank you." heard in hiss, clicks and tones is
here: real prompts made very quiet reach 0.7, but with -0.2; noise has 0.7 and -0.6 or more."""
GUESS_LOG_PROBABILITY = -2.0
"""Below it the words are the model's invention."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one decode."""

    text: str
    mean_log_probability: float
    no_speech_probability: float
    ended: bool
    """Whether the model itself stopped, not the token limit."""

    @property
    def is_repetitive(self) -> bool:
        """Whether the text repeats itself."""
        return compression_ratio(self.text) > MAX_COMPRESSION_RATIO

    @property
    def is_silence(self) -> bool:
        """Whether there was no speech, although the model found words."""
        return (
            self.no_speech_probability > NO_SPEECH_PROBABILITY
            and self.mean_log_probability < NO_SPEECH_LOG_PROBABILITY
        )

    @property
    def is_understood(self) -> bool:
        """Whether there was speech and the words are more than a guess."""
        return not self.is_silence and self.mean_log_probability > GUESS_LOG_PROBABILITY

    def is_doubtful(self, retry_log_probability: float) -> bool:
        """Whether there was speech and another decode may give something better."""
        return not self.is_silence and (
            self.is_repetitive or not self.ended or self.mean_log_probability < retry_log_probability
        )


def compression_ratio(text: str) -> float:
    """Return how many times smaller zlib makes `text`; 0 for an empty text."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def better(first: Attempt, second: Attempt) -> Attempt:
    """Return one that ended and does not repeat itself; of two such, the more probable."""
    return max(
        (first, second),
        key=lambda attempt: (attempt.ended and not attempt.is_repetitive, attempt.mean_log_probability),
    )
