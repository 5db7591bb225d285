"""The newest changes of the load level at this ingress: why it does less."""

from __future__ import annotations

from collections import deque

from actors.messages import Decision, Level
from ingress.link.status import LevelChangeStatus

KEPT_CHANGES = 32


class DecisionHistory:
    """Follows the decisions of one pool."""

    def __init__(self) -> None:
        self._level = Level.NORMAL
        self._changes: deque[tuple[float, LevelChangeStatus]] = deque(maxlen=KEPT_CHANGES)
        """With their times, the newest first."""

    def take(self, decision: Decision, now: float) -> str | None:
        """Return a line for the log if the decision changes the level."""
        if decision.level == self._level:
            return None
        before, level = self._level.name.lower(), decision.level.name.lower()
        change = LevelChangeStatus(age_s=0.0, before=before, level=level, reasons=decision.reasons)
        self._changes.appendleft((now, change))
        self._level = decision.level
        return f"level {level} (was {before}): {'; '.join(decision.reasons) or 'all signals are low again'}"

    def status(self, now: float) -> tuple[LevelChangeStatus, ...]:
        """Return the changes, the newest first."""
        return tuple(
            change.model_copy(update={"age_s": now - changed_s}) for changed_s, change in self._changes
        )
