"""Spoken numbers as figures: "eight hundred and twelve", "double five", "meia" in Brazil.

The words of 0 to 999 are those with which the same language's voice reads numbers (`actors.speakable`), so
what is said can be heard again. Larger ones are made of two of them and "thousand": up to 999,999.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from actors.checks.languages import primary
from actors.speakable.spelling import Spelling, spelling
from actors.speakable.text import LANGUAGES
from ingress.dialogs.matching.tokens import folded_words
from ingress.dialogs.matching.vocabulary import VOCABULARIES, Vocabulary

_FORMS = ("plain", "masculine", "feminine")
_SCALED = 1_000
_NEGATIVE = re.compile(r"(?<![\w-])[-\u2212]\d")
_MAXIMUM_FIGURES = 32


@dataclass(frozen=True, slots=True)
class Number:
    """One number in a text: words `start` to `end`, the latter not included."""

    start: int
    end: int
    digits: str
    """With leading zeros, if it was written in figures."""
    is_article: bool = False
    """Whether it may be "a" as well as "one"."""
    is_digit_word: bool = False
    """Whether it is a number among other digits only: "oh", "meia"."""

    @property
    def value(self) -> int:
        """The number."""
        return int(self.digits)


def number_in(text: str, language: str) -> int | None:
    """Return the one whole number of a text; None if there is none, or several, or "two and a half"."""
    words = folded_words(text)
    found = [number for number in numbers_in(words, language) if not number.is_digit_word]
    inside = {place for number in found for place in range(number.start, number.end)}
    others = {word for place, word in enumerate(words) if place not in inside}
    if others & _lexicon(primary(language)).beyond or _NEGATIVE.search(text):
        return None
    if len(found) > 1:
        found = [number for number in found if not number.is_article]
    return found[0].value if len({number.value for number in found}) == 1 else None


def digits_in(text: str, language: str) -> str | None:
    """Return all digits of a text in order, as they are said one by one or in groups; None without any."""
    words = folded_words(text)
    return "".join(number.digits for number in _with_repeats(words, language)) or None


def in_figures(words: Sequence[str], language: str) -> list[str]:
    """Return folded words with the numbers among them in figures: "apartment forty two" as "apartment 42".

    Articles that may be a number stay as they are.
    """
    result: list[str] = []
    after = 0
    for number in numbers_in(words, language):
        if number.is_article or number.is_digit_word:
            continue
        result += [*words[after : number.start], str(number.value)]
        after = number.end
    return [*result, *words[after:]]


def numbers_in(words: Sequence[str], language: str) -> list[Number]:
    """Return the numbers among folded words, the longest at each place, in order."""
    lexicon = _lexicon(primary(language))
    found: list[Number] = []
    at = 0
    while at < len(words):
        number = lexicon.number_at(words, at)
        if number is None:
            at += 1
        else:
            found.append(number)
            at = number.end
    return found


def _with_repeats(words: Sequence[str], language: str) -> Iterator[Number]:
    """Yield the numbers of digits that are read out; one after "double" or "triple" several times."""
    repeated = _lexicon(primary(language)).repeated
    numbers = numbers_in(words, language)
    has_others = len(numbers) > 1
    for number in numbers:
        if number.is_digit_word and not has_others:
            return
        before = words[number.start - 1] if number.start else ""
        times = repeated.get(before, 1)
        for _ in range(times if len(number.digits) == 1 else 1):
            yield number


class _Lexicon:
    """The number words of one language, folded; joiners such as "and" are left out of its phrases."""

    def __init__(self, language: str) -> None:
        own, vocabulary = LANGUAGES.get(language), VOCABULARIES.get(language)
        self._phrases: dict[tuple[str, ...], int] = {}
        self._digit_words: dict[str, int] = {}
        self._articles: frozenset[str] = frozenset()
        self._joiner, self._thousands = "", frozenset[str]()
        self.repeated: dict[str, int] = {}
        self.beyond: frozenset[str] = frozenset()
        """Words beside a number that make another of it, which is not known here."""
        if own is not None and vocabulary is not None:
            self._joiner = vocabulary.joiner
            self._thousands = frozenset(vocabulary.thousand.split("|"))
            self._articles = frozenset(vocabulary.one.split("|"))
            self._digit_words = {"".join(folded_words(word)): n for word, n in vocabulary.digits.items()}
            self.repeated = dict(vocabulary.repeated)
            self.beyond = frozenset(folded_words(vocabulary.beyond))
            self._learn(spelling(language, tuple(own.rulesets.items())), vocabulary)
        self._longest = max(map(len, self._phrases), default=0)

    def _learn(self, numbers: Spelling, vocabulary: Vocabulary) -> None:
        for value in range(_SCALED):
            for form in _FORMS:
                words = self._phrase(numbers.number(value, form))
                self._phrases.setdefault(words, value)
                if 100 < value < 200 and words[0].startswith("einhundert"):
                    self._phrases.setdefault((words[0].removeprefix("ein"), *words[1:]), value)
            ordinal = self._phrase(numbers.number(value, "ordinal")) if 20 < value < 100 else ()
            if len(ordinal) > 1:  # "twenty-third": not 20
                self._phrases.setdefault(ordinal, value)
        for word, value in vocabulary.numbers.items():
            self._learn_other(self._phrase(word), value, self._phrase(numbers.number(value)))
        for word in self._articles:
            self._phrases.setdefault((word,), 1)

    def _learn_other(self, phrase: tuple[str, ...], value: int, usual: tuple[str, ...]) -> None:
        """Learn another name of a number, also inside larger ones: "cento e quatorze", "nonante-deux"."""
        if len(phrase) == len(usual) == 1 and value < 100:
            for words, known in list(self._phrases.items()):
                if words[-1] == usual[0]:
                    self._phrases.setdefault((*words[:-1], phrase[0]), known)
        elif len(phrase) == 1 and value < 100 and value % 10 == 0:
            units = {words: known for words, known in self._phrases.items() if 0 < known < 10}
            self._phrases |= {(*phrase, *words): value + known for words, known in units.items()}
        self._phrases[phrase] = value

    def _phrase(self, text: str) -> tuple[str, ...]:
        return tuple(word for word in folded_words(text) if word != self._joiner)

    def number_at(self, words: Sequence[str], at: int) -> Number | None:
        """Return the longest number that begins with word `at`, if one does."""
        word = words[at]
        if word.isdecimal():
            return self._figures(words, at)
        if word in self._digit_words:
            longer = self._below_thousand(words, at)
            if longer is None:
                return Number(at, at + 1, str(self._digit_words[word]), is_digit_word=True)
        if word in self._thousands:
            return self._with_rest(words, at + 1, at, _SCALED)
        one = self._glued(word)
        if one is not None:
            return Number(at, at + 1, str(one))
        found = self._below_thousand(words, at)
        if found is None:
            return None
        end, value = found
        if value > 0 and end < len(words) and words[end] in self._thousands:
            return self._with_rest(words, end + 1, at, value * _SCALED)
        return Number(at, end, str(value), is_article=end == at + 1 and word in self._articles)

    def _figures(self, words: Sequence[str], at: int) -> Number:
        digits = "".join(str(int(digit)) for digit in words[at][:_MAXIMUM_FIGURES])  # of any script
        has_scale = at + 1 < len(words) and words[at + 1] in self._thousands and len(digits) <= 3
        if has_scale and int(digits):
            return self._with_rest(words, at + 2, at, int(digits) * _SCALED)
        return Number(at, at + 1, digits)

    def _with_rest(self, words: Sequence[str], after: int, start: int, thousands: int) -> Number:
        """Return what begins with a number of thousands, and the rest if one follows."""
        begins = after + 1 if after < len(words) and words[after] == self._joiner else after
        rest = self._below_thousand(words, begins)
        if rest is None or rest[1] == 0:
            return Number(start, after, str(thousands))
        return Number(start, rest[0], str(thousands + rest[1]))

    def _below_thousand(self, words: Sequence[str], at: int) -> tuple[int, int] | None:
        """Return the end and the value of the longest phrase at `at`; joiners inside it do not count."""
        taken: list[str] = []
        best: tuple[int, int] | None = None
        for place in range(at, len(words)):
            if words[place] == self._joiner and taken:
                continue
            taken.append(words[place])
            if len(taken) > self._longest:
                break
            value = self._phrases.get(tuple(taken))
            if value is not None:
                best = place + 1, value
        return best

    def _glued(self, word: str) -> int | None:
        """Return the value of a word with "thousand" inside it, as German and Italian write it."""
        for scale in self._thousands:
            before, found, after = word.partition(scale)
            if not found:
                continue
            thousands = self._phrases.get((before,)) if before else 1
            rest = self._phrases.get((after.removeprefix(self._joiner),)) if after else 0
            if thousands and rest is not None and (before or after):
                return thousands * _SCALED + rest
        return None


@lru_cache(maxsize=64)
def _lexicon(language: str) -> _Lexicon:
    return _Lexicon(language)
