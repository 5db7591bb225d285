"""The traffic that is expected, and what callers are promised."""

from __future__ import annotations

import math
from dataclasses import dataclass

from actors.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Forecast:
    """The busy hour, and the targets in it. Raises ConfigurationError for what cannot be."""

    busy_hour_calls: float
    """Calls attempted in the busiest hour."""
    call_s: float
    """Mean length of a call that is taken."""
    turns_per_minute: float
    """How often the caller of a call says something, on average."""
    refused_percent: float
    """Of the calls, at most so many are refused."""
    turn_p95_ms: float
    """From the end of the caller's speech to the first frame of the answer: at most this, 95 times in 100."""

    def __post_init__(self) -> None:
        for value, what in (
            (self.busy_hour_calls, "the calls of the busy hour"),
            (self.call_s, "the mean length of a call, in seconds,"),
            (self.turns_per_minute, "the turns per minute"),
            (self.turn_p95_ms, "the target of the turn's p95, in milliseconds,"),
        ):
            if not 0.0 < value < math.inf:
                raise ConfigurationError(f"{what} must be a number above 0, not {value:g}")
        if not 0.0 < self.refused_percent < 100.0:
            raise ConfigurationError(
                f"the refused share must be above 0 and below 100 %, not {self.refused_percent:g}: "
                "no number of lines refuses nothing"
            )

    @property
    def erlangs(self) -> float:
        """Calls that would be there on average if none were refused."""
        return self.busy_hour_calls * self.call_s / 3600.0
