"""The caller's stream on our clock: when its frames are due, which do not come, and what we lost ourselves.

| what happens | effect |
|---|---|
| a frame comes late | the next ones are expected a little later |
| a frame does not come for the length of a gap | it is missing; so is each next one as soon as it is due |
| a frame comes before it is due, after missing ones | it is one of those |
| frames were thrown away | the time between is lost: neither silence nor speech |
| the stream was not looked at for 100 ms | the same |

The stream's time is the clock's less what was lost; it is what silence is measured in.
"""

from __future__ import annotations

from actors.telephone import FRAME_S

CATCH_UP = 0.1
"""Share of a frame's delay by which the next ones are expected later."""
UNWATCHED_S = 0.1


class StreamTime:
    """Of one call; `now` is the clock's."""

    __slots__ = ("_due_s", "_gap_s", "_is_in_gap", "_watched_s", "lost_s")

    def __init__(self, gap_s: float) -> None:
        """A frame that is later than `gap_s` is missing."""
        self._gap_s = gap_s
        self._due_s = 0.0
        """When the next frame is due, in the stream's time."""
        self._watched_s = 0.0
        self._is_in_gap = False
        """Whether the frame before the next is missing."""
        self.lost_s = 0.0
        """How far the stream's time is behind the clock."""

    def begin(self, now: float) -> None:
        """Measure from the frame that came at `now` on: the next is due after it, nothing was lost."""
        self.lost_s = 0.0
        self._watched_s = now
        self._due_s = now + FRAME_S
        self._is_in_gap = False

    def is_gap(self, now: float) -> bool:
        """Return whether a frame that comes at `now` comes after a gap."""
        return now - self.lost_s >= self._due_s + self._gap_s

    def is_early(self, now: float) -> bool:
        """Return whether a frame that comes at `now` comes well before it is due."""
        return now - self.lost_s < self._due_s - FRAME_S / 2

    def take_back(self, now: float) -> float:
        """A frame that was missing came at `now`; return when it was due, in the stream's time."""
        self._watched_s = max(self._watched_s, now)
        self._is_in_gap = False
        return self._due_s - FRAME_S

    def arrive(self, now: float) -> float:
        """The next frame came at `now`; return when it was due, in the stream's time."""
        self._watched_s = max(self._watched_s, now)
        self._is_in_gap = False
        late_s = now - self.lost_s - self._due_s
        if late_s >= self._gap_s:
            self.lost_s += late_s
        else:
            self._due_s += late_s * CATCH_UP if late_s > 0.0 else late_s
        at_s = self._due_s
        self._due_s += FRAME_S
        return at_s

    def look(self, now: float) -> None:
        """All that had come until `now` has been read."""
        if now - self._watched_s > UNWATCHED_S:
            self.lost_s += now - self._watched_s
        self._watched_s = now

    def miss(self, now: float) -> float | None:
        """Return when the next frame was due, in the stream's time, if it is missing at `now`; else None."""
        if now - self.lost_s < self._due_s + (FRAME_S if self._is_in_gap else self._gap_s):
            return None
        self._is_in_gap = True
        at_s = self._due_s
        self._due_s += FRAME_S
        return at_s
