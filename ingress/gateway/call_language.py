"""In which language a call goes on, where its extension has several: pure.

| an utterance | the answer to it | the call from then on |
|---|---|---|
| is understood well, in one language most probably, two words or more | is in that language | too |
| the same, but one word ("Hello.") | is in that language | is asked again at the next utterance |
| anything else | is in the language so far | is asked again |

A single word is often taken for one of another language: "sí" for "see".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from actors.messages import Transcript

LEAST_PROBABILITY = 0.9
"""Among the extension's languages."""
LEAST_CONFIDENCE = 0.6
"""Of the words. Those of a wrong language are less probable: "nein danke" as English 0.4."""
LEAST_WORDS = 2

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class FoundLanguage:
    """What an utterance says about the call's language."""

    language: str | None = None
    """Of the answer to it; None: as before."""
    is_kept: bool = False
    """Whether the call goes on in it."""


def found_language(transcript: Transcript) -> FoundLanguage:
    """Return what a transcript says about the call's language, if that was asked for."""
    probability, confidence = transcript.language_probability, confidence_of(transcript)
    if not transcript.text or probability is None or probability < LEAST_PROBABILITY:
        return FoundLanguage()
    if confidence is not None and confidence < LEAST_CONFIDENCE:
        return FoundLanguage()
    is_kept = len(_WORD.findall(transcript.text)) >= LEAST_WORDS
    return FoundLanguage(transcript.language, is_kept)


def confidence_of(transcript: Transcript) -> float | None:
    """Return the geometric mean of the tokens' probabilities, 0..1; None: the engine does not say."""
    mean = transcript.mean_log_probability
    return math.exp(mean) if mean < 0.0 else None
