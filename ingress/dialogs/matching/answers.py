"""Yes or no, where it is clear. What is not is never taken for a yes.

| an answer is a clear yes if | because |
|---|---|
| it has a word of consent, among its first three words or as its last | "did she say yes then" is none |
| it has no word of refusal, doubt, condition or question, nor a "?" | "yes, but …", "yes? who is it?" |
| it has 12 words at most, three of them at most unknown here | "yes, I know that he is there" |
| a weak word ("ok", "é", "claro") stands among such words only | "ok, wait", "é amanhã" |

A clear no has a word of refusal, none of consent and none of doubt. Everything else is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Literal

from actors.checks.languages import primary
from ingress.dialogs.matching.tokens import folded_words, words_of
from ingress.dialogs.matching.vocabulary import VOCABULARIES, Answers

MOST_WORDS = 12
FIRST_WORDS = 3
MOST_UNKNOWN = 3
"""Words beside those of a yes: "yes, let him come up"."""


class _Sense(Enum):
    YES = auto()
    WEAK_YES = auto()
    NO = auto()
    NEGATION = auto()
    DOUBT = auto()
    QUESTION = auto()
    FILLER = auto()
    OTHER = auto()


def yes_or_no(text: str, language: str) -> Literal["yes", "no"] | None:
    """Return what a clear answer says; None for an unclear one, or in a language without a vocabulary."""
    written, words = words_of(text), folded_words(text)
    if not words or len(words) > MOST_WORDS:
        return None
    senses = _book(primary(language)).senses(words, written)
    found = set(senses)
    if _Sense.DOUBT in found:
        return None
    says_yes = bool(found & {_Sense.YES, _Sense.WEAK_YES})
    if _Sense.NO in found:
        return None if says_yes else "no"
    if "?" in text or found & {_Sense.NEGATION, _Sense.QUESTION}:
        return None
    if senses.count(_Sense.OTHER) > MOST_UNKNOWN:
        return None
    if _Sense.YES in {*senses[:FIRST_WORDS], senses[-1]}:
        return "yes"
    only_such = found <= {_Sense.YES, _Sense.WEAK_YES, _Sense.FILLER}
    return "yes" if says_yes and only_such else None


class _Book:
    """The phrases of one language, with what each makes of an answer."""

    def __init__(self, answers: Answers | None) -> None:
        """None: it knows no phrases."""
        self._folded: dict[tuple[str, ...], _Sense] = {}
        self._written: dict[tuple[str, ...], _Sense] = {}
        self._longest = 1
        if answers is None:
            return
        self._learn(answers.fillers, _Sense.FILLER)
        self._learn(answers.yes, _Sense.YES)
        self._learn(answers.questions, _Sense.QUESTION)
        self._learn(answers.negations, _Sense.NEGATION)
        self._learn(answers.no, _Sense.NO)
        self._learn(answers.doubts, _Sense.DOUBT)
        self._longest = max(map(len, [*self._folded, *self._written]))

    def _learn(self, phrases: str, sense: _Sense) -> None:
        """Note phrases; a later sense of the same one counts, so the one that is safer is learnt last."""
        for phrase in phrases.split("|"):
            own = _Sense.WEAK_YES if phrase.startswith("~") and sense is _Sense.YES else sense
            bare = phrase.lstrip("~")
            if bare.startswith("="):
                self._written[tuple(words_of(bare))] = own
            else:
                self._folded[tuple(folded_words(bare))] = own

    def senses(self, words: Sequence[str], written: Sequence[str]) -> list[_Sense]:
        """Return the sense of each phrase of a text in order, the longest phrase at each place."""
        senses: list[_Sense] = []
        at = 0
        while at < len(words):
            for length in range(min(self._longest, len(words) - at), 0, -1):
                phrase = slice(at, at + length)
                sense = self._written.get(tuple(written[phrase])) or self._folded.get(tuple(words[phrase]))
                if sense is not None:
                    senses.append(sense)
                    at += length
                    break
            else:
                senses.append(_Sense.OTHER)
                at += 1
        return senses


@lru_cache(maxsize=64)
def _book(language: str) -> _Book:
    vocabulary = VOCABULARIES.get(language)
    return _Book(vocabulary.answers if vocabulary else None)
