"""Texts as words to compare: without case, accents and signs."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\d+|[^\W\d_]+")
_GROUPED = re.compile(r"(?<=\d)[.,\u00a0\u202f](?=\d{3}(?!\d))")
"""Between the thousands of a number: 1.200, 1,200."""


def folded(text: str) -> str:
    """Return a text in lower case without accents: `Olá` and `ola` are the same."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in parts if not unicodedata.combining(sign))


def words_of(text: str) -> list[str]:
    """Return the words, and the numbers in figures, in lower case, with their accents."""
    return _WORD.findall(_GROUPED.sub("", unicodedata.normalize("NFC", text).casefold()))


def folded_words(text: str) -> list[str]:
    """Return the same without accents."""
    return [folded(word) for word in words_of(text)]
