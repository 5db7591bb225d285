"""The text that whisper gets before an utterance, and whether the audio supports what it then wrote.

Whisper writes names as its prompt spells them ("Kowalczyk", not "Cowell-Czick"), but in noise it repeats the
prompt: in a cough it hears the list of names. So words that were decoded with a prompt count only if the
model finds each of them in the audio without the prompt too (decision 35).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LEAST_NAME_LOG_PROBABILITY = -5.0
"""Of a word of the prompt that is several tokens: their mean, without the prompt. Names that were said have
-4.6 or more; names of the prompt that were not said, -5.4 or less, in noise -7."""
LEAST_WORD_LOG_PROBABILITY = -1.75
"""Of any other word. Words that were said have -1.5 or more, mostly; "yes" made of "huh" has -3.6, "aye" of
"uh" -2.4. A word that is one token is known well without any prompt, also if it is in it."""
MOST_NO_SPEECH_PROBABILITY = 0.5
"""With a prompt. Above it what was heard is decoded without it, which tells speech from noise better."""


def prompt_text(hot_words: Iterable[str], prompt: str | None) -> str:
    """Return the text for the decoder; empty if there is none.

    A list of names, as a sentence: so the answer has capitals and an end.
    """
    words = ", ".join(word for word in (" ".join(word.split()) for word in hot_words) if word)
    parts = (" ".join((prompt or "").split()), words and f"{words}.")
    return " ".join(part for part in parts if part)


def is_supported(texts: Sequence[str], log_probabilities: Sequence[float], prompt: str) -> bool:
    """Whether the model finds each word in the audio.

    `texts` are those of the tokens, in order: one that begins with a space begins a word.
    `log_probabilities`: theirs, without the prompt.
    """
    expected = {_plain(word) for word in prompt.split()}
    words: list[tuple[str, list[float]]] = []
    for text, log_probability in zip(texts, log_probabilities, strict=True):
        plain = _plain(text)
        if plain:  # punctuation is always probable
            if text.startswith(" ") or not words:
                words.append(("", []))
            word, those_before = words[-1]
            words[-1] = word + plain, [*those_before, log_probability]
    return all(_is_there(those, word in expected) for word, those in words)


def _is_there(log_probabilities: Sequence[float], is_expected: bool) -> bool:
    is_name = is_expected and len(log_probabilities) > 1
    least = LEAST_NAME_LOG_PROBABILITY if is_name else LEAST_WORD_LOG_PROBABILITY
    return sum(log_probabilities) / len(log_probabilities) >= least


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
