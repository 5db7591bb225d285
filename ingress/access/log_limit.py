"""Which refusals are worth a line in the log: one for each address and minute, and not too many in all."""

from __future__ import annotations

from collections import OrderedDict

INTERVAL_S = 60.0
MOST_ADDRESSES = 100
"""Lines a minute, from however many addresses; the counts go on."""


class LogLimit:
    """The addresses that had a line within the last minute."""

    def __init__(self, interval_s: float = INTERVAL_S, most_addresses: int = MOST_ADDRESSES) -> None:
        self._interval_s = interval_s
        self._most_addresses = most_addresses
        self._logged_s: OrderedDict[str, float] = OrderedDict()
        """The oldest line first."""

    def __len__(self) -> int:
        return len(self._logged_s)

    def is_due(self, address: str, now: float) -> bool:
        """Return whether this address gets a line now, which then counts as written."""
        while self._logged_s and next(iter(self._logged_s.values())) <= now - self._interval_s:
            self._logged_s.popitem(last=False)
        if address in self._logged_s or len(self) >= self._most_addresses:
            return False
        self._logged_s[address] = now
        return True
