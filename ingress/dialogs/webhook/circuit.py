"""Whether an address is asked at all: after several failures in a row it is left alone for a while."""

from __future__ import annotations

FAILURES = 5
"""In a row, of all calls."""
PAUSE_S = 10.0


class Circuit:
    """Closed as long as requests succeed. Pure; `now` is any monotonic clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._tries_again_s = 0.0

    def may_ask(self, now: float) -> bool:
        """Whether to ask. After each pause one request is let through, to find out."""
        if self._failures < FAILURES:
            return True
        if now < self._tries_again_s:
            return False
        self._tries_again_s = now + PAUSE_S
        return True

    def succeeded(self) -> None:
        """The address has answered, in order or not."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """It has not."""
        self._failures += 1
        self._tries_again_s = now + PAUSE_S
