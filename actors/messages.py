"""Plain data that crosses a process border between a gateway, the manager and the workers.

Audio is always 8 kHz, mono, signed 16-bit little-endian (AudioSocket's `slin`), so that a telephone
utterance of up to six seconds stays inside one Ray message (< 100 KB). Clocks of two hosts are never
compared: what crosses a border is a duration, not an instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal


class WorkKind(StrEnum):
    """What a slot is for."""

    TRANSCRIPTION = "transcription"
    SYNTHESIS = "synthesis"


class Priority(StrEnum):
    """Class of a call, from its extension."""

    EMERGENCY = "emergency"
    HIGH = "high"
    NORMAL = "normal"
    BACKGROUND = "background"

    @property
    def rank(self) -> int:
        """0 is served first."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Ask for the words of one utterance."""

    call_id: str
    audio: bytes
    """8 kHz int16 mono; a whole utterance."""
    language: str
    """BCP-47 or ISO-639-1 code; only the part before the first hyphen is used by whisper."""
    may_retry: bool = True
    """Whether a doubtful result may be decoded again, at several times the cost."""
    languages: tuple[str, ...] = ()
    """Which of these is spoken is to be found out; `language` is one of them. Empty: it is `language`."""
    hot_words: tuple[str, ...] = ()
    """Names and terms that may come."""
    prompt: str | None = None
    """What the conversation is about, or the answers that are expected, as text."""


class Doubt(StrEnum):
    """Why an utterance was not understood."""

    SILENCE = "silence"
    """There was no speech in it."""
    REPETITION = "repetition"
    """The same words were heard again and again: how often they were said, if at all, is not known."""
    LANGUAGE = "language"
    """It was another language than the call's."""
    GUESS = "guess"
    """The words were improbable."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of one utterance. An empty text means: speech was not understood."""

    text: str
    language: str
    mean_log_probability: float = 0.0
    """Mean natural-log probability of the tokens; nearer 0 is surer. 0.0 when there are none."""
    no_speech_probability: float = 0.0
    """The model's own estimate, 0..1, that there is no speech."""
    attempts: int = 1
    """1, or 2 when the first was doubtful and 30 s was decoded as well."""
    doubt: Doubt | None = None
    """Why the text is empty; None: it is not, or the engine does not say."""
    language_probability: float | None = None
    """0..1, of `language` among those that were asked for; None: it was not estimated."""


@dataclass(frozen=True, slots=True)
class Synthesize:
    """Ask for one sentence as audio."""

    call_id: str
    text: str
    language: str
    voice: str | None = None
    """A voice of the engine, or None for its default."""
    engine: str | None = None
    """Which of the fleet's engines; None: `speech.tts`."""


@dataclass(frozen=True, slots=True)
class FurtherEngine:
    """A text-to-speech engine that an extension names beside `speech.tts`."""

    name: str
    language: str
    """In which it is loaded, in the place of `speech.language`: that of the first extension that names it."""
    setting: str = field(default="", compare=False)
    """What names it, for people: `extensions.sales.tts`."""


MAXIMUM_FURTHER_ENGINES = 16
"""Of a fleet, and in a worker. With more, further ones are loaded when they are asked for, and the one that
was first goes."""


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Ask the manager for one slot."""

    lease_id: str
    """Chosen by the asker, so that a repeated request is the same request."""
    kind: WorkKind
    ingress_id: str
    """Who asks. When an ingress is gone its leases go back."""
    session_id: str | None
    """The call that the work is for; None for what no call asked for, such as phrases made ahead of need."""
    wait_s: float
    """How long the asker is willing to wait in the queue."""
    hold_s: float
    """Time to live of a granted lease; after it the slot is taken back."""
    priority: Priority = Priority.NORMAL
    is_ahead: bool = False
    """Work that may turn out to be for nothing: it never takes the last free slot of several."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Permission to use one slot of one worker."""

    lease_id: str
    kind: WorkKind
    worker_id: str
    wait_ms: float
    """How long the request waited in the manager's queue."""
    worker: Any = field(default=None, compare=False, repr=False)
    """The worker itself: a thread of this process, or the handle of a Ray actor. Another worker may have the
    same id later; this never means another one."""


