"""How often one address may connect: a token bucket for each, in the form of one time (GCRA).

The time is when the bucket would be full again: each connection moves it on by `1 / rate_per_s`, and one that
would move it more than `burst / rate_per_s` ahead of now is refused. An address whose time has passed has a
full bucket, as one that was never seen, so forgetting addresses only ever gives them more.
Source: ITU-T I.371, generic cell rate algorithm, virtual scheduling.
"""

from __future__ import annotations

from collections import OrderedDict

MOST_ADDRESSES = 4_096
"""Remembered at a time; the one that connected longest ago is forgotten first."""
ROUNDING_S = 1e-6
"""Sums of times are not exact."""


class ConnectionRate:
    """The buckets of all addresses of one door."""

    def __init__(self, rate_per_s: float, burst: float, most_addresses: int = MOST_ADDRESSES) -> None:
        self._interval_s = 1.0 / rate_per_s
        self._ahead_s = max(burst - 1.0, 0.0) / rate_per_s + ROUNDING_S
        self._most_addresses = most_addresses
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at_s)

    def allows(self, address: str, now: float) -> bool:
        """Count a connection, unless it comes too soon; whether it does not."""
        full_at_s = max(now, self._full_at_s.get(address, now))
        if full_at_s - now > self._ahead_s:
            return False
        self._full_at_s[address] = full_at_s + self._interval_s
        self._full_at_s.move_to_end(address)
        if len(self) > self._most_addresses:
            self._full_at_s.popitem(last=False)
        return True
