"""What the manager knows of its fleet at one moment: for people, pages and metrics."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.messages import Decision, IngressSignals, Level, WorkKind, WorkTally


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A distribution in milliseconds; zeros when nothing was counted."""

    count: int = 0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    maximum_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """Equal workers of one kind on one node: what is planned, what is there, and why."""

    kind: WorkKind
    planned: int
    ready: int
    busy: int
    """Slots in use."""
    slots: int
    """Of all ready workers together."""
    cpus: float
    gpus: float
    threads: int
    reason: str


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One machine of the fleet."""

    node_id: str
    address: str
    cpus: float
    memory_bytes: int
    gpus: float
    labels: dict[str, str]
    hosts_ingress: bool
    is_draining: bool
    groups: tuple[GroupStatus, ...]


@dataclass(frozen=True, slots=True)
class IngressStatus:
    """One ingress as the manager sees it."""

    ingress_id: str
    node_id: str
    sessions: int
    level: Level
    reasons: tuple[str, ...]
    signals: IngressSignals


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One step up or down of an ingress's level."""

    ingress_id: str
    before: Level
    level: Level
    reasons: tuple[str, ...]
    """Why the new level; going down, what is left of them."""
    age_s: float


@dataclass(frozen=True, slots=True)
class DecisionsStatus:
    """What the manager has decided."""

    current: dict[str, Decision]
    """By ingress."""
    changes: tuple[LevelChange, ...]
    """The newest first; those of ingresses that have gone, too."""


@dataclass(frozen=True, slots=True)
class AdmissionStatus:
    """How full the cluster is, in calls."""

    capacity: int = 0
    """Calls of the highest class that the ready slots hold; 0: not known yet."""
    calls: int = 0
    unspoken: int = 0
    """Calls among them whose callers have not spoken yet."""
    admitted: int = 0
    """Since the manager's start."""
    refused: dict[str, int] = field(default_factory=dict)
    """Since the manager's start, by reason."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A text-to-speech engine of the fleet."""

    name: str
    workers: int
    """Synthesis workers that are ready."""
    ready: int
    """Those of them that have loaded it."""
    loading: int = 0
    """Those of them that load further engines now."""
    problem: str | None = None
    """Why a worker cannot use it."""


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One kind of work: its workers and who waits."""

    planned: int
    """Workers that the plan asks for."""
    ready: int
    """Workers that have loaded and warmed their model and answer."""
    busy: int
    """Slots in use."""
    waiting: int
    tally: WorkTally
    slots: int = 0
    """Of all ready workers together."""
    lease_wait: Percentiles = Percentiles()
    """Since the manager's start."""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """What the manager knows, at one moment."""

    transcription: PoolStatus
    synthesis: PoolStatus
    sessions: int
    ingresses: int
    cpu_percent: float
    memory_percent: float
    problems: tuple[str, ...] = ()
    """One clear line for each worker that could not start."""
    level: Level = Level.NORMAL
    """Of the cluster; an ingress may stand higher."""
    reasons: tuple[str, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()
    engines: tuple[EngineStatus, ...] = ()
    """For text to speech, `speech.tts` first."""
    ingress: tuple[IngressStatus, ...] = ()
    admission: AdmissionStatus = AdmissionStatus()
    activities: dict[str, int] = field(default_factory=dict)
    """Calls by what they do now."""
    answer: Percentiles = Percentiles()
    """End of speech to first frame of the answer, of all turns since the manager's start."""

    @property
    def is_ready(self) -> bool:
        """Whether a whole turn can be served: a worker of each planned kind answers."""
        pools = (self.transcription, self.synthesis)
        return all(pool.ready > 0 or pool.planned == 0 for pool in pools)
