"""Names in the order of their instants."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.leases.deadlines import Agenda


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.floats(0, 9))), st.floats(0, 9))
def test_what_is_due_comes_in_order(steps: list[tuple[str, float | None]], now: float) -> None:
    """After any sets and drops: exactly the names up to now, by instant, and the others stay."""
    agenda, instants = Agenda(), dict[str, float]()
    for name, instant in steps:
        if instant is None:
            agenda.drop(name)
            instants.pop(name, None)
        else:
            agenda.set(name, instant)
            instants[name] = instant
    assert agenda.earliest() == min(instants.values(), default=None)
    due = sorted((name for name in instants if instants[name] <= now), key=lambda it: (instants[it], it))
    assert agenda.take_due(now) == due
    assert agenda.earliest() == min((it for it in instants.values() if it > now), default=None)
