"""Codes of languages, as people write them: `en_US`, `pt-br`, `EN`, `en_US.UTF-8`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

_CODE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_NAMES_LISTED = 120
"""More than whisper knows."""


def normalised(code: str) -> str:
    """Return a code as BCP 47 writes it (RFC 5646, section 2.1.1): `pt-BR`. Raises ValueError for no code."""
    plain = re.split(r"[.@]", code.strip())[0]  # a POSIX locale's encoding and variant
    if not _CODE.fullmatch(plain):
        raise ValueError("write the code of a language, such as en or pt-BR")
    first, *rest = plain.replace("_", "-").split("-")
    return "-".join((first.lower(), *map(_subtag, rest)))


MOST_LANGUAGES = 8
"""Of one extension."""


def one_or_several(written: object) -> str | tuple[str, ...]:
    """Return a code, or several of different languages, normalised. Raises ValueError.

    Several are a list or, where only text can be written, a text with commas: `pt-BR,en`.
    """
    if isinstance(written, str):
        written = written.split(",")
    if not isinstance(written, (list, tuple)) or not all(isinstance(each, str) for each in written):
        raise ValueError('write the code of a language, such as "pt-BR", or a list of them')
    codes = tuple(normalised(each) for each in written)
    if not 1 <= len(codes) <= MOST_LANGUAGES:
        raise ValueError(f"1 to {MOST_LANGUAGES} languages")
    if len({primary(code) for code in codes}) < len(codes):
        raise ValueError("each language once, of one region: which of two is spoken could not be told")
    return codes if len(codes) > 1 else codes[0]


CLEAR_PROBABILITY = 0.8
"""Of a language, among those that were asked for."""
CLEAR_CONFIDENCE = 0.5
"""Of the words: those of a wrong language are less probable."""
CLEAR_LETTERS = 11
"""Less is easily taken for another language: "sim" for "saying it", "sí" for "see", "alô" for "hello"."""


def is_clear(text: str, confidence: float | None, probability: float) -> bool:
    """Whether an utterance shows in which language a call is to go on.

    `confidence`: of its words, 0..1, None: not known; `probability`: of its language, among those possible.
    """
    is_sure = probability >= CLEAR_PROBABILITY and (confidence is None or confidence >= CLEAR_CONFIDENCE)
    return is_sure and sum(map(str.isalnum, text)) >= CLEAR_LETTERS


def several(chosen: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the codes of what `one_or_several` returned, the first one first."""
    return (chosen,) if isinstance(chosen, str) else chosen


def primary(code: str) -> str:
    """Return the language of a code without region or script: `pt` of `pt-BR`."""
    return code.replace("_", "-").partition("-")[0].lower()


def is_among(code: str, known: Iterable[str]) -> bool:
    """Whether one of the known codes is that language, of whatever region."""
    return primary(code) in {primary(each) for each in known}


def choice(wanted: str, known: Collection[str]) -> str:
    """Return the line about something that is not among `known`: the one that was meant, and all of them."""
    names = sorted(known)
    by_case = {name.lower(): name for name in reversed(names)}
    close = get_close_matches(wanted.lower(), by_case, n=1)
    hint = f"did you mean {by_case[close[0]]!r}? " if close else ""
    more = len(names) - _NAMES_LISTED
    listed = ", ".join(names[:_NAMES_LISTED]) or "none"
    return f"{hint}choose one of {listed}{f' and {more} more' if more > 0 else ''}"


def _subtag(part: str) -> str:
    if len(part) == 2:
        return part.upper()  # a region
    return part.title() if len(part) == 4 and part.isalpha() else part.lower()  # a script, or anything else
