"""What whisper is told before an utterance, and whether the audio supports what it then wrote.

Whisper writes names as its prompt spells them ("Kowalczyk", not "Cowell-Czick"), but in noise it repeats the
prompt: in a cough it hears the list of names. So words that were decoded with a prompt count only if the
model finds each of them in the audio without the prompt too (decision 35).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LEAST_NAME_LOG_PROBABILITY = -4.5
"""Of a word of several tokens: their mean, without the prompt. Names that were said have -4.0 or more; names
of the prompt that were not said, -4.9 or less, in noise -7."""
LEAST_WORD_LOG_PROBABILITY = -1.75
"""Of a word that is one token, and so known well without any prompt: words that were said have -1.5 or more,
mostly; "yes" made of "huh" has -3.6, "aye" of "uh" -2.4."""
MOST_NO_SPEECH_PROBABILITY = 0.5
"""With a prompt. Above it what was heard is decoded without it, which tells speech from noise better."""


def prompt_text(hot_words: Iterable[str], prompt: str | None) -> str:
    """Return the text for the decoder; empty if there is none.

    A list of names, as a sentence: so the answer has capitals and an end.
    """
    words = ", ".join(word for word in (" ".join(word.split()) for word in hot_words) if word)
    parts = (" ".join((prompt or "").split()), words and f"{words}.")
    return " ".join(part for part in parts if part)


def is_supported(texts: Sequence[str], log_probabilities: Sequence[float]) -> bool:
    """Whether the model finds each word in the audio.

    `texts` are those of the tokens, in order: one that begins with a space begins a word.
    `log_probabilities`: theirs, without a prompt.
    """
    words: list[list[float]] = []
    for text, log_probability in zip(texts, log_probabilities, strict=True):
        if any(map(str.isalnum, text)):  # punctuation is always probable
            if text.startswith(" ") or not words:
                words.append([])
            words[-1].append(log_probability)
    return all(
        sum(word) / len(word)
        >= (LEAST_WORD_LOG_PROBABILITY if len(word) == 1 else LEAST_NAME_LOG_PROBABILITY)
        for word in words
    )
