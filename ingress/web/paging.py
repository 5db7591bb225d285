"""Lists in pages. A cursor says after which item the next page begins; clients do not look into it.

Items that come or go between two pages make no other item appear twice, or not at all.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from ingress.web.problems import Problem

DEFAULT_LIMIT = 100
MAXIMUM_LIMIT = 1_000
MAXIMUM_CURSOR_CHARACTERS = 256

Limit = Annotated[int, Query(ge=1, le=MAXIMUM_LIMIT, description="Items of one page.")]
After = Annotated[
    str | None,
    Query(
        max_length=MAXIMUM_CURSOR_CHARACTERS, description="`next` of the page before; none: the first page."
    ),
]

Item = TypeVar("Item")
Key = tuple[float | str, ...]


def page_of_sorted(
    items: Sequence[Item], key: Callable[[Item], Key], limit: int, after: str | None
) -> tuple[list[Item], str | None]:
    """Return a page of items that are sorted by `key`, and the next page's cursor. Raises Problem."""
    start = 0
    if after is not None:
        last = _decoded(after)
        try:
            start = bisect_right(items, last, key=key)
        except TypeError as error:
            raise _unknown_cursor() from error
    return _page(items, start, limit, lambda item: list(key(item)))


def page_of_newest(
    items: Sequence[Item], name: Callable[[Item], str], limit: int, after: str | None
) -> tuple[list[Item], str | None]:
    """Return a page of items, the newest first, of which the oldest are forgotten. Raises Problem.

    After an item that has been forgotten there is nothing any more.
    """
    start = 0
    if after is not None:
        last = _decoded(after)
        start = next((place + 1 for place, item in enumerate(items) if (name(item),) == last), len(items))
    return _page(items, start, limit, lambda item: [name(item)])


def _page(
    items: Sequence[Item], start: int, limit: int, cursor: Callable[[Item], list[float | str]]
) -> tuple[list[Item], str | None]:
    page = list(items[start : start + limit])
    has_more = start + limit < len(items)
    return page, _encoded(cursor(page[-1])) if has_more else None


def _encoded(position: list[float | str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> Key:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _unknown_cursor() from error
    if not isinstance(position, list) or not all(type(part) in (int, float, str) for part in position):
        raise _unknown_cursor()
    return tuple(position)


def _unknown_cursor() -> Problem:
    return Problem(422, "query.after: this is no cursor of this list; take `next` as it came")
