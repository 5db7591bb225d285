"""Figures as a page writes them, and whether a result has them.

A figure is a number with a unit ("11.6 ms", "2.01x", "PESQ 1.2", "36 KB", "400 calls"). A leaf of a result
has it if it is that value, rounded to the digits that the page shows, in the unit that the leaf's keys state
(`lateness_ms`, `missing_ratio`, `bytes_per_call`); or if it is a sentence that says it ("2.01x").
A plain number may be any leaf's. A list of numbers holds samples, among thousands of which anything could be
found: only its least, its largest and its mean may be quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

MOST_KEYS = 60
"""A mapping of more has an entry for each sample."""

Unit = tuple[str, float]
"""What a figure is of, and how many of that kind's own unit."""
UNITS: dict[str, Unit] = {
    "µs": ("time", 1e-3), "ms": ("time", 1.0), "s": ("time", 1e3), "seconds": ("time", 1e3),
    "segundos": ("time", 1e3), "min": ("time", 6e4), "minute": ("time", 6e4), "minutes": ("time", 6e4),
    "minutos": ("time", 6e4),
    "%": ("percent", 1.0), "points": ("percent", 1.0),
    "x": ("ratio", 1.0), "×": ("ratio", 1.0), "times": ("ratio", 1.0), "vezes": ("ratio", 1.0),
    "KB": ("bytes", 1e3), "MB": ("bytes", 1e6), "GB": ("bytes", 1e9),
    "KiB": ("bytes", 2**10), "MiB": ("bytes", 2**20), "GiB": ("bytes", 2**30),
    "PESQ": ("pesq", 1.0), "core-seconds": ("core-seconds", 1.0), "erlangs": ("erlangs", 1.0),
    "/s": ("rate", 1.0),
    "calls": ("calls", 1.0), "chamadas": ("calls", 1.0), "utterances": ("utterances", 1.0),
    "requests": ("requests", 1.0), "frames": ("frames", 1.0), "turns": ("turns", 1.0),
    "underruns": ("underruns", 1.0),
}  # fmt: skip
"""What pages write."""
WORDS: dict[str, Unit] = {
    "us": ("time", 1e-3), "ms": ("time", 1.0), "s": ("time", 1e3), "seconds": ("time", 1e3),
    "minutes": ("time", 6e4),
    "percent": ("percent", 1.0), "ratio": ("ratio", 1.0), "rate": ("ratio", 1.0), "share": ("ratio", 1.0),
    "bytes": ("bytes", 1.0), "kib": ("bytes", 2**10), "mib": ("bytes", 2**20), "gib": ("bytes", 2**30),
    "pesq": ("pesq", 1.0), "opinion": ("pesq", 1.0), "erlangs": ("erlangs", 1.0),
    "calls": ("calls", 1.0), "utterances": ("utterances", 1.0), "requests": ("requests", 1.0),
    "frames": ("frames", 1.0), "turns": ("turns", 1.0), "underruns": ("underruns", 1.0),
}  # fmt: skip
"""What the keys of results are made of."""

