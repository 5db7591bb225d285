"""Keys that are taken together (`CollectKeys`): pure.

| event | effect |
|---|---|
| a key | it is kept |
| ... the last of `count`, or the terminator, which is not kept | complete |
| ... `MAXIMUM_KEYS` are there | over, as after a gap |
| no further key for `gap_s` | over; complete only if neither `count` nor a terminator was wanted |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from ingress.link.messages import MAXIMUM_KEYS


@dataclass(slots=True)
class KeyCollection:
    """Of one leg."""

    count: int | None
    terminator: str | None
    gap_s: float
    digits: str = field(default="", repr=False)
    last_key_s: float | None = None
    is_complete: bool = False

    def __post_init__(self) -> None:
        self.is_complete = self.count is None and self.terminator is None

    @property
    def has_begun(self) -> bool:
        """Whether a key has come."""
        return bool(self.digits)

    @property
    def over_s(self) -> float:
        """When it is over if no further key comes; infinite before the first."""
        return inf if self.last_key_s is None else self.last_key_s + self.gap_s

    def press(self, digit: str, now: float) -> bool:
        """Take a key; return whether the collection is over with it."""
        self.last_key_s = now
        if digit == self.terminator:
            self.is_complete = True
            return True
        self.digits += digit
        if self.count is not None and len(self.digits) >= self.count:
            self.is_complete = True
        return len(self.digits) >= (self.count or MAXIMUM_KEYS)
