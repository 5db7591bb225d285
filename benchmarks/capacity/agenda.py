"""How a measurement spends its time, so that it is over when it was said to be."""

from __future__ import annotations

from dataclasses import dataclass

WARM_UP_S = 10.0
"""At the beginning of a step, not counted: calls arrive, are greeted, and speak for the first time."""
AFTER_S = 8.0
"""At its end: turns of the counted time are still answered, and their answers heard to the end."""
LEAST_COUNTED_S = 8.0
SEARCH_STEPS = 8
OVERLOADS = (1.5, 2.0, 3.0)
CONFIRMATION = 3.0
"""Times as long as a step of the search."""
OUTSIDE_STEPS_S = 75.0
"""For servers to start and stop, and speech to be prepared."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One step's time."""

    warm_up_s: float
    counted_s: float
    after_s: float = AFTER_S

    @property
    def total_s(self) -> float:
        """From the first call to the last hangup."""
        return self.warm_up_s + self.counted_s + self.after_s


@dataclass(frozen=True, slots=True)
class Agenda:
    """A whole measurement's time."""

    step: Timing
    confirmation: Timing
    search_steps: int = SEARCH_STEPS

    @classmethod
    def of(cls, minutes: float, with_overload: bool) -> Agenda:
        """Divide a time. Raises ValueError when it is too short for anything."""
        overloads = len(OVERLOADS) if with_overload else 0
        shares = SEARCH_STEPS + CONFIRMATION + overloads
        other_s = OUTSIDE_STEPS_S + (SEARCH_STEPS + 1 + overloads) * (WARM_UP_S + AFTER_S)
        counted_s = (minutes * 60.0 - other_s) / shares
        if counted_s < LEAST_COUNTED_S:
            least = (LEAST_COUNTED_S * shares + other_s) / 60.0
            raise ValueError(f"{minutes:g} minutes are too short: {least:.1f} are the least")
        return cls(Timing(WARM_UP_S, counted_s), Timing(WARM_UP_S, counted_s * CONFIRMATION))
