"""Written text to speakable text, for one language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NewType

from actors.checks.languages import primary
from actors.speakable.abbreviations import expansion
from actors.speakable.characters import tidy, usual
from actors.speakable.english import ENGLISH
from actors.speakable.figures import GROUPS, Figures, is_one_number
from actors.speakable.french import FRENCH
from actors.speakable.german import GERMAN
from actors.speakable.italian import ITALIAN
from actors.speakable.markup import without_markup
from actors.speakable.pieces import pieces_of
from actors.speakable.portuguese import PORTUGUESE
from actors.speakable.spanish import SPANISH
from actors.speakable.spelling import spelling
from actors.speakable.words import Currency, Noun, Words

SpeakableText = NewType("SpeakableText", str)
"""Words and pauses: what a voice reads as it is. Made by `speakable` and `speakable_pieces` alone."""

LANGUAGES: Mapping[str, Words] = {
    "en": ENGLISH,
    "pt": PORTUGUESE,
    "es": SPANISH,
    "fr": FRENCH,
    "de": GERMAN,
    "it": ITALIAN,
}
DAY_FIRST = frozenset({"en-gb", "en-ie", "en-au", "en-nz", "en-in", "en-za"})
PESO = frozenset({"es-mx", "es-ar", "es-cl", "es-co", "es-uy", "es-cu", "es-do"})

POINT_DECIMAL = PESO - {"es-ar", "es-cl", "es-co", "es-uy"} | frozenset(
    {"es-us", "es-pr", "es-gt", "es-hn", "es-sv", "es-ni", "es-pa", "es-pe", "es-419"}
)
"""They write 1,000.50 (CLDR)."""

ROUNDS = 5

_LONG_SPACE = re.compile(r"\s{9,}")
"""Also of what is not seen, such as emoji: patterns that begin with spaces would take its square."""
_SIGN = re.compile(r"[/_@+&=~%#*<>÷×°±²³$€£¥¢§^≥≤≠≈√∞]")
_SLASH = re.compile(r"(?<=[^\W\d])/(?=[^\W\d])")
_INNER_DOT = re.compile(r"(?<=[^\W\d]{2})\.(?=[^\W\d])|(?<=[^\W\d])\.(?=[^\W\d]{2})")
"""In a name: "file.txt". Not in "p.m.", nor before a capital letter, which begins a sentence."""
_MISSING_SPACE = re.compile(r"(?<=[^\W\d]{2})\.(?=[^\W\d_a-zà-ÿ])|(?<=[^\W\d])\.(?=[^\W\d_a-zà-ÿ][a-zà-ÿ])")
_EN_DASH = re.compile(r"\s*[—–]\s*|\s+-+\s+|-{2,}")
_BRACKETS = re.compile(r"(?<=\w)\((?=\w{1,2}\))|(?<=\(\w)\)|(?<=\(\w\w)\)")
_PAUSE = re.compile(r"[()\[\]{}]+")
_FEMININE_TOO = re.compile(r"(?<=[^\W\d])\(/?as?\)|(?<=[^\W\d]{3})/as?\b(?!/)")
"""Of "Estimado(a)": what it is added to is read alone."""
_PER = re.compile(r"(?<=[^\W\d]) +/(?=[^\W\d])")
_COMPARISON = re.compile(r"(?<=\d)\s?([<>])\s?(?=\d)")
_OPERATOR = re.compile(r"([!<>])=(?!=)")
_OPERATORS = {"!=": "≠", "<=": "≤", ">=": "≥"}
_CODE = re.compile(r"(?<![\d.,])(?:0\d+|\d{5,})(?![\d]|[.,]\d)")
UNKNOWN_KEPT = "%@+&=/€$£¥°*#"
"""Signs that an engine of an unknown language has to read by itself."""


def speakable(text: str, language: str) -> SpeakableText:
    """Return a written text, such as one sentence, as it is read aloud; empty if there is nothing to say.

    `language` is a code such as `en` or `pt-BR`; of one without `LANGUAGES` only what is the same in all
    languages is done. Never raises; done twice it changes nothing.
    """
    reader = _reader(language.replace("_", "-").lower())
    return SpeakableText(reader.read(text))


def speakable_pieces(text: str, language: str) -> list[SpeakableText]:
    """Return the same in pieces of about 10 s of speech at most; none if there is nothing to say."""
    return [SpeakableText(piece) for piece in pieces_of(speakable(text, language))]


def prepare(language: str) -> None:
    """Load what a language needs, which the first text would have to wait for: 0.1 s."""
    _reader(language.replace("_", "-").lower())


class _Reader:
    """Reads one language."""

    def __init__(self, language: str) -> None:
        code = primary(language)
        words = LANGUAGES.get(code)
        if words is not None and language in PESO:
            peso = Currency(Noun("peso", "pesos"), Noun("centavo", "centavos"))
            words = replace(words, currencies={**words.currencies, "$": peso})
        if words is not None and language in POINT_DECIMAL:
            words = replace(words, decimal=".")
        self._words = words
        if words is not None:
            dialect = "pt_PT" if language == "pt-pt" else code
            numbers = spelling(dialect, tuple(words.rulesets.items()))
            self._figures = Figures(words, numbers, words.is_month_first and language not in DAY_FIRST)
            self._expand = expansion(words)

    def read(self, text: str) -> str:
        """What one rule makes may be another's: read until nothing changes."""
        for _ in range(ROUNDS):
            text, before = self._read(text), text
            if text == before:
                break
        return text

    def _read(self, text: str) -> str:
        if not text.isascii():
            text = text.encode("utf-8", "ignore").decode("utf-8")  # without lone surrogates
        words = self._words
        text = _LONG_SPACE.sub(" ", usual(text))
        text = _LONG_SPACE.sub(" ", usual(without_markup(text, words)))  # an entity may be any character
        if words is None:
            text = GROUPS.sub(_spaced_groups, text)
            text = _CODE.sub(lambda found: " ".join(found[0]), _EN_DASH.sub(", ", text))
            return tidy(_without_brackets(text), UNKNOWN_KEPT)
        text = _OPERATOR.sub(lambda found: _OPERATORS[found[0]], text)
        text = _COMPARISON.sub(lambda found: f" {words.signs[found[1]]} ", text)
        text = _FEMININE_TOO.sub("", text)
        text = self._figures.read(self._expand(_MISSING_SPACE.sub(". ", text)))
        text = _INNER_DOT.sub(f" {words.dot} ", text)
        text = _PER.sub(f" {words.per} ", text)
        text = _SLASH.sub(" ", _EN_DASH.sub(", ", text))
        text = _SIGN.sub(lambda found: f" {self._sign(found[0], words)} ", text)
        return tidy(_without_brackets(text))

    @staticmethod
    def _sign(sign: str, words: Words) -> str:
        if sign in words.currencies:
            return words.currencies[sign].unit.many
        return words.signs.get(sign, "") if sign not in "_<>" else ""


def _spaced_groups(found: re.Match[str]) -> str:
    """Groups of digits that are one number, digit by digit."""
    groups = re.findall(r"\d+", found[0])
    return ", ".join(map(" ".join, groups)) if is_one_number(found[0], groups) else found[0]


def _without_brackets(text: str) -> str:
    """Brackets are pauses; those of "file(s)" are nothing."""
    return _PAUSE.sub(", ", _BRACKETS.sub("", text)) if _PAUSE.search(text) else text


@lru_cache(maxsize=64)
def _reader(language: str) -> _Reader:
    return _Reader(language)
