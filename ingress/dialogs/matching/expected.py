"""Which of the expected answers was given."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingress.dialogs.matching.tokens import folded

_WORD = re.compile(r"\w+")
"""`B12` is one: the answer 12 is not in it."""


def match_expected(text: str, expected: Sequence[str]) -> str | None:
    """Return which of `expected` a text is, or contains, in whole words; None: none, or several.

    Letter case, accents and punctuation do not count. One that is part of a longer one which was said does
    not count either.
    """
    said = _plain(text)
    found = {plain: each for each in expected if (plain := _plain(each)).strip() and plain in said}
    longest = [plain for plain in found if not any(plain in other for other in found if other != plain)]
    return found[longest[0]] if len(longest) == 1 else None


def _plain(text: str) -> str:
    """Return the words of a text without case and accents, each between spaces."""
    return f" {' '.join(_WORD.findall(folded(text)))} "
