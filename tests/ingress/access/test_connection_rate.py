"""How often an address may connect; time is an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingress.access.connection_rate import ConnectionRate


def test_a_burst_passes_and_then_the_rate() -> None:
    """Other addresses have buckets of their own."""
    rate = ConnectionRate(rate_per_s=10.0, burst=5.0)
    assert [rate.allows("a", 0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert rate.allows("b", 0.0)
    assert not rate.allows("a", 0.09)
    assert rate.allows("a", 0.11)
    assert not rate.allows("a", 0.11)
    assert [rate.allows("a", 60.0) for _ in range(6)] == [True] * 5 + [False]


@given(st.lists(st.floats(0.0, 1.0), max_size=200))
def test_no_more_than_burst_and_rate_within_any_time(gaps_s: list[float]) -> None:
    """Against a plain count of what was allowed."""
    rate = ConnectionRate(rate_per_s=4.0, burst=3.0)
    now, allowed = 0.0, []
    for gap_s in gaps_s:
        now += gap_s
        if rate.allows("a", now):
            allowed.append(now)
    for first, since_s in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= 3.0 + 4.0 * (allowed[last] - since_s) + 1e-3


def test_addresses_are_forgotten_when_there_are_too_many() -> None:
    """The one that connected longest ago first."""
    rate = ConnectionRate(rate_per_s=1.0, burst=1.0, most_addresses=2)
    for address in ("a", "b", "a", "c"):
        rate.allows(address, 0.0)
    assert len(rate) == 2
    assert not rate.allows("c", 0.0)
    assert rate.allows("a", 0.0)
