"""Lines of refused addresses: few, whatever comes."""

from __future__ import annotations

from ingress.access.log_limit import LogLimit


def test_an_address_has_a_line_a_minute() -> None:
    """And not more."""
    limit = LogLimit()
    assert [limit.is_due("a", now) for now in (0.0, 1.0, 59.9, 60.0, 61.0)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert limit.is_due("b", 61.0)


def test_many_addresses_have_few_lines() -> None:
    """Memory and lines are bounded; after a minute there is room again."""
    limit = LogLimit(most_addresses=3)
    assert sum(limit.is_due(str(address), 0.0) for address in range(1_000)) == 3
    assert len(limit) == 3
    assert limit.is_due("new", 60.0)
    assert len(limit) == 1
