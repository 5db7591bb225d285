"""How a server is doing: one model for the command, pages, metrics and measurements."""

from __future__ import annotations

from pydantic import Field

from actors.messages import Doubt, Level, Priority
from actors.status import FleetStatus
from ingress.link.records import MediaHealth, Record


class MediaWorkerStatus(Record):
    """One media worker."""

    name: str
    health: MediaHealth | None
    """Its last report; None before the first."""


class ExtensionStatus(Record):
    """One extension at this server."""

    name: str
    priority: Priority
    language: str
    dialog: str
    maximum_calls: int | None
    """Over all servers of the cluster."""
    calls: int
    """At this server."""
    refused: int
    tts: str | None = None
    """Its text-to-speech engine; None: it needs no speech."""
    problem: str | None = None
    """Why it takes no calls: its port is another program's."""


class DecisionStatus(Record):
    """The manager's decision as this server follows it."""

    epoch: str
    number: int
    level: Level
    reasons: tuple[str, ...]
    frame_ms: int
    """That the media workers were asked for."""
    calls_alone: int
    """Calls that are taken while no manager answers."""


class LevelChangeStatus(Record):
    """One step up or down of this server's level."""

    age_s: float
    before: str
    level: str
    reasons: tuple[str, ...]
    """Why the new level; going down, what is left of them."""


class RankStatus(Record):
    """One process on the cores that the media workers need."""

    process: str
    pid: int
    niceness: int
    group: str
    """That it is scheduled in: a CPU control group, or its session's autogroup. Empty: none."""
    is_media: bool
    is_behind_media: bool
    """Whether every media worker goes before it on a core that both ask for."""


class TurnsStatus(Record):
    """How the newest turns of this server went."""

    turns: int
    """Looked at."""
    failed: int
    """Of these: they could not be transcribed or answered, and the caller heard an apology."""
    without_words: int
    """Of these: no words were found in what the caller said."""
    doubts: dict[Doubt, int]
    """Why not, and how often, where the transcriber gave a reason; the most frequent first."""
    problems: dict[str, int]
    """Why they failed, and how often; the most frequent first."""


class ServerStatus(Record):
    """One server: its gateway, its media workers, and the fleet as its manager reports it."""

    is_ready: bool
    """Whether a turn can be served."""
    detail: str
    media_workers: tuple[MediaWorkerStatus, ...]
    calls: int
    """That were not refused."""
    waiting_callers: int
    """Whose turn waits for a gateway, or for speech workers; they may be no calls yet."""
    longest_wait_s: float
    """Of those, until the last report of their media workers."""
    places: int
    """Calls that the manager was asked to take, or has taken."""
    extensions_version: int
    extensions: tuple[ExtensionStatus, ...]
    ahead_begun: int
    """Transcriptions begun at a pause."""
    ahead_used: int
    recent: TurnsStatus
    cache_hits: int
    """Sentences of answers that came from the cache."""
    cache_misses: int
    unmade_phrases: dict[str, int]
    """Fixed phrases that could not be made, by extension and reason: for one, a voice that does not exist."""
    dropped_records: int
    """Call records that could not be written."""
    decision: DecisionStatus | None
    """None: no dialog needs the speech workers."""
    level_changes: tuple[LevelChangeStatus, ...]
    """The newest first."""
    fleet: FleetStatus | None
    """What it last said. None: no dialog needs the speech workers, or the manager has not answered yet."""

    ranks: tuple[RankStatus, ...] = ()
    """The media workers, the gateway and Ray on this machine."""

    refusals: dict[str, int] = Field(default_factory=dict)
    """Calls that this server did not take, by reason: by itself, or since the manager said so."""

    manager_answers: bool = True
    """Whether the manager did when it was last asked; also if no dialog needs the speech workers."""

    @property
    def rank_problem(self) -> str | None:
        """What shares the cores with the audio clock as its equal: one line for people; None if nothing."""
        equals = [it for it in self.ranks if not (it.is_media or it.is_behind_media)]
        if not equals:
            return None
        names = ", ".join(f"{it.process} ({it.pid})" for it in equals)
        return (
            f"niceness is void: {names} do not stand behind the audio clock. Start Ray by deploy/ray-start, "
            "or set server.nice below 0 (docs/audio.md)"
        )

    @property
    def level(self) -> Level:
        """The level of load that this server follows."""
        return self.decision.level if self.decision is not None else Level.NORMAL
