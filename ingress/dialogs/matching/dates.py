"""Spoken days as dates: "tomorrow", "next Friday", "March 15th", "dia quinze", "15/03".

| said | is |
|---|---|
| a day of the week | the next one after today |
| day and month | the next such day, today or later |
| a day alone ("the 15th", "dia 15") | the same |
| figures, `03/04` | day first; month first in American English |

Two days that are not the same are no answer, nor is what makes another day of one: "last Friday", "not
Monday", "Tuesday next week".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache

from actors.checks.languages import primary
from actors.speakable.spelling import spelling
from actors.speakable.text import DAY_FIRST, LANGUAGES
from ingress.dialogs.matching.numbers import Number, numbers_in
from ingress.dialogs.matching.tokens import folded, folded_words
from ingress.dialogs.matching.vocabulary import VOCABULARIES

_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_FIGURES = re.compile(r"(?<![\d/.])(\d{1,2})[/.](\d{1,2})(?:[/.](\d{4}|\d{2}))?(?![\d/])")
_ORDINAL_FIGURES = re.compile(r"(?<=\d)(?:st|nd|rd|th|er|re|[ºª°]|[oa](?!\w))")
_REFUSALS = ("nao", "no")
"""First of all, they answer a question before: "não, terça"."""
_DAYS_IN_WEEK = 7
_MOST_YEARS = 8
"""Until a 29 February is found again."""
_MOST_MONTHS = 3
"""Until a month with 31 days is found."""


def date_in(text: str, language: str, today: date) -> date | None:
    """Return the one day that a text names; None if it names none, or several."""
    days = set(_days(text, language, today))
    return days.pop() if len(days) == 1 else None


def _days(text: str, language: str, today: date) -> Iterator[date]:
    """Yield each day that is named."""
    text = _ORDINAL_FIGURES.sub("", text.casefold())
    for pattern in (_ISO, _FIGURES):
        for found in pattern.finditer(text):
            if day := _of_figures(found, pattern is _ISO, language, today):
                yield day
        text = pattern.sub(" ; ", text)
    calendar = _calendar(primary(language))
    words = folded_words(text)
    if words and words[0] in _REFUSALS:
        del words[0]
    taken, days = calendar.relative(words, today)
    words = [word for place, word in enumerate(words) if place not in taken]
    if calendar.others.isdisjoint(words):
        yield from days
        yield from calendar.days_of_months(words, primary(language), today)


def _of_figures(found: re.Match[str], is_iso: bool, language: str, today: date) -> date | None:
    first, second, third = found.groups()
    if is_iso:
        return _valid(int(first), int(second), int(third))
    is_month_first = primary(language) == "en" and language.replace("_", "-").lower() not in DAY_FIRST
    day, month = (int(second), int(first)) if is_month_first else (int(first), int(second))
    if third is None:
        return _next(month, day, today)
    return _valid(int(third) if len(third) == 4 else 2_000 + int(third), month, day)


class _Calendar:
    """The words for days of one language, folded."""

    def __init__(self, language: str) -> None:
        own, vocabulary = LANGUAGES.get(language), VOCABULARIES.get(language)
        self._months: dict[str, int] = {}
        self._relative: dict[tuple[str, ...], int | None] = {}
        self._weekdays: dict[str, int] = {}
        self._before_day: frozenset[str] = frozenset()
        self.others: frozenset[str] = frozenset()
        """Words that make another day of one that is named."""
        self._ordinals: dict[tuple[str, ...], int] = {}
        if own is None or vocabulary is None:
            return
        self._months = {folded(month): number for number, month in enumerate(own.months, 1)}
        self._before_day = frozenset(folded_words(vocabulary.day))
        self.others = frozenset(folded_words(vocabulary.other_days))
        self._relative |= {tuple(folded_words(phrase)): None for phrase in vocabulary.morning.split("|")}
        phrases = (vocabulary.today, vocabulary.tomorrow, vocabulary.day_after_tomorrow)
        for days, choices in enumerate(phrases):
            for phrase in choices.split("|"):
                self._relative[tuple(folded_words(phrase))] = days
        for number, names in enumerate(vocabulary.weekdays):
            self._weekdays |= {folded(name): number for name in names.split("|")}
        numbers = spelling(language, tuple(own.rulesets.items()))
        for value in range(1, 32):
            for form in ("ordinal", "ordinal_feminine"):
                words = tuple(folded_words(numbers.number(value, form)))
                self._ordinals.setdefault(words, value)
                if language == "de":  # ersten, erste, erster
                    stem = words[0].removesuffix("n")
                    self._ordinals |= {(stem,): value, (stem + "r",): value}

    def relative(self, words: Sequence[str], today: date) -> tuple[set[int], list[date]]:
        """Return the places of words that name a day from today on, and those days."""
        taken: set[int] = set()
        days: list[date] = []
        for length in (4, 3, 2, 1):
            for at in range(len(words) - length + 1):
                places = set(range(at, at + length))
                phrase = tuple(words[at : at + length])
                if phrase in self._relative and not places & taken:
                    taken |= places
                    after = self._relative[phrase]
                    days += [today + timedelta(days=after)] if after is not None else []
        for at, word in enumerate(words):
            weekday = self._weekdays.get(word)
            if weekday is not None and not self._is_ordinal_of_month(words, at):
                taken |= {at, at + 1} if words[at + 1 : at + 2] == ["feira"] else {at}
                ahead = (weekday - today.weekday() - 1) % _DAYS_IN_WEEK + 1
                days.append(today + timedelta(days=ahead))
        return taken, days

    def _is_ordinal_of_month(self, words: Sequence[str], at: int) -> bool:
        """Whether it is a number all the same: "segunda" before a month."""
        return any(word in self._months for word in words[at + 1 : at + 3]) and (words[at],) in self._ordinals

    def days_of_months(self, words: Sequence[str], language: str, today: date) -> Iterator[date]:
        """Yield the days with a month, or the one day without."""
        numbers = sorted([*numbers_in(words, language), *self._ordinals_in(words)], key=_by_place)
        numbers = [number for number in numbers if not number.is_article] or numbers
        days = [number for number in numbers if 1 <= number.value <= 31]
        years = [number for number in numbers if number.value >= 2_000 and len(number.digits) == 4]
        months = [(at, self._months[word]) for at, word in enumerate(words) if word in self._months]
        for at, month in months:
            near = [number for number in days if 0 <= at - number.end <= 1 or 0 <= number.start - at - 1 <= 1]
            chosen = min(near, key=lambda number: abs(number.start - at), default=None)
            if chosen is None:
                continue
            day = chosen.value
            found = _valid(years[0].value, month, day) if years else _next(month, day, today)
            if found is not None:
                yield found
        if not months and len({number.value for number in days}) == 1 and len(numbers) == len(days):
            (day,) = {number.value for number in days}
            before = words[days[0].start - 1] if days[0].start else ""
            if (before in self._before_day or len(words) <= 1) and (found := _next_day(day, today)):
                yield found

    def _ordinals_in(self, words: Sequence[str]) -> Iterator[Number]:
        at = 0
        while at < len(words):
            for length in (3, 2, 1):
                value = self._ordinals.get(tuple(words[at : at + length]))
                if value is not None and len(words[at : at + length]) == length:
                    yield Number(at, at + length, str(value))
                    at += length
                    break
            else:
                at += 1


def _by_place(number: Number) -> int:
    return number.start


def _next_day(day: int, today: date) -> date | None:
    """Return the next day of that number, in this month or a later one."""
    for months in range(_MOST_MONTHS):
        index = today.month - 1 + months
        found = _valid(today.year + index // 12, index % 12 + 1, day)
        if found is not None and found >= today:
            return found
    return None


def _next(month: int, day: int, today: date) -> date | None:
    years = range(today.year, today.year + _MOST_YEARS + 1)
    return next((found for year in years if (found := _valid(year, month, day)) and found >= today), None)


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _calendar(language: str) -> _Calendar:
    return _Calendar(language)
