"""How far what was sent to a leg is ahead of what it has heard. Pure."""

from __future__ import annotations


class Lead:
    """Of one leg in one turn."""

    def __init__(self) -> None:
        self._played_until_s = 0.0
        """When all that was sent will have been played."""

    def add(self, audio_s: float, now_s: float) -> None:
        """Count audio that is sent now: it plays after what was sent before."""
        self._played_until_s = max(self._played_until_s, now_s) + audio_s

    def ahead_s(self, now_s: float) -> float:
        """Return how much of what was sent is still to be played."""
        return max(0.0, self._played_until_s - now_s)
