"""Abbreviations as the words that they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from actors.speakable.words import Words

_BEFORE = r"(?<![^\W\d_])(?<!\b[^\W\d_]\.)(?<![^\W\d_]['-])"
_STREET_OR_SAINT = re.compile(rf"{_BEFORE}St\.(?=(\s+[A-Z])?)")
_NUMBER_SIGN = re.compile(r"\b([nN])\s?°(?=\s?\d)")
_NAME = re.compile(r"(?:d[aeo]s? )?(?=[^\W\d_])[^a-zà-ÿ][a-zà-ÿ]")
"""As "Augusta", and "das Flores"."""
_BEFORE_STREET = re.compile(r"[A-Z]\w+\s+$")


def expansion(words: Words) -> Callable[[str], str]:
    """Return what expands the abbreviations of a language."""
    always = _pattern(words.abbreviations, r"(?![^\W\d_])")
    before_number = _pattern(words.numbered, r"(?=\s?\d)")
    has_saints = "Rd" in words.abbreviations

    def expand(text: str) -> str:
        if not any(sign in text for sign in ".º°"):
            return text
        text = _NUMBER_SIGN.sub(r"\1º", text)
        text = before_number.sub(lambda found: f"{words.numbered[found[1]]} ", text)
        if has_saints:
            text = _STREET_OR_SAINT.sub(_street_or_saint, text)
        return always.sub(lambda found: _word(found, words.abbreviations), text)

    return expand


def _pattern(abbreviations: Mapping[str, str], follows: str) -> re.Pattern[str]:
    names = "|".join(
        re.escape(name).replace(r"\ ", r"\s?") for name in sorted(abbreviations, key=len, reverse=True)
    )
    return re.compile(rf"{_BEFORE}({names})(?:\.[ºª]?|(?<=º)|(?<=\.\w)|(?<=\.\w\w)){follows}")


def _word(found: re.Match[str], abbreviations: Mapping[str, str]) -> str:
    """Return the word. A single letter is an abbreviation only before a name; the last one ends the text."""
    name = found[1]
    word = abbreviations.get(name) or abbreviations.get(re.sub(r"\.\s?", ". ", name), name)
    rest = found.string[found.end() :].lstrip()
    is_before_name = _NAME.match(rest) is not None
    if len(name) == 1 and (not is_before_name or found.string[: found.start()].rstrip().endswith(".")):
        return found[0]
    return word if rest else f"{word}."


def _street_or_saint(found: re.Match[str]) -> str:
    before, is_before_name = found.string[: found.start()], found[1] is not None
    if is_before_name and not _BEFORE_STREET.search(before):
        return "Saint"
    return "Street" if found.string[found.end() :].strip() else "Street."
