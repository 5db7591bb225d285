"""The words that a language has for what is written in signs: numbers' separators, money, dates, keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Noun(NamedTuple):
    """What is counted."""

    one: str
    many: str
    is_feminine: bool = False


class Currency(NamedTuple):
    """Money: `5.50` of it is "five NOUN and fifty CENTS"."""

    unit: Noun
    cents: Noun | None


@dataclass(frozen=True, slots=True)
class Words:
    """One language's."""

    decimal: str
    """The decimal separator, `.` or `,`; the other one separates thousands."""
    point: str
    comma: str
    """The two separators by name, inside a number."""
    dot: str
    """In an address or a version."""
    signs: Mapping[str, str]
    """Each of `/ - _ @ + & = ~ % # * : < > ÷ × ° ± ² ³` by name; `#` and `*` are keys."""
    minus: str
    number: str
    """Before a number: "No. 5", "#5"."""
    to: str
    """Between the ends of a range: 5–10."""
    per: str
    """Of a rate: $5/month."""
    conjunction: str
    """Between units and cents, or a number and its fraction."""
    months: tuple[str, ...]
    date: str
    """Of `day`, `month` and `year`."""
    first_day: str | None
    """The first of a month, where it is no plain number."""
    has_ordinal_days: bool
    is_month_first: bool
    clock: str
    """Of `hour` and `minute`; `clock_small` for a minute below ten."""
    clock_whole: str
    clock_one: str | None = None
    clock_late: str | None = None
    """The whole hour if it is 1, and if it is 0 or more than 12, where that differs."""
    clock_small: str | None = None
    has_feminine_hours: bool = False
    has_h_clock: bool = False
    """Whether "14h" is a time, not a duration."""
    of: str = ""
    """Between a word such as "million" and what is counted."""
    hour_marks: str = ""
    """Pattern of what may follow a time, and is part of it."""
    scales: Mapping[str, Noun] = field(default_factory=dict)
    """Short forms of thousand, million, billion after an amount of money: $2M."""
    weekdays: Mapping[str, str] = field(default_factory=dict)
    """Their short forms, in lower case, read in a range alone: Mon-Fri."""
    numeral_nouns: frozenset[str] = frozenset()
    """In lower case, after which a Roman numeral is a number: chapter IV."""
    idioms: Mapping[str, str] = field(default_factory=dict)
    """What is not read as its signs say: 24/7."""
    ordinal_marks: str = "(?!)"
    """Pattern of what makes a number an ordinal; the groups `f` and `s` mark a feminine and a short one."""
    units: Mapping[str, Noun] = field(default_factory=dict)
    currencies: Mapping[str, Currency] = field(default_factory=dict)
    fractions: Mapping[str, str] = field(default_factory=dict)
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    """Without the full stop, as written at the start of a sentence or inside it."""
    numbered: Mapping[str, str] = field(default_factory=dict)
    """The same, but only before a number."""
    key_followers: frozenset[str] = frozenset()
    """After `*` or `#` at the start of a text: it is a key, not a list or a heading ("* to repeat")."""
    feminine_endings: tuple[str, ...] = ()
    masculine_words: frozenset[str] = frozenset()
    """Those with such an ending that are not feminine, or are no nouns."""
    rulesets: Mapping[str, str] = field(default_factory=dict)
    """Names of CLDR's spellings of numbers for `plain`, `masculine`, `feminine`, `year`, `ordinal`,
    `ordinal_feminine`, `ordinal_short`; what is missing is plain."""
