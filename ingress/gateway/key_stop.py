"""A key that stops what a turn says: its dialog goes on unheard, for a moment.

So the keys that a dialog asks for after its question, or the state that it sets, are not lost to a caller who
types before the question is over.

| when the key comes | what the dialog says | its end |
|---|---|---|
| while it says something, or after | is not made any more | `GOES_ON_S` later at the latest |
| before it says anything | is not made | the same, from its first `Say` on |
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

GOES_ON_S = 0.2
"""The key's own answer waits for it; with the reading of the key it is less than 0.3 s."""


class KeyStop:
    """Of one turn."""

    def __init__(self) -> None:
        self.is_stopped = False
        self._has_said = False
        self._say: asyncio.Timeout | None = None
        self._run: asyncio.Timeout | None = None

    @property
    def cut_something(self) -> bool:
        """Whether something was not said, or not to its end."""
        return self.is_stopped and self._has_said

    def stop(self) -> None:
        """A key was pressed: nothing more is heard. Idempotent."""
        self.is_stopped = True
        if self._say is not None and not self._say.expired():
            self._say.reschedule(_now_s())
        if self._has_said:
            self._limit()

    async def say(self, speech: Coroutine[Any, Any, None]) -> None:
        """Say something, until a key stops it; not at all if one has."""
        self._has_said = True
        if self.is_stopped:
            speech.close()
            self._limit()
            return
        try:
            async with asyncio.timeout(None) as self._say:
                await speech
        except TimeoutError:
            if self._say is None or not self._say.expired():
                raise
        finally:
            self._say = None

    async def run(self, dialog: Coroutine[Any, Any, None]) -> None:
        """Let a dialog respond, after a key for a moment only."""
        try:
            async with asyncio.timeout(None) as self._run:
                await dialog
        except TimeoutError:
            if self._run is None or not self._run.expired():
                raise
        finally:
            self._run = None

    def _limit(self) -> None:
        if self._run is not None and self._run.when() is None:
            self._run.reschedule(_now_s() + GOES_ON_S)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
