"""Changes of the load level, as they are kept and shown."""

from __future__ import annotations

from actors.messages import Decision, Level
from ingress.gateway.decision_history import KEPT_CHANGES, DecisionHistory


def decision(level: Level, *reasons: str, number: int = 1) -> Decision:
    """Return a decision of one manager."""
    return Decision("epoch", number, level, reasons)


def test_only_a_new_level_is_a_change() -> None:
    """Another number, another reason or another manager is none; up and down are."""
    history = DecisionHistory()
    assert history.take(decision(Level.NORMAL), 0.0) is None
    up = history.take(decision(Level.LOADED, "97 % of the slots in use", number=2), 1.0)
    assert up == "level loaded (was normal): 97 % of the slots in use"
    assert history.take(decision(Level.LOADED, "another reason", number=3), 2.0) is None
    down = history.take(decision(Level.NORMAL, number=4), 3.0)
    assert down == "level normal (was loaded): all signals are low again"


def test_the_newest_changes_are_kept() -> None:
    """Up to a limit, the newest first, with their age."""
    history = DecisionHistory()
    for number in range(KEPT_CHANGES + 5):
        history.take(decision(Level((number + 1) % 2), f"reason {number}"), float(number))
    rows = history.status(now=100.0)
    assert len(rows) == KEPT_CHANGES
    assert (rows[0].age_s, rows[0].before, rows[0].level) == (100.0 - (KEPT_CHANGES + 4), "normal", "busy")
    assert rows[0].reasons == (f"reason {KEPT_CHANGES + 4}",)
