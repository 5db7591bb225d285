"""Changes of the load level, as they are kept and shown."""

from __future__ import annotations

from actors.messages import Decision, Level
from ingress.gateway.decision_history import KEPT_CHANGES, DecisionHistory


def decision(level: Level, *reasons: str, number: int = 1) -> Decision:
    """Return a decision of one manager."""
    return Decision("epoch", number, level, reasons)


def test_the_newest_changes_are_kept() -> None:
    """Up to a limit, the newest first, with their age."""
    history = DecisionHistory()
    for number in range(KEPT_CHANGES + 5):
        history.take(decision(Level((number + 1) % 2), f"reason {number}"), float(number))
    rows = history.status(now=100.0)
    assert len(rows) == KEPT_CHANGES
    assert (rows[0].age_s, rows[0].before, rows[0].level) == (100.0 - (KEPT_CHANGES + 4), "normal", "busy")
    assert rows[0].reasons == (f"reason {KEPT_CHANGES + 4}",)
