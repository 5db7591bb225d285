"""Numbers as words, by CLDR's rules for each language (Unicode TR 35, rule-based number formatting)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unicode_rbnf import RbnfEngine


class Spelling:
    """One language's numbers."""

    def __init__(self, engine: RbnfEngine, rulesets: Mapping[str, str]) -> None:
        self._engine = engine
        self._rulesets = rulesets
        self._digits = [self.number(digit) for digit in range(10)]

    def number(self, value: int, form: str = "plain") -> str:
        """Return a whole number, 0 to 10^15; `form` is a key of `Words.rulesets`."""
        ruleset = self._rulesets.get(form) or self._rulesets["plain"]
        return self._engine.format_number(value, ruleset_names=[ruleset]).text.strip()

    def digits(self, digits: str) -> str:
        """Return the digits one by one."""
        return " ".join(self._digits[int(digit)] for digit in digits)


@cache
def spelling(language: str, rulesets: tuple[tuple[str, str], ...]) -> Spelling:
    """Return a language's spelling, loaded at its first use (0.1 s). `language` is a CLDR name: en, pt_PT."""
    from unicode_rbnf import RbnfEngine

    return Spelling(RbnfEngine.for_language(language), dict(rulesets))
