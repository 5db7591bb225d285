"""What a caller said against what is expected: numbers, yes and no, days, words, names of a list.

Pure, in the six languages that `actors.speakable` reads: en, pt, es, fr, de, it. In any other language
numbers in figures and names are found. What is not clear is None.
"""

from datetime import date

from ingress.dialogs.matching.answers import begins_as_answer, yes_or_no
from ingress.dialogs.matching.dates import date_in
from ingress.dialogs.matching.names import Found, NameList
from ingress.dialogs.matching.numbers import digits_in, number_in
from ingress.dialogs.matching.phrases import best_match, is_all, requests, without_introduction


def prepare(language: str) -> None:
    """Load what a language needs, which the first answer would have to wait for: 0.2 s."""
    number_in("", language)
    yes_or_no("-", language)
    date_in("", language, date.min)


__all__ = [
    "Found",
    "NameList",
    "begins_as_answer",
    "best_match",
    "date_in",
    "digits_in",
    "is_all",
    "number_in",
    "prepare",
    "requests",
    "without_introduction",
    "yes_or_no",
]
