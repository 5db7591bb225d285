"""A running call as an operator sees it: one model for the page, the commands, HTTP and metrics."""

from __future__ import annotations

from enum import StrEnum

from actors.messages import Priority
from ingress.link.records import Record


class Activity(StrEnum):
    """What a call does now."""

    WAITING = "waiting"
    """For a gateway, for speech workers, or for its place."""
    LISTENING = "listening"
    """The caller and the server are silent."""
    HEARING = "hearing"
    """The caller speaks."""
    ANSWERING = "answering"
    """A turn is transcribed, answered and synthesised; nothing of it is heard yet."""
    SPEAKING = "speaking"
    """The answer plays."""
    REFUSED = "refused"
    """The caller hears that all lines are busy."""


class LiveCall(Record):
    """One running call, as its media worker reports it."""

    call_id: str
    extension: str
    language: str
    priority: Priority
    caller_number: str | None = None
    """None: the dialplan did not say."""
    caller_name: str | None = None
    peer: str
    """Address of the PBX."""
    started_at_s: float
    """Seconds since 1970-01-01 UTC."""
    activity: Activity
    """On the caller's leg."""
    return_activity: Activity | None = None
    """On its return leg; None: it has none now."""
    turns: int = 0
    """Taken so far."""
    lateness_p99_ms: float = 0.0
    lateness_maximum_ms: float = 0.0
    underruns: int = 0
    level_dbfs: float | None = None
    """Of the caller's last speech; None: nothing was heard yet."""
