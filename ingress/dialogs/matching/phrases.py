"""Whole words and numbers of an answer against those that are expected."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from rapidfuzz import fuzz

from actors.checks.languages import primary
from ingress.dialogs.matching.numbers import in_figures
from ingress.dialogs.matching.tokens import folded_words
from ingress.dialogs.matching.vocabulary import VOCABULARIES

FUZZY_LETTERS = 5
"""A shorter word has to be heard exactly: "two" is not "too", "sim" is not "sem"."""
FUZZY_SCORE = 85.0
"""Of 100, of rapidfuzz's ratio: one letter in six may be another."""

Key = TypeVar("Key", bound=Hashable)


def matching_words(text: str, language: str) -> list[str]:
    """Return the words of a text as they are compared: folded, with numbers in figures."""
    return in_figures(folded_words(text), language)


def best_match(text: str, choices: Mapping[Key, Sequence[str]], language: str) -> Key | None:
    """Return the key of the choice of which most words are in the text; None if none is, or two are equal."""
    said = matching_words(text, language)
    scores: dict[Key, float] = {}
    for key, phrases in choices.items():
        best = max((_score(said, matching_words(phrase, language)) for phrase in phrases), default=0.0)
        if best:
            scores[key] = best
    if not scores:
        return None
    top = max(scores.values())
    winners = [key for key, score in scores.items() if score == top]
    return winners[0] if len(winners) == 1 else None


def is_all(text: str, phrases: Sequence[str], language: str) -> bool:
    """Whether a text is one of the phrases and nothing else, but for what is said out of politeness."""
    vocabulary = VOCABULARIES.get(primary(language))
    fillers = set(folded_words(vocabulary.answers.fillers)) if vocabulary else set()
    said = _without(matching_words(text, language), fillers)
    return bool(said) and any(
        said == _without(matching_words(phrase, language), fillers) for phrase in phrases
    )


def requests(name: str, language: str) -> list[str]:
    """Return the phrases of a request that callers make anywhere: operator, repeat, help, goodbye."""
    vocabulary = VOCABULARIES.get(primary(language))
    return vocabulary.requests[name].split("|") if vocabulary else []


def without_introduction(text: str, language: str) -> str:
    """Return a name without what is said before it: "My name is Maria." is "Maria"."""
    text = text.strip(" .,;:!?¿¡\"'")
    vocabulary = VOCABULARIES.get(primary(language))
    phrases = vocabulary.introductions.split("|") if vocabulary else []
    words = folded_words(text)
    for phrase in sorted(phrases, key=len, reverse=True):
        own = folded_words(phrase)
        if words[: len(own)] == own and len(words) > len(own):
            return _after_words(text, len(own)).strip(" .,;:!?")
    return text


def _after_words(text: str, count: int) -> str:
    """Return a text after its first words, which are counted as `folded_words` does."""
    for end in range(1, len(text)):
        if len(folded_words(text[:end])) == count and not text[end].isalnum():
            return text[end:].lstrip(" '’,.:-")
    return text


def _without(words: Sequence[str], fillers: set[str]) -> list[str]:
    return [word for word in words if word not in fillers]


def _score(said: Sequence[str], phrase: Sequence[str]) -> float:
    """Return how much of a phrase was said: its words count, and a fuzzy one a little less; 0: not all."""
    if not phrase:
        return 0.0
    best = 0.0
    for at in range(len(said) - len(phrase) + 1):
        scores = [_word_score(one, other) for one, other in zip(said[at:], phrase, strict=False)]
        if all(scores):
            best = max(best, sum(scores))
    return best


def _word_score(said: str, expected: str) -> float:
    if said == expected:
        return 1.0
    if min(len(said), len(expected)) < FUZZY_LETTERS or said.isdecimal() or expected.isdecimal():
        return 0.0
    score = fuzz.ratio(said, expected, score_cutoff=FUZZY_SCORE)
    return score / 101.0
