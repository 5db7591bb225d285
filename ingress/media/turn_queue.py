"""The turns of a leg that wait until they can be asked for: pure.

| what | becomes of it |
|---|---|
| a turn too many | the oldest utterance or announcement is dropped: it has been overtaken |
| ... and there is none | who joined or left is dropped; of keys alone two turns become one |
| keys before and after what was dropped | one turn, unless the dialog asked for some of them together |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ingress.media.turn import Turn, TurnState

MAXIMUM_WAITING_TURNS = 4


class TurnQueue:
    """Of one leg."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque()
        self.dropped = 0
        """Turns, and single keys, that were never asked for."""

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[Turn]:
        return iter(tuple(self._turns))

    @property
    def newest(self) -> Turn | None:
        """The last one."""
        return self._turns[-1] if self._turns else None

    def append(self, turn: Turn) -> None:
        """Take a turn, and drop another one if there are too many."""
        if len(self._turns) == MAXIMUM_WAITING_TURNS:
            self._make_room()
        self._turns.append(turn)

    def popleft(self) -> Turn:
        """Return the turn that comes next. Raises IndexError without one."""
        return self._turns.popleft()

    def take_keys(self) -> str:
        """Take out the keys that nobody asked for together."""
        keys = [turn for turn in self._turns if turn.takes_keys]
        for turn in keys:
            turn.enter(TurnState.OVER)
        self._turns = deque(turn for turn in self._turns if turn.state is TurnState.WAITING)
        return "".join(turn.digits for turn in keys)

    def drop(self, dropped: Turn) -> None:
        """Drop a turn; keys before and after it are one turn then."""
        self.dropped += 1
        dropped.enter(TurnState.OVER)
        kept: deque[Turn] = deque()
        for turn in self._turns:
            if turn is dropped:
                continue
            if kept and kept[-1].takes_keys and turn.takes_keys:
                turn.digits = kept.pop().digits + turn.digits
            kept.append(turn)
        self._turns = kept

    def drop_all(self) -> None:
        """The leg is to end."""
        self.dropped += len(self._turns)
        self.forget()

    def forget(self, but_announcements: bool = False) -> None:
        """The call is over, or refused."""
        kept = [turn for turn in self._turns if but_announcements and turn.kind == "announcement"]
        self._turns = deque(kept)

    def _make_room(self) -> None:
        others = [turn for turn in self._turns if turn.kind != "digit"]
        if others:
            self.drop(min(others, key=lambda turn: turn.kind == "leg"))
            return
        self.dropped += 1
        last = self._turns.pop()
        last.enter(TurnState.OVER)
        self._turns[-1].digits += last.digits
