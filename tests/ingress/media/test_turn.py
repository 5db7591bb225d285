"""The states of a turn: the table itself, and its picture in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingress.media.turn import NEXT, Turn, TurnState

PAGE = Path(__file__).parents[3] / "docs" / "call-states.md"


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    arrows = [
        f"    {state.name} --> {following.name}: {when}"
        for state, followers in NEXT.items()
        for following, when in followers.items()
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> WAITING", *arrows, "    OVER --> [*]"])


def meanings() -> str:
    """Return what each state means, as the rows of a table."""
    return "\n".join(f"| {state.name} | {state.value} |" for state in TurnState)


def test_the_page_shows_the_table() -> None:
    """Copy what is missing from the failure's output when this fails."""
    page = PAGE.read_text()
    assert diagram() in page
    assert meanings() in page


def test_every_state_is_reached_and_left() -> None:
    """From WAITING to OVER, without a dead end."""
    assert set(NEXT) == set(TurnState)
    assert {following for followers in NEXT.values() for following in followers} == set(TurnState)
    assert [state for state, followers in NEXT.items() if not followers] == [TurnState.OVER]


def test_a_step_that_the_table_does_not_have_is_a_fault() -> None:
    """A turn that has not been asked cannot be answered."""
    with pytest.raises(ValueError, match="from WAITING to ANSWERING"):
        Turn("greeting", 0.0).enter(TurnState.ANSWERING)
