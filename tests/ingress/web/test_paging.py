"""Pages of lists that change between two requests."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingress.web.paging import page_of_newest, page_of_sorted
from ingress.web.problems import Problem

NUMBERS = some.sets(some.integers(0, 60))


def number(item: int) -> tuple[float | str, ...]:
    """Return the key of an item."""
    return (float(item),)


@given(NUMBERS, NUMBERS, NUMBERS, some.integers(1, 7))
def test_a_walk_finds_what_stays(first: set[int], comes: set[int], goes: set[int], limit: int) -> None:
    """Every item that is there all the time, once; none twice; in order."""
    items, seen, after, steps = set(first), list[int](), None, 0
    while True:
        page, after = page_of_sorted(sorted(items), number, limit, after)
        assert len(page) <= limit
        seen += page
        if after is None:
            break
        items = (items | comes) if steps % 2 else (items - goes)
        steps += 1
    assert seen == sorted(set(seen))
    assert set(seen) >= first - goes


@given(some.integers(0, 20), some.integers(1, 7), some.integers(0, 3))
def test_a_walk_back_in_time(count: int, limit: int, forgotten: int) -> None:
    """New items come first and old ones are forgotten meanwhile: nothing twice, nothing left out."""
    items = [f"item {number}" for number in reversed(range(count))]
    seen, after = list[str](), None
    while True:
        page, after = page_of_newest(items, str, limit, after)
        seen += page
        if after is None:
            break
        items = [f"newer {len(seen)}", *items]
        items = items[: len(items) - forgotten]
    assert len(set(seen)) == len(seen)
    assert seen == [f"item {number}" for number in reversed(range(count - len(seen), count))]
    assert forgotten or len(seen) == count


@given(
    some.text(max_size=60) | some.sampled_from(["W10", "WzFd", "W1tdXQ", "WyJhIl0", "W3RydWVd", "WzFlOTk5XQ"])
)
def test_any_cursor_is_answered(cursor: str) -> None:
    """With a page, or with what is wrong."""
    for pages in (
        lambda: page_of_sorted([1, 2], number, 1, cursor),
        lambda: page_of_newest(["a", "b"], str, 1, cursor),
    ):
        with suppress(Problem):
            pages()


def test_a_cursor_of_another_list() -> None:
    """Is refused where it cannot be meant."""
    _, cursor = page_of_newest(["a", "b"], str, 1, None)
    with pytest.raises(Problem, match="no cursor of this list"):
        page_of_sorted([1, 2], number, 1, cursor)
