"""Every call that the manager knows of: which ingress has it, what it does now, what it used.

What an ingress counts of its own calls arrives as totals (`SessionFigures`), so that a repeated or a lost
report changes nothing; what the manager grants itself (leases) it counts itself. A call is gone from here
when it ended or when its ingress is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from heapq import nsmallest

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

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._sessions

    def begin(self, session: SessionStarted, now: float) -> None:
        """Take a call in. Repeated it changes nothing; begun by another ingress, the call is that one's now.

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
        return _summary(session, now) if session is not None else None

    def page(self, after: str, limit: int, now: float) -> list[SessionSummary]:
        """Return what calls have used so far: at most `limit`, by id, of those whose ids follow `after`."""
        ids = nsmallest(limit, (key for key in self._sessions if key > after))
        return [_summary(self._sessions[key], now) for key in ids]

    def of_ingress(self, ingress_id: str) -> list[str]:
        """Return the ids of an ingress's calls."""
        return [key for key, session in self._sessions.items() if session.facts.ingress_id == ingress_id]

    def replace(self, ingress_id: str, sessions: Collection[SessionStarted], now: float) -> None:
        """Let these be an ingress's calls: begin those that are new, end the others."""
        for session_id in set(self.of_ingress(ingress_id)) - {it.session_id for it in sessions}:
            self.end(session_id, now)
        for session in sessions:
            self.begin(session, now)

    def of_extension(self, extension: str) -> int:
        """Return how many calls an extension has."""
        return sum(session.facts.extension == extension for session in self._sessions.values())

    def ingresses(self) -> set[str]:
        """Return the ingresses that have calls."""
        return {session.facts.ingress_id for session in self._sessions.values()}

    def unspoken_since(self) -> list[float]:
        """Return, for each call whose caller has not spoken yet, since when it is there."""
        return [it.since for it in self._sessions.values() if not it.figures.has_spoken]

    def activities(self) -> dict[str, int]:
        """Return how many calls do what, now."""
        return dict(Counter(session.figures.activity.value for session in self._sessions.values()))


def _summary(session: _Session, now: float) -> SessionSummary:
    facts = session.facts
    return SessionSummary(
        session_id=facts.session_id,
        ingress_id=facts.ingress_id,
        extension=facts.extension,
        duration_s=now - session.since,
        transcription=session.tallies[WorkKind.TRANSCRIPTION],
        synthesis=session.tallies[WorkKind.SYNTHESIS],
        priority=facts.priority,
        leg=facts.leg,
        figures=session.figures,
    )
