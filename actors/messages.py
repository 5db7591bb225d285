"""Plain data that crosses a process border between a gateway, the manager and the workers.

Audio is always 8 kHz, mono, signed 16-bit little-endian (AudioSocket's `slin`), so that a telephone
utterance of up to six seconds stays inside one Ray message (< 100 KB). Clocks of two hosts are never
compared: what crosses a border is a duration, not an instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TELEPHONE_RATE_HZ = 8_000
"""Sample rate of every audio field in this module."""

BYTES_PER_SAMPLE = 2


def audio_duration_ms(audio: bytes | memoryview) -> float:
    """Return how long `audio` (8 kHz int16) lasts, in milliseconds."""
    return len(audio) / (TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE) * 1000.0


class WorkKind(StrEnum):
    """What a slot is for."""

    TRANSCRIPTION = "transcription"
    SYNTHESIS = "synthesis"


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Ask for the words of one utterance."""

    call_id: str
    audio: bytes
    """8 kHz int16 mono; a whole utterance."""
    language: str
    """BCP-47 or ISO-639-1 code; only the part before the first hyphen is used by whisper."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance. An empty text means: speech was not understood."""

    text: str
    language: str
    mean_log_probability: float
    """Mean natural-log probability of the tokens; nearer 0 is surer. 0.0 when there are none."""
    no_speech_probability: float
    """The model's own belief, 0..1, that nobody spoke."""
    attempts: int
    """1, or 2 when the short window looked doubtful and 30 s was decoded as well."""


@dataclass(frozen=True, slots=True)
class Synthesize:
    """Ask for one sentence as audio."""

    call_id: str
    text: str
    language: str
    voice: str | None = None
    """A voice of the engine, or None for its default."""


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Ask the manager for one slot."""

    lease_id: str
    """Chosen by the asker, so that a repeated request is the same request."""
    kind: WorkKind
    ingress_id: str
    """Who asks. When an ingress is gone its leases go back."""
    session_id: str
    """The call that the work is for."""
    wait_s: float
    """How long the asker is willing to wait in the queue."""
    hold_s: float
    """Time to live of a granted lease; after it the slot is taken back."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Permission to use one slot of one worker."""

    lease_id: str
    kind: WorkKind
    worker_id: str
    wait_ms: float
    """How long the request waited in the manager's queue."""


class WorkOutcome(StrEnum):
    """How leased work ended."""

    DONE = "done"
    FAILED = "failed"
    """The engine refused this input; the worker itself is fine."""
    LOST = "lost"
    """The worker died or did not answer: quarantine it until it answers a ping."""
    ABANDONED = "abandoned"
    """The asker cancelled, or its deadline passed."""


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What came of one lease; given back together with it."""

    lease_id: str
    outcome: WorkOutcome
    processing_ms: float
    audio_ms: float


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A call exists."""

    session_id: str
    ingress_id: str
    extension: str


@dataclass(frozen=True, slots=True)
class WorkTally:
    """Counts and times of one kind of work."""

    count: int = 0
    failed: int = 0
    processing_ms: float = 0.0
    audio_ms: float = 0.0
    lease_wait_ms: float = 0.0

    def plus(self, report: WorkReport, wait_ms: float) -> WorkTally:
        """Return the tally with one more piece of work in it."""
        return WorkTally(
            count=self.count + 1,
            failed=self.failed + (report.outcome is not WorkOutcome.DONE),
            processing_ms=self.processing_ms + report.processing_ms,
            audio_ms=self.audio_ms + report.audio_ms,
            lease_wait_ms=self.lease_wait_ms + wait_ms,
        )


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What one call used, from its registration to its end."""

    session_id: str
    ingress_id: str
    extension: str
    duration_s: float
    transcription: WorkTally
    synthesis: WorkTally


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One kind of work: its workers and who waits."""

    planned: int
    """Workers that the plan asks for."""
    ready: int
    """Workers that have loaded and warmed their model and answer."""
    busy: int
    waiting: int
    tally: WorkTally


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

    @property
    def is_ready(self) -> bool:
        """Whether a whole turn can be served: a worker of each planned kind answers."""
        pools = (self.transcription, self.synthesis)
        return all(pool.ready > 0 or pool.planned == 0 for pool in pools)
