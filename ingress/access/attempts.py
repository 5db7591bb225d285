"""How long who has shown wrong tokens waits before the next is looked at.

A right token waits as well, else a guesser would know a wrong one by the silence. The first few are free: a
person mistypes. Pure: `now` is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

FREE = 3
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 2.0
FORGOTTEN_AFTER_S = 60.0
"""Without a wrong token."""
KEPT_ADDRESSES = 1_024
WAITING_AT_MOST = 16
"""Requests of one address; more are refused at once."""


@dataclass(slots=True)
class _Address:
    wrong: int = 0
    waiting: int = 0
    last_s: float = 0.0


class Attempts:
    """Wrong tokens by address, the newest; an address is one string."""

    def __init__(self) -> None:
        self.wrong = 0
        """Of all addresses, since the start."""
        self._addresses: dict[str, _Address] = {}
        """The one whose last wrong token is oldest comes first."""

    def begin(self, address: str, now: float) -> float | None:
        """Return how long this address's request has to wait, 0 for not at all; None: refuse it.

        Unless it was refused, `end` follows.
        """
        known = self._known(address, now)
        if known is None or known.wrong <= FREE:
            return 0.0
        if known.waiting >= WAITING_AT_MOST:
            return None
        known.waiting += 1
        return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(known.wrong - FREE - 1, 8)))

    def end(self, address: str, has_waited: bool, was_wrong: bool, now: float) -> int:
        """Count one token that was looked at; return how many wrong ones this address has shown lately."""
        known = self._known(address, now)
        if known is not None and has_waited:
            known.waiting = max(0, known.waiting - 1)
        if not was_wrong:
            return known.wrong if known is not None else 0
        self.wrong += 1
        known = self._addresses.pop(address, None) or _Address()
        known.wrong += 1
        known.last_s = now
        self._addresses[address] = known
        if len(self._addresses) > KEPT_ADDRESSES:
            del self._addresses[next(iter(self._addresses))]
        return known.wrong

    def _known(self, address: str, now: float) -> _Address | None:
        known = self._addresses.get(address)
        if known is not None and not known.waiting and now - known.last_s > FORGOTTEN_AFTER_S:
            del self._addresses[address]
            return None
        return known
