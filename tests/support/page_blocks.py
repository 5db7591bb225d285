"""A page of Markdown in the parts in which it speaks of one thing: paragraphs and rows of tables.

Positions are those in the page's own text, so that what is found can be pointed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

UNREAD = re.compile(
    r"^```.*?^```|<!--.*?-->|`[^`\n]*`|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)", re.MULTILINE | re.DOTALL
)
"""Code, comments, pictures, and where links lead."""
RESULT_LINK = re.compile(r"\]\((?P<target>[^)#\s]*\bresults/[\w-]+\.json)\)")


@dataclass(slots=True)
class Section:
    """From one heading to the next."""

    heading: str
    results: list[str] = field(default_factory=list)
    """Where its links to results lead, as they are written."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, an item of a list, or a row of a table."""

    start: int
    end: int
    section: Section
    own_results: tuple[str, ...]
    table: int | None = None
    """Where its table begins; None for prose."""
    header: str = ""
    """The table's first row, also for that row itself."""

    @property
    def results(self) -> tuple[str, ...]:
        """What it may quote from: what it names itself, else what its section names."""
        return self.own_results or tuple(self.section.results)


def readable(text: str) -> str:
    """Return the text with everything blank that is no prose, each character in its place."""
    return UNREAD.sub(lambda match: re.sub(r"[^\n]", "¦", match[0]), text)


def blocks(text: str) -> list[Block]:
    """Return the parts of a page in order."""
    found: list[Block] = []
    section, table, header = Section(""), None, ""
    for start, end in _spans(readable(text)):
        raw = text[start:end]
        if raw.startswith("#"):
            section = Section(raw.strip("# \n"))
        results = tuple(match["target"] for match in RESULT_LINK.finditer(raw))
        section.results.extend(name for name in results if name not in section.results)
        if not raw.startswith("|"):
            table, header = None, ""
        elif table is None or found[-1].end != start:
            table, header = start, raw
        found.append(Block(start, end, section, results, table, header))
    return found


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Return where each part begins and ends."""
    begin: int | None = None
    at = 0
    for line in text.splitlines(keepends=True):
        is_alone = line.startswith(("#", "|"))
        if begin is not None and (is_alone or not line.strip() or re.match(r"\s*(?:[-*]|\d+\.)\s", line)):
            yield begin, at
            begin = None
        if is_alone:
            yield at, at + len(line)
        elif line.strip() and begin is None:
            begin = at
        at += len(line)
    if begin is not None:
        yield begin, at


def cells(row: str) -> list[tuple[int, int]]:
    """Return where each cell of a row begins and ends."""
    bars = [match.start() for match in re.finditer(r"(?<!\\)\|", row)]
    return [(left + 1, right) for left, right in pairwise(bars)]
