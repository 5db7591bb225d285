"""What is due when: names, each with one instant, in order of their instants.

A sorted list with exact removal. A heap would leave entries of what is long over behind and need rules to
pass over them; a list of some thousand entries moves a few kilobytes in an insertion, which costs less.
"""

from __future__ import annotations

from bisect import bisect_left, insort


class Agenda:
    """Names in the order of their instants."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, str]] = []
        self._instants: dict[str, float] = {}

    def set(self, name: str, instant: float) -> None:
        """Enter a name, or move it to another instant."""
        self.drop(name)
        self._instants[name] = instant
        insort(self._entries, (instant, name))

    def drop(self, name: str) -> None:
        """Take a name out. Unknown names do no harm."""
        instant = self._instants.pop(name, None)
        if instant is not None:
            del self._entries[bisect_left(self._entries, (instant, name))]

    def earliest(self) -> float | None:
        """Return the first instant, None if there is none."""
        return self._entries[0][0] if self._entries else None

    def take_due(self, now: float) -> list[str]:
        """Take out the names whose instant has come, and return them in its order."""
        due: list[str] = []
        while self._entries and self._entries[0][0] <= now:
            name = self._entries[0][1]
            self.drop(name)
            due.append(name)
        return due