class WorkOutcome(StrEnum):
    """How leased work ended."""

    DONE = "done"
    FAILED = "failed"
    """The engine refused this input; the worker itself is fine."""
    LOST = "lost"
    """The worker died or did not answer: it is not lent until it answers."""
    ABANDONED = "abandoned"
    """The asker cancelled, or its deadline passed."""


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What came of one lease; given back together with it."""

    lease_id: str
    outcome: WorkOutcome
    processing_ms: float
    audio_ms: float


class SessionActivity(StrEnum):
    """What a call does now."""

    LISTENING = "listening"
    TRANSCRIBING = "transcribing"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A call exists."""

    session_id: str
    ingress_id: str
    extension: str
    priority: Priority = Priority.NORMAL
    leg: str = "caller"
    """Which of the call's connections: `caller` or `return`."""
    extension_limit: int | None = None
    """Calls that this extension may have at a time, over all ingresses."""


EXTENSION_FULL = "the extension's limit is reached"
"""Reason of a refusal, by the manager or by an ingress."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a call is taken, and why not: one line for people."""

    is_admitted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """What the ingress counted of one call, each a total so far: repeated, it changes nothing."""

    activity: SessionActivity = SessionActivity.LISTENING
    has_spoken: bool = False
    """Whether the caller has been heard: until then the call's share of the slots is kept free for it."""
    turns: int = 0
    failed_turns: int = 0
    interruptions: int = 0
    underruns: int = 0
    cache_hits: int = 0
    """Sentences of answers that were played from the cache."""
    cache_misses: int = 0
    lateness_p99_ms: float = 0.0
    """Known when the call is over."""
    lateness_maximum_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class IngressSignals:
    """How an ingress does: worst of its media workers, since its last report."""

    lateness_p99_ms: float = 0.0
    """Of frames against their due time."""
    loop_lag_ms: float = 0.0
    """Longest time that the gateway's own event loop kept something waiting."""
    timeline_shifts: int = 0
    """Stalls of a media worker so long that its timeline had to move."""
    cpu_percent: float = 0.0
    """Of the ingress's machine."""
    memory_percent: float = 0.0


@dataclass(frozen=True, slots=True)
class IngressReport:
    """An ingress's heartbeat, with its news."""

    ingress_id: str
    signals: IngressSignals = IngressSignals()
    calls: int = 0
    """How many it has, admitted ones only. Another number than the manager's means that they must agree."""
    sessions: dict[str, SessionFigures] = field(default_factory=dict)
    """Calls whose figures have changed since the last report that was answered."""
    answer_times_ms: tuple[float, ...] = ()
    """End of the caller's speech to the first frame of the answer, of each turn since then."""
    engines: tuple[FurtherEngine, ...] = ()
    """That its extensions name."""


class Level(IntEnum):
    """Steps of the ladder by which a loaded system does less (`actors.manager.throttle`)."""

    NORMAL = 0
    BUSY = 1
    """No transcription ahead of time; 30 ms frames."""
    LOADED = 2
    """Background work waits, cached and short phrases are preferred, nothing is decoded twice."""
    FULL = 3
    """New calls are refused: their callers hear the busy phrase."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the manager decided for one ingress: a state, not a change, so any may be missed."""

    epoch: str = ""
    """Names the manager that decided: another epoch is not older or newer, it is another manager."""
    number: int = 0
    """Grows with every change within an epoch."""
    level: Level = Level.NORMAL
    reasons: tuple[str, ...] = ()
    """Why the level is what it is: one line each."""
    calls_alone: int = 0
    """Calls this ingress may hold while the manager cannot be asked."""

    @property
    def version(self) -> tuple[str, int]:
        """What the ingress names when it asks for anything newer."""
        return self.epoch, self.number

    @property
    def frame_ms(self) -> Literal[20, 30]:
        """Length of frames to send."""
        return 30 if self.level >= Level.BUSY else 20

    @property
    def allows_ahead(self) -> bool:
        """Whether transcription may begin at a pause."""
        return self.level < Level.BUSY

    @property
    def allows_retry(self) -> bool:
        """Whether a doubtful transcription may be decoded again."""
        return self.level < Level.LOADED

    @property
    def prefers_short_answers(self) -> bool:
        """Whether a dialog's short wording, or a cached one, is to be preferred."""
        return self.level >= Level.LOADED


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
    priority: Priority = Priority.NORMAL
    leg: str = "caller"
    figures: SessionFigures = SessionFigures()
