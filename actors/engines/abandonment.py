"""A flag for work whose result is no longer needed.

Native code cannot be interrupted, but an engine works in steps and can look at the flag between two of them.
Any thread may set it, once; the engine then raises AbandonedError, which is no failure and reaches no caller.
"""

from __future__ import annotations

import threading

from actors.errors import EngineError


class AbandonedError(EngineError):
    """The work was stopped halfway, because its result is not needed."""

    def __init__(self, message: str = "the work was abandoned") -> None:
        super().__init__(message)


class Abandonment:
    """Whether one piece of work was abandoned. For any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Abandon the work; this cannot be undone."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the work was abandoned."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep so long, or until the work is abandoned. Returns `is_set`."""
        return self._event.wait(timeout_s)
