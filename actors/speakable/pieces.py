"""Cut what is to be spoken by the time that it takes: no piece of audio gets long."""

from __future__ import annotations

import re

MAXIMUM_PIECE_WEIGHT = 150
"""About 10 s of speech: 15 letters take a second."""
_DIGIT_WEIGHT = 6
"""A digit is a word."""
_SYLLABLE_WEIGHT = 4
"""Chinese, Japanese and Korean write a syllable in one character."""
_SYLLABLES = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_CLAUSE_END = re.compile(r"[,;:](?=\s)|[.!?](?=\s)|[，、；：。！？]")
_WORD_END = re.compile(r"(?=\s)")


def weight(text: str) -> int:
    """Return how long a text takes to be spoken, in letters."""
    return sum(map(_weight, text))


def pieces_of(text: str) -> list[str]:
    """Return the text in pieces of `MAXIMUM_PIECE_WEIGHT`, cut after a clause, else a word, else anywhere."""
    pieces = []
    while (limit := _fitting(text)) < len(text):
        end = _cut(text, limit)
        pieces.append(text[:end].rstrip(" ,;:"))
        text = text[end:].strip()
    return [*pieces, text] if text else pieces


def _fitting(text: str) -> int:
    """Return how many characters fit into a piece."""
    room = MAXIMUM_PIECE_WEIGHT
    for index, character in enumerate(text):
        room -= _weight(character)
        if room < 0:
            return index
    return len(text)


def _cut(text: str, limit: int) -> int:
    for pattern, least in ((_CLAUSE_END, limit // 3), (_WORD_END, 1)):
        ends = [
            found.end() for found in pattern.finditer(text, 0, limit + 1) if least <= found.end() <= limit
        ]
        if ends:
            return ends[-1]
    return limit


def _weight(character: str) -> int:
    if character.isdecimal():
        return _DIGIT_WEIGHT
    return _SYLLABLE_WEIGHT if _SYLLABLES.match(character) else 1
