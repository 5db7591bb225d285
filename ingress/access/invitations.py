"""Invitations: UUIDs that the dialplan was given for one call each, before it connects.

| a UUID | then |
|---|---|
| is invited, in time, from its source | the call is taken as it was described; the invitation is used |
| is invited, from another source | refused; the invitation stays for the right source |
| was used, or has expired | refused |
| was never invited | taken as any other call, or refused if `access.require_begin` is set |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from actors.messages import Priority
from ingress.access.networks import parsed

MAXIMUM_INVITATIONS = 4_096
"""Open ones; the oldest goes first. Half a minute of more than a hundred calls a second."""
MAXIMUM_SPENT = 16_384
"""UUIDs that are remembered as used or expired; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the dialplan said of a call that will come."""

    call_id: str
    extension: str
    expires_s: float
    """On the monotonic clock of who keeps it."""
    caller_number: str | None = None
    caller_name: str | None = None
    priority: Priority | None = None
    """None: the extension's own."""
    language: str | None = None
    source: str | None = None
    """Address that it must come from; None: any. All loopback addresses are one."""


class Uninvited(StrEnum):
    """Why a UUID is not an invited one."""

    UNKNOWN = "its UUID was not invited"
    SPENT = "its invitation was used or has expired"
    ELSEWHERE = "its invitation is for another address"


class Invitations:
    """The open invitations of one process, each used at most once."""

    def __init__(self) -> None:
        self._open: dict[str, Invitation] = {}
        """The oldest first."""
        self._spent: dict[str, None] = {}

    def __len__(self) -> int:
        """Return how many are open, expired ones among them until they are looked at."""
        return len(self._open)

    def add(self, invitation: Invitation) -> None:
        """Keep an invitation, unless its UUID was used before."""
        if invitation.call_id in self._spent:
            return
        self._open.pop(invitation.call_id, None)
        self._open[invitation.call_id] = invitation
        if len(self._open) > MAXIMUM_INVITATIONS:
            self.spend(next(iter(self._open)))

    def spend(self, call_id: str) -> None:
        """A UUID is used, here or elsewhere, or has expired: it may not be used any more."""
        self._open.pop(call_id, None)
        self._spent[call_id] = None
        if len(self._spent) > MAXIMUM_SPENT:
            del self._spent[next(iter(self._spent))]

    def take(self, call_id: str, address: str, now: float) -> Invitation | Uninvited:
        """Use the invitation of a UUID that comes from an address; or return why it cannot be used."""
        if call_id in self._spent:
            return Uninvited.SPENT
        invitation = self._open.get(call_id)
        if invitation is None:
            return Uninvited.UNKNOWN
        if now >= invitation.expires_s:
            self.spend(call_id)
            return Uninvited.SPENT
        if invitation.source is not None and not is_same_host(invitation.source, address):
            return Uninvited.ELSEWHERE
        self.spend(call_id)
        return invitation


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    return parsed(text) is not None


def is_same_host(one: str, other: str) -> bool:
    """Whether two addresses are one host: equal, IPv4 written as IPv6 too, or both loopback."""
    first, second = parsed(one), parsed(other)
    if first is None or second is None:
        return False
    return first == second or (first.is_loopback and second.is_loopback)
