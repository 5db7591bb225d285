"""The table of running calls."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

from live_calls import live_call
from rich.console import Console

from ingress.commands.calls import table
from ingress.link.live import Activity


def test_a_call_with_two_legs_shows_what_happens_on_each() -> None:
    """In 80 columns."""
    shown = StringIO()
    now = datetime.now(UTC)
    one, two = (live_call(digit * 36, started_at_s=now.timestamp()) for digit in "12")
    calls = [one, two.model_copy(update={"return_activity": Activity.SPEAKING})]
    Console(width=80, file=shown).print(table(calls, now))
    lines = shown.getvalue().splitlines()
    assert [line.split()[:2] for line in lines[-3:-1]] == [["1" * 36, "sales"], ["2" * 36, "sales"]]
    assert lines[-1].split() == ["-", "return", "speaking"]
