"""In which language a call goes on, where its extension has several, and how sure words are: pure."""

from __future__ import annotations

import math

from actors.checks.languages import is_clear
from actors.messages import Transcript


def found_language(transcript: Transcript) -> str | None:
    """Return the language in which the answer is given and the call goes on; None: that is not clear yet."""
    probability = transcript.language_probability
    if probability is None or not is_clear(transcript.text, confidence_of(transcript), probability):
        return None
    return transcript.language


def confidence_of(transcript: Transcript) -> float | None:
    """Return the geometric mean of the tokens' probabilities, 0..1; None: the engine does not say."""
    mean = transcript.mean_log_probability
    return math.exp(mean) if mean < 0.0 else None
