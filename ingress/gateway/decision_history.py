"""The newest changes of the load level at this ingress: why it does less."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from actors.messages import Decision, Level
from ingress.link.status import LevelChangeStatus

KEPT_CHANGES = 32


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One step up or down."""

    changed_s: float
    """On the monotonic clock."""
    before: Level
    level: Level
    reasons: tuple[str, ...]

    def describe(self) -> str:
        """Return the change on one line, for the log."""
        reasons = "; ".join(self.reasons) or "all signals are low again"
        return f"level {self.level.name.lower()} (was {self.before.name.lower()}): {reasons}"


class DecisionHistory:
    """Follows the decisions of one pool."""

    def __init__(self) -> None:
        self.level = Level.NORMAL
        self.changes: deque[LevelChange] = deque(maxlen=KEPT_CHANGES)
        """Oldest first."""

    def take(self, decision: Decision, now: float) -> LevelChange | None:
        """Return the change of level that the decision brings, if it brings one."""
        if decision.level == self.level:
            return None
        change = LevelChange(now, self.level, decision.level, decision.reasons)
        self.level = decision.level
        self.changes.append(change)
        return change

    def status(self, now: float) -> tuple[LevelChangeStatus, ...]:
        """Return the changes for people, the newest first."""
        return tuple(
            LevelChangeStatus(
                age_s=now - change.changed_s,
                before=change.before.name.lower(),
                level=change.level.name.lower(),
                reasons=change.reasons,
            )
            for change in reversed(self.changes)
        )
