"""Yes or no, where it is clear. What is not is never taken for a yes.

| an answer is | if |
|---|---|
| a clear yes | each of its words is one of consent or of politeness, one at least of consent; no "?" |
| a clear no | it has a word of refusal, none of consent and none of doubt |
| neither | all else: "yes, but …", "yes? who is it?", "yes, send him away", "no problem" |

So words that are not known here make a yes unclear. Longer phrases come before the words in them: "of
course not".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from functools import lru_cache
from itertools import product
from typing import Literal

from actors.checks.languages import primary
from ingress.dialogs.matching.tokens import folded_words, words_of
from ingress.dialogs.matching.vocabulary import VOCABULARIES, Answers

MOST_WORDS = 12


class _Sense(Enum):
    YES = auto()
    NO = auto()
    DOUBT = auto()
    FILLER = auto()
    OTHER = auto()


def yes_or_no(text: str, language: str, is_repeated: bool = False) -> Literal["yes", "no"] | None:
    """Return what a clear answer says; None for an unclear one, or in a language without a vocabulary.

    `is_repeated`: the text has the value that was to be confirmed, "yes, on Monday", so a yes may have other
    words too.
    """
    written, words = words_of(text), folded_words(text)
    if len(words) > MOST_WORDS:
        return None
    found = set(_book(primary(language)).senses(words, written))
    if _Sense.DOUBT in found:
        return None
    if _Sense.NO in found:
        return None if _Sense.YES in found else "no"
    is_unclear = "?" in text or (_Sense.OTHER in found and not is_repeated)
    return "yes" if _Sense.YES in found and not is_unclear else None


def begins_as_answer(text: str, language: str) -> bool:
    """Return whether a text begins with a word of consent or refusal: "Yes, Miller"."""
    first = next(_book(primary(language)).senses(folded_words(text), words_of(text)), None)
    return first in (_Sense.YES, _Sense.NO)


class _Book:
    """The phrases of one language, with what each makes of an answer."""

    def __init__(self, answers: Answers | None) -> None:
        """None: it knows no phrases."""
        self._folded: dict[tuple[str, ...], _Sense] = {}
        self._written: dict[tuple[str, ...], _Sense] = {}
        if answers is not None:  # of one phrase the last sense counts: the safest
            self._learn(answers.fillers, _Sense.FILLER)
            self._learn(answers.yes, _Sense.YES)
            self._learn(answers.no, _Sense.NO)
            self._learn(answers.doubts, _Sense.DOUBT)
        self._longest = max(map(len, [*self._folded, *self._written]), default=1)

    def _learn(self, phrases: str, sense: _Sense) -> None:
        for phrase in written_out(phrases):
            if phrase.startswith("="):
                self._written[tuple(words_of(phrase))] = sense
            else:
                self._folded[tuple(folded_words(phrase))] = sense

    def senses(self, words: Sequence[str], written: Sequence[str]) -> Iterator[_Sense]:
        """Yield the sense of each phrase of a text in order, the longest phrase at each place."""
        at = 0
        while at < len(words):
            for length in range(min(self._longest, len(words) - at), 0, -1):
                phrase = slice(at, at + length)
                sense = self._written.get(tuple(written[phrase])) or self._folded.get(tuple(words[phrase]))
                if sense is not None:
                    yield sense
                    at += length
                    break
            else:
                yield _Sense.OTHER
                at += 1


def written_out(phrases: str) -> Iterator[str]:
    """Yield each phrase of a list; "let him/her in" is two."""
    for phrase in phrases.split("|"):
        for words in product(*(word.split("/") for word in phrase.split())):
            yield " ".join(words)


@lru_cache(maxsize=64)
def _book(language: str) -> _Book:
    vocabulary = VOCABULARIES.get(language)
    return _Book(vocabulary.answers if vocabulary else None)
