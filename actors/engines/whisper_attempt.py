"""Judge what whisper's decoder gave: words, no words and why, or what a second decode may improve.

| an attempt | is |
|---|---|
| the same words six times in a row, or a text that compresses well | hopeless: repetition |
| probably no speech, and very improbable | hopeless: silence |
| in another language | hopeless |
| almost impossible | hopeless: a guess |
| three times in a row, no end, improbable, or probably no speech | in doubt: decoded again |

A hopeless attempt is not decoded again: 30 s do no better with it. One in doubt is, and the second counts in
its place; what is in doubt still is not understood. Every figure is from decision 20.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from actors.messages import Doubt

MAX_COMPRESSION_RATIO = 2.4
"""Text that zlib makes smaller than this repeats itself (Radford et al. 2022, §4.5)."""
NO_SPEECH_PROBABILITY = 0.65
NO_SPEECH_LOG_PROBABILITY = -0.5
"""Above the one and below the other there was no speech: two signs, as in Radford et al. 2022, §4.5, with 0.6
and -1.0. On telephone audio the line between speech and the "Thank you." heard in hiss, clicks and tones is
here: real prompts made very quiet reach 0.7, but with -0.2; noise has 0.7 and -0.6 or more."""
SECOND_NO_SPEECH_LOG_PROBABILITY = -0.75
"""Of a second attempt: its time stamps make it less probable."""
HOPELESS_SILENCE_LOG_PROBABILITY = -1.0
GUESS_LOG_PROBABILITY = -0.85
"""Below it the words are the model's invention; the first attempt's may still become others."""
HOPELESS_GUESS_LOG_PROBABILITY = -1.5
RUN_IN_DOUBT = 3
"""Repeats in a row from which on the short window may have heard one too many, but never one too few."""
HOPELESS_RUN = 6
MAX_RUN = 3
MAX_SECOND_RUN = 4
"""Repeats in a row that one attempt counts well, and two that differ by one at most; of more, half are
miscounted."""
MAX_PHRASE_WORDS = 4
"""Of a phrase that is said again and again; a longer one compresses well."""

NATIVE_LOG_PROBABILITY = -0.2
"""Above it the words are in the language asked for: 3 in 100 foreign ones are, 60 in 100 English ones."""
ENGLISH_BOUNDS = ((0.1, 2), (0.3, 5))
OTHER_BOUNDS = ((0.02, 4),)
"""Least probabilities of the language asked for, each in so many different words or more. In fewer the model
often takes a language for another, and most often for English."""

_WORD = re.compile(r"\d|[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one decode."""

    text: str
    mean_log_probability: float
    no_speech_probability: float
    ended: bool
    """Whether the model itself stopped, not the token limit."""
    language: str = "en"
    """That it was asked for, ISO 639-1."""
    language_probability: float = 1.0
    """The model's own, of `language` among all that it knows; 1 where it was not asked."""

    def is_silence(self, below: float = NO_SPEECH_LOG_PROBABILITY) -> bool:
        """Whether there was no speech, although the model found words: if they are less probable."""
        return self.no_speech_probability > NO_SPEECH_PROBABILITY and self.mean_log_probability < below

    @property
    def may_be_foreign(self) -> bool:
        """Whether the words may have been said in another language than the one asked for."""
        return self._language_bound > 0.0

    @property
    def is_foreign(self) -> bool:
        """Whether they were."""
        return self.language_probability < self._language_bound

    @property
    def _language_bound(self) -> float:
        """The least probability of the language asked for; 0: any."""
        if self.mean_log_probability >= NATIVE_LOG_PROBABILITY:
            return 0.0
        count = len(set(words(self.text)))
        bounds = ENGLISH_BOUNDS if self.language == "en" else OTHER_BOUNDS
        return max((probability for probability, least in bounds if count >= least), default=0.0)

    @property
    def hopeless(self) -> Doubt | None:
        """Why a second decode would give no words either."""
        if is_repetitive(self.text):
            return Doubt.REPETITION
        if self.is_silence(HOPELESS_SILENCE_LOG_PROBABILITY):
            return Doubt.SILENCE
        if self.is_foreign:
            return Doubt.LANGUAGE
        if self.mean_log_probability < HOPELESS_GUESS_LOG_PROBABILITY:
            return Doubt.GUESS
        return None

    def is_doubtful(self, retry_log_probability: float) -> bool:
        """Whether a second decode may give something better."""
        return self.hopeless is None and (
            self.is_silence()
            or not self.ended
            or self.mean_log_probability < retry_log_probability
            or longest_run(self.text) >= RUN_IN_DOUBT
        )

    def doubt(self, first: Attempt | None = None) -> Doubt | None:
        """Return why the words do not count, if this is the last attempt; None: they do.

        `first` is the one before it, if there was one.
        """
        if self.hopeless is not None:
            return self.hopeless
        if not self.ended or not self._is_well_counted(first):
            return Doubt.REPETITION
        if self.is_silence(NO_SPEECH_LOG_PROBABILITY if first is None else SECOND_NO_SPEECH_LOG_PROBABILITY):
            return Doubt.SILENCE
        return Doubt.GUESS if self.mean_log_probability < GUESS_LOG_PROBABILITY else None

    def _is_well_counted(self, first: Attempt | None) -> bool:
        """Whether the words repeated most were said as often as it seems."""
        run = longest_run(self.text)
        before = 0 if first is None else longest_run(first.text)
        if before < RUN_IN_DOUBT:
            return run <= MAX_RUN
        return RUN_IN_DOUBT <= run <= MAX_SECOND_RUN and before - run in (0, 1)


def is_repetitive(text: str) -> bool:
    """Return whether `text` says the same again and again, so that the decoder has lost its place."""
    return longest_run(text) >= HOPELESS_RUN or compression_ratio(text) > MAX_COMPRESSION_RATIO


def compression_ratio(text: str) -> float:
    """Return how many times smaller zlib makes `text`; 0 for an empty text."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def longest_run(text: str) -> int:
    """Return how many times in a row a word of `text`, or a phrase of a few, is said: 3 for "1-8999".

    Each digit is a word, however it is written; letter case and punctuation do not count.
    """
    said = words(text)
    longest = 1 if said else 0
    for size in range(1, min(MAX_PHRASE_WORDS, len(said) // 2) + 1):
        same = 0
        for position in range(size, len(said)):
            same = same + 1 if said[position] == said[position - size] else 0
            longest = max(longest, same // size + 1)
    return longest


def words(text: str) -> list[str]:
    """Return the words of `text`, each digit one, in lower case."""
    return _WORD.findall(text.lower())
