"""Every call that the manager knows of: who has it, what it does now, what it used.

What an ingress counts of its own calls arrives as totals (`SessionFigures`), so that a report told twice, or
one that was lost, changes nothing; what the manager hands out itself (leases) it counts itself. A call is
gone from here when it ended, when its ingress is gone, and in no third way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from actors.messages import (
    SessionFigures,
    SessionStarted,
    SessionSummary,
    WorkKind,
    WorkReport,
    WorkTally,
)


@dataclass(slots=True)
class _Session:
    facts: SessionStarted
    since: float
    figures: SessionFigures = field(default_factory=SessionFigures)
    tallies: dict[WorkKind, WorkTally] = field(default_factory=lambda: dict.fromkeys(WorkKind, WorkTally()))


class SessionBook:
    """The calls of all ingresses."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[SessionStarted]:
        return (session.facts for session in self._sessions.values())

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._sessions

    def begin(self, session: SessionStarted, now: float) -> None:
        """Take a call in. Repeating it changes nothing; told by another ingress, the call is that one's now.

        A gateway that was killed is followed by another before it is missed.
        """
        self._sessions.setdefault(session.session_id, _Session(session, now)).facts = session

    def update(self, session_id: str, figures: SessionFigures) -> None:
        """Put the ingress's newest figures in; an unknown call is ignored: it has ended."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.figures = figures

    def count(self, session_id: str, kind: WorkKind, report: WorkReport, wait_ms: float) -> None:
        """Count one piece of leased work for its call, if the call is still there."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.tallies[kind] = session.tallies[kind].plus(report, wait_ms)

    def end(self, session_id: str, now: float) -> SessionSummary | None:
        """Forget a call and return what it used, None if it is unknown."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return None
        facts = session.facts
        return SessionSummary(
            session_id=session_id,
            ingress_id=facts.ingress_id,
            extension=facts.extension,
            duration_s=now - session.since,
            transcription=session.tallies[WorkKind.TRANSCRIPTION],
            synthesis=session.tallies[WorkKind.SYNTHESIS],
            priority=facts.priority,
            leg=facts.leg,
            figures=session.figures,
        )

    def of_ingress(self, ingress_id: str) -> list[str]:
        """Return the ids of an ingress's calls."""
        return [key for key, session in self._sessions.items() if session.facts.ingress_id == ingress_id]

    def activities(self) -> dict[str, int]:
        """Return how many calls do what, now."""
        return dict(Counter(session.figures.activity.value for session in self._sessions.values()))
