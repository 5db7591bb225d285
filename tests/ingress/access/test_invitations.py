"""Invitations: one use, in time, from the right source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.access.invitations import (
    MAXIMUM_INVITATIONS,
    MAXIMUM_SPENT,
    Invitation,
    Invitations,
    Uninvited,
    is_address,
    is_same_host,
)


def invitation(call_id: str = "a", expires_s: float = 30.0, source: str | None = None) -> Invitation:
    return Invitation(call_id, "sales", expires_s, source=source)


def test_an_invitation_is_used_once_and_in_time() -> None:
    """Used, expired and unknown are told apart for the log; none of them is an invitation."""
    invitations = Invitations()
    invitations.add(invitation())
    assert invitations.take("b", "127.0.0.1", 1.0) is Uninvited.UNKNOWN
    assert invitations.take("a", "127.0.0.1", 1.0) == invitation()
    assert invitations.take("a", "127.0.0.1", 1.0) is Uninvited.SPENT
    invitations.add(invitation("c"))
    assert invitations.take("c", "127.0.0.1", 30.0) is Uninvited.SPENT
    invitations.add(invitation("a"))  # the gateway repeats what it knows
    assert invitations.take("a", "127.0.0.1", 1.0) is Uninvited.SPENT


def test_the_wrong_source_does_not_use_an_invitation_up() -> None:
    """Else any machine could take a call's UUID from it."""
    invitations = Invitations()
    invitations.add(invitation(source="10.0.0.5"))
    assert invitations.take("a", "10.0.0.6", 1.0) is Uninvited.ELSEWHERE
    assert invitations.take("a", "::ffff:10.0.0.5", 1.0) == invitation(source="10.0.0.5")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "127.0.1.1", True),
        ("10.0.0.5", "::ffff:10.0.0.5", True),
        ("fe80::1%eth0", "fe80::1", True),
        ("10.0.0.5", "10.0.0.6", False),
        ("10.0.0.5", "127.0.0.1", False),
        ("pbx", "pbx", False),
    ],
)
def test_addresses_of_one_host(one: str, other: str, same: bool) -> None:
    """Whichever way they are written."""
    assert is_same_host(one, other) is same
    assert is_address(one) is (one != "pbx")


def test_what_is_kept_is_bounded() -> None:
    """The oldest invitation goes for the newest."""
    invitations = Invitations()
    for number in range(MAXIMUM_INVITATIONS + 1):
        invitations.add(invitation(str(number)))
    assert len(invitations) == MAXIMUM_INVITATIONS
    assert invitations.take("0", "127.0.0.1", 0.0) is Uninvited.SPENT
    for number in range(MAXIMUM_SPENT + 2):
        invitations.spend(f"spent {number}")
    assert invitations.take("0", "127.0.0.1", 0.0) is Uninvited.UNKNOWN


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "take", "spend"]), st.sampled_from("abc"), st.floats(0.0, 40.0)),
    max_size=40,
)


@given(STEPS)
def test_no_uuid_is_taken_twice(steps: list[tuple[str, str, float]]) -> None:
    """Whatever is added, used and spent, in any order and at any time."""
    invitations = Invitations()
    taken: list[str] = []
    spent: set[str] = set()
    for step, call_id, now in steps:
        match step:
            case "add":
                invitations.add(invitation(call_id))
            case "spend":
                invitations.spend(call_id)
                spent.add(call_id)
            case "take":
                found = invitations.take(call_id, "127.0.0.1", now)
                if isinstance(found, Invitation):
                    assert call_id not in spent
                    assert now < 30.0
                    taken.append(call_id)
    assert len(taken) == len(set(taken))
