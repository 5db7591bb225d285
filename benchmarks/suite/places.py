"""Where a figure stands in a result, as a path that can be followed and printed.

Each benchmark writes the JSON that suits it. A path through any of them has two kinds of steps: a key of
an object, and fields that tell one entry of a list from the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from actors.errors import RaymalError

Step: TypeAlias = str | Mapping[str, object]
"""A key, or fields and their values: the first entry that has them all."""


class MissingFigureError(RaymalError):
    """A result does not hold a figure."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path through a result."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        text = ""
        for step in self.steps:
            if isinstance(step, str):
                text += f".{step}" if text else step
            else:
                text += f"[{', '.join(f'{key}={value}' for key, value in step.items())}]"
        return text

    def find(self, result: Any) -> Any:
        """Return what stands there. Raises MissingFigureError."""
        found = result
        for step in self.steps:
            try:
                found = found[step] if isinstance(step, str) else _entry(found, step)
            except (KeyError, TypeError, StopIteration):
                raise MissingFigureError(f"not in the result: {self}") from None
        return found


def at(*steps: Step) -> Place:
    """Return the place at the end of these steps."""
    return Place(steps)


def _entry(entries: Any, fields: Mapping[str, object]) -> Any:
    return next(entry for entry in entries if all(entry.get(key) == fields[key] for key in fields))