_LETTERS = "|".join(sorted((unit for unit in UNITS if unit[0].isalpha() and unit != "PESQ"), reverse=True))
_UNIT = rf"(?:{_LETTERS})(?![\w-])|%|×"
_RATE = r"(?:\s[a-z]+)?\s(?:a|per|por) (?:second|segundo)\b|/s\b"
_BETWEEN = r"\s*(?:,|/|–|-|to\b|and\b|or\b|against\b|a\b|e\b|ou\b)\s*(?:(?:and|or|e|ou)\s)?"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is written."""

    start: int
    """Where its digits begin in the text."""
    digits: str
    value: float
    decimals: int
    unit: str
    """One of `UNITS`; empty for a plain number."""

    def __str__(self) -> str:
        if self.unit == "PESQ":
            return f"PESQ {self.digits}"
        return f"{self.digits} {self.unit}".rstrip()

    def is_value(self, value: float) -> bool:
        """Whether it is this value, rounded to its own digits."""
        return abs(value - self.value) <= 0.5 * 10.0**-self.decimals * (1 + 1e-6)


@dataclass(frozen=True, slots=True)
class Writing:
    """How a language writes numbers."""

    point: str = "."
    thousands: str = ","

    def figures(self, text: str, plain: str = "") -> Iterator[Figure]:
        """Return the figures with a unit, and of the others the "decimals" or "all" if `plain` says so.

        Several numbers before one unit ("50, 200 and 400 calls") all have it.
        """
        point, thousands = re.escape(self.point), re.escape(self.thousands)
        whole = rf"(?:\d{{1,3}}(?:{thousands}\d{{3}})+|\d+)(?:{point}\d+)?"
        number = rf"(?<![\w.,]){whole}(?![.,]?\d)"  # no part of a word, of a version or of a larger number
        several = rf"(?P<pesq>PESQ(?:\sof)?\s)?(?P<several>{number}(?:{_BETWEEN}{number})*)"
        for match in re.finditer(rf"{several}(?:\s?(?P<unit>{_UNIT}))?(?P<rate>{_RATE})?", text):
            unit = "PESQ" if match["pesq"] else "/s" if match["rate"] else match["unit"] or ""
            if not unit and text[match.end() : match.end() + 1].isalpha():
                continue
            for one in re.finditer(number, match["several"]):
                decimals = len(one[0].partition(self.point)[2])
                if unit or plain == "all" or (plain == "decimals" and decimals):
                    value = float(one[0].replace(self.thousands, "").replace(self.point, "."))
                    yield Figure(match.start("several") + one.start(), one[0], value, decimals, unit)


ENGLISH, PORTUGUESE = Writing(), Writing(point=",", thousands=".")


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a result, with what its keys say that it is of."""

    value: float
    unit: Unit | None

    def has(self, figure: Figure) -> bool:
        """Whether the figure is this number."""
        if not figure.unit:
            return figure.is_value(self.value)
        kind, size = UNITS[figure.unit]
        if self.unit is None:
            return False
        if kind == "percent" and self.unit[0] == "ratio":
            return figure.is_value(100.0 * self.value)
        return self.unit[0] == kind and figure.is_value(self.value * self.unit[1] / size)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Text of a result."""

    figures: tuple[Figure, ...]

    def has(self, figure: Figure) -> bool:
        """Whether the figure is said here."""
        return any(_number(said, figure).has(figure) for said in self.figures)


def _number(said: Figure, wanted: Figure) -> Number:
    return Number(said.value, UNITS[said.unit] if said.unit and wanted.unit else None)


Leaf = Number | Sentence


def leaves(node: Any, unit: Unit | None = None) -> Iterator[Leaf]:
    """Return all that may be quoted of a result, or of a part of it."""
    if isinstance(node, Mapping):
        for key, below in node.items() if len(node) <= MOST_KEYS else ():
            yield from leaves(below, unit_of(key) or unit)
    elif isinstance(node, list):
        samples = [each for each in node if isinstance(each, int | float)]
        if samples:
            yield from (Number(it, unit) for it in (min(samples), max(samples), fmean(samples)))
        else:
            for below in node:
                yield from leaves(below, unit)
    elif isinstance(node, str):
        yield Sentence(tuple(ENGLISH.figures(node, plain="all")))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield Number(node, unit)


def unit_of(key: str) -> Unit | None:
    """Return what a key says about its number: `cpu_percent_per_call` is one of percent."""
    what, _, per = key.partition("_per_")
    if per in ("s", "second"):
        return ("rate", 1.0)
    words = what.lower().split("_")
    if words[-2:] == ["core", "s"]:
        return ("core-seconds", 1.0)
    return next((WORDS[word] for word in reversed(words) if word in WORDS), None)


def records(node: Any, unit: Unit | None = None) -> Iterator[tuple[Leaf, ...]]:
    """Return the leaves of each mapping within a result, the result itself not among them."""
    below = node.items() if isinstance(node, Mapping) else (("", it) for it in node)
    for key, part in below:
        own = unit_of(key) or unit
        if isinstance(part, Mapping):
            yield tuple(leaves(part, own))
        if isinstance(part, Mapping | list) and not (isinstance(part, Mapping) and len(part) > MOST_KEYS):
            yield from records(part, own)
