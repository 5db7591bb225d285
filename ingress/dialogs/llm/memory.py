"""What the language-model dialog remembers of a call, in the call's state.

| name | is |
|---|---|
| `turns` | answers that the model was asked for |
| `tokens` | read and written by it, if they are limited |
| `failures` | of the endpoint, in a row |
| `interrupted` | where answers were interrupted: the ends of what was said until then |
| `found` | the newest results of look-ups, oldest first |

The state comes from the media worker, and another version of raymal may have written it: what is of another
kind counts as not there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from ingress.link.messages import DialogState

MAXIMUM_INTERRUPTIONS = 8
MAXIMUM_FOUND_CHARACTERS = 6_000
"""The whole state has 16 KiB."""


class CallMemory:
    """Reads and changes one call's state."""

    def __init__(self, state: DialogState) -> None:
        self._state = state

    @property
    def turns(self) -> int:
        """Answers that the model was asked for."""
        return self._count("turns")

    @property
    def tokens(self) -> int:
        """Read and written by the model."""
        return self._count("tokens")

    @property
    def interrupted(self) -> Sequence[str]:
        """Where answers were interrupted."""
        return [str(each) for each in self._list("interrupted")]

    @property
    def found(self) -> Sequence[JsonValue]:
        """Results of look-ups, oldest first."""
        return self._list("found")

    def begin_turn(self) -> None:
        """Count an answer."""
        self._state["turns"] = self.turns + 1

    def add_tokens(self, tokens: int) -> None:
        """Count what an answer cost."""
        self._state["tokens"] = self.tokens + tokens

    def fail(self) -> int:
        """Count a failure; return how many there are in a row."""
        failures = self._count("failures") + 1
        self._state["failures"] = failures
        return failures

    def succeed(self) -> None:
        """The endpoint answers: failures before are forgotten."""
        self._state.pop("failures", None)

    def interrupt(self, ending: str) -> None:
        """Remember that an answer was interrupted there."""
        self._state["interrupted"] = [*self._list("interrupted"), ending][-MAXIMUM_INTERRUPTIONS:]

    def keep(self, result: dict[str, JsonValue]) -> None:
        """Remember what a look-up found, and of those before it what still fits; not one that is too long."""
        kept: list[JsonValue] = []
        characters = 0
        for each in [result, *reversed(self._list("found"))]:
            size = len(json.dumps(each))
            if characters + size <= MAXIMUM_FOUND_CHARACTERS:
                kept.insert(0, each)
                characters += size
        self._state["found"] = kept

    def _count(self, name: str) -> int:
        value = self._state.get(name)
        return value if isinstance(value, int) else 0

    def _list(self, name: str) -> list[JsonValue]:
        value = self._state.get(name)
        return value if isinstance(value, list) else []
