"""What was said, whichever way it is written: the form in which references and results are compared.

Both sides are treated alike, in this order:

| step | English | Spanish |
|---|---|---|
| lower case, no accents | | "sábado" is "sabado", "mañana" is "manana" |
| signs are the words that they are read as | "#", "*", "%", "&", "@", "+" | the same |
| ordinals in digits are words | "21st" is "twenty first" | |
| numbers are digits, one by one | "forty seven", "47" and "4 7" are 4 7 | "cuarenta y siete" is 4 7 |
| | "four hundred" is 4 0 0 | "doscientos diez" is 2 1 0 |
| all other punctuation is dropped | "A.M." is "am", "o'clock" is "oclock" | "¿sí?" is "si" |

So a string of digits is right if its digits are, however they are grouped; "forty, seven" is not told from
"forty-seven", and "for" is not "four". Where letters are spelled, each letter is a word: "B-O-B", "Bob" and
"b o b" are alike, and in Spanish "be" is b.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from benchmarks.hearing.vocabulary import DIGITS, TEENS, TENS, TWENTIES
from ingress.caller.word_errors import normalise

_SIGNS = {
    "en": {"#": "pound", "*": "star", "%": "percent", "&": "and", "@": "at", "+": "plus"},
    "es": {"#": "numero", "*": "asterisco", "%": "por ciento", "&": "y", "@": "arroba", "+": "mas"},
}
_HUNDREDS = (
    "ciento", "doscientos", "trescientos", "cuatrocientos", "quinientos", "seiscientos", "setecientos",
    "ochocientos", "novecientos",
)  # fmt: skip
_LETTERS = {
    "a": "a", "be": "b", "ce": "c", "de": "d", "e": "e", "efe": "f", "ge": "g", "hache": "h", "i": "i",
    "jota": "j", "ka": "k", "ele": "l", "eme": "m", "ene": "n", "o": "o", "pe": "p", "cu": "q", "ere": "r",
    "erre": "r", "ese": "s", "te": "t", "u": "u", "ve": "v", "uve": "v", "equis": "x", "ye": "y", "zeta": "z",
}  # fmt: skip
"""Spanish names of letters. Whisper writes some of them out."""
_LONG_LETTERS = {"[iy] griega": "y", "(?:doble|uve) (?:u|v|uve|ve|doble)": "w"}


def words(text: str, language: str, joins_numbers: bool = False) -> list[str]:
    """Return the words of a text, each digit of its numbers as a word.

    With `joins_numbers`, numbers in digits are put together as those in words are: "60, 4", "60 y 4" are 64.
    Only for what holds no digits that are said one by one, for there "20, 5" is 2 0 5.
    """
    text = _plain(text)
    for sign, word in _SIGNS[language].items():
        text = text.replace(sign, f" {word} ")
    text = re.sub(r"(?<=\d)[,.](?=\d{3}\b)", "", text)
    if language == "en":
        text = re.sub(r"\b\d{1,2}(?:st|nd|rd|th)\b", lambda found: f" {normalise(found[0])} ", text)
    text = re.sub(r"[-‐-―/…_:;,]|\.{2,}|\.(?=\d)|(?<=\d)\.", " ", text)
    text = re.sub(r"[^\w\s]", "", text)
    runs = r"(?<!\d)[1-9]\d{0,2}(?!\d)|" if joins_numbers else ""
    return list(_digits(re.findall(rf"{runs}\d|[^\W\d]+", text), _NUMERALS[language], joins_numbers))


def letters(text: str, language: str) -> list[str]:
    """Return the letters of a text, and the digits of its numbers."""
    if language == "es":
        for name, letter in _LONG_LETTERS.items():
            text = re.sub(rf"\b{name}\b", letter, text, flags=re.IGNORECASE)
        return list("".join(_LETTERS.get(word, word) for word in words(text, language)))
    return list("".join(words(text, language)))


@dataclass(frozen=True, slots=True)
class _Numerals:
    """The words of numbers in one language."""

    values: Mapping[str, int]
    """Whole words, each with its value below 1000."""
    joins: str
    """Stands between two parts of a number."""
    hundred: str = ""
    thousand: str = ""


def _digits(found: Sequence[str], numerals: _Numerals, joins_numbers: bool) -> Iterator[str]:
    """Yield words, those of numbers replaced by digits."""
    if joins_numbers:
        written = {word: int(word) for word in found if word.isdecimal() and word != "0"}
        numerals = replace(numerals, values={**written, **numerals.values})
    place = 0
    while place < len(found):
        number, length = _number(found[place:], numerals)
        if length:
            yield from str(number)
        else:
            yield found[place]
        place += max(1, length)


def _number(found: Sequence[str], numerals: _Numerals) -> tuple[int, int]:
    """Return the number that these words begin with, and how many of them it takes: 0 where there is none.

    A part may follow if it is smaller than what the last digit that is not zero is worth: after "forty" one
    to nine, after "hundred" all below 100.
    """
    total = group = length = 0
    room = 1_000
    for place, word in enumerate(found):
        if word == numerals.joins and length and room > 1 and place + 1 < len(found):
            following = numerals.values.get(found[place + 1], 0)
            if 0 < following < room:
                continue
            break
        value = numerals.values.get(word)
        if value is not None and (not length or 0 < value < room):
            group += value
            room = _room(value)
        elif word == numerals.hundred and (not length or 0 < group < 10):
            group = max(1, group) * 100
            room = 100
        elif word == numerals.thousand and (not length or group) and not total:
            total, group = max(1, group) * 1_000, 0
            room = 1_000
        else:
            break
        length = place + 1
        if value == 0:
            break
    return total + group, length


def _room(value: int) -> int:
    """Return what the next part of a number must be below."""
    return 100 if value % 100 == 0 else 10 if value % 10 == 0 and value >= 20 else 1


def _plain(text: str) -> str:
    """Return a text in lower case without accents."""
    parts = unicodedata.normalize("NFKD", text.lower())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _numerals(language: str) -> _Numerals:
    values = {_plain(word): value for value, word in enumerate((*DIGITS[language], *TEENS[language]))}
    values |= {word: 10 * (place + 2) for place, word in enumerate(TENS[language])}
    if language == "en":
        return _Numerals(MappingProxyType(values), "and", "hundred", "thousand")
    values |= {_plain(word): 20 + units for units, word in enumerate(TWENTIES)}
    values |= {word: 100 * (place + 1) for place, word in enumerate(_HUNDREDS)} | {"cien": 100}
    return _Numerals(MappingProxyType(values), "y", thousand="mil")


_NUMERALS = {language: _numerals(language) for language in ("en", "es")}
