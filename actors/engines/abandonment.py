"""How an engine learns that nobody waits for its work any more.

Native code cannot be interrupted: a caller who hangs up would leave his utterance to be decoded to its
end, and the next caller waiting behind it. But an engine works in steps, and between two of them it can
look. So each piece of work brings a flag that is set once, by whichever thread gives the work up, and
the engine that finds it set raises `AbandonedError` to get out. That error has no reader and is nobody's
failure: the worker's thread swallows it.
"""

from __future__ import annotations

import threading

from actors.errors import EngineError


class AbandonedError(EngineError):
    """Nobody waits for the work; it was stopped halfway."""


class Abandonment:
    """Whether one piece of work was given up. For any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Give the work up, for good."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the work was given up."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise AbandonedError if the work was given up."""
        if self.is_set:
            raise AbandonedError("the work was abandoned")

    def wait(self, timeout_s: float) -> bool:
        """Sleep so long, or until the work is given up. Returns `is_set`."""
        return self._event.wait(timeout_s)
