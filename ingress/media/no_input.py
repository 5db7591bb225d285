"""How long nobody has said or pressed anything on one leg, and how often in a row: pure.

| event | effect |
|---|---|
| it becomes quiet: nothing plays, no turn waits or runs, nobody speaks, the gateway is there | it counts |
| it is quiet no more | it counts no longer |
| it was quiet for `no_input_s` | one more time in a row |
| ... for the last time of `no_input_times` | the leg is to end |
| speech that is sure, an utterance, or a key | the next time is the first |
"""

from __future__ import annotations

from math import inf

from ingress.configuration.settings import CallLimitSettings


class NoInput:
    """Of one leg."""

    def __init__(self, limits: CallLimitSettings) -> None:
        self._limits = limits
        self._quiet_since_s: float | None = None
        self.times = 0
        """In a row."""

    @property
    def is_last(self) -> bool:
        """Whether it has happened as often as it may."""
        return self.times >= self._limits.no_input_times

    def settle(self, is_quiet: bool, no_input_s: float | None, now: float) -> float:
        """Take whether the leg is quiet; return until when it may be, by the next answer's `no_input_s`."""
        if not is_quiet:
            self._quiet_since_s = None
            return inf
        if self._quiet_since_s is None:
            self._quiet_since_s = now
        limit_s = self._limits.no_input_s if no_input_s is None else no_input_s
        return self._quiet_since_s + limit_s if limit_s else inf

    def is_over(self, no_input_s: float | None, now: float) -> bool:
        """Whether it has been quiet for so long; then it is counted."""
        is_over = self._quiet_since_s is not None and now >= self.settle(True, no_input_s, now)
        if is_over:
            self._quiet_since_s = None
            self.times += 1
        return is_over

    def came(self) -> None:
        """Somebody spoke, or pressed a key."""
        self._quiet_since_s, self.times = None, 0
