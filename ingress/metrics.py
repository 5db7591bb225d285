"""What was measured of turns and calls, as plain numbers.

Every stage of a turn is timed on one monotonic clock (the media worker's and the gateway's are the same
clock: one host). A stage that did not happen is None, never 0: a turn answered from a digit has no
transcription.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: plain, immutable, ready for JSON and msgpack."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StageTimes(Record):
    """What the gateway spent on one turn, in milliseconds."""

    lease_wait_ms: float | None = None
    """Waiting for a transcription slot."""
    transcription_ms: float | None = None
    """Dispatch and speech to text."""
    dialog_ms: float | None = None
    """From the event to the dialog's first sentence."""
    synthesis_ms: float | None = None
    """From the first sentence to its first audio: slot, dispatch and text to speech."""


class TurnRecord(Record):
    """One turn: the caller did something, we answered."""

    turn: int
    kind: str
    """greeting, utterance or digit."""
    speech_ms: float | None
    """Length of the utterance's audio as it went to the transcriber."""
    endpoint_wait_ms: float | None
    """From the last voiced frame to the decision that the utterance is over."""
    stages: StageTimes
    link_ms: float | None
    """Everything between the stages: queues, sockets, scheduling."""
    playout_wait_ms: float | None
    """From the first audio's arrival in the media worker to its first frame on the wire."""
    first_answer_ms: float | None
    """From the end of the caller's speech to the first answer frame on the wire; None: no answer."""
    answer_ms: float
    """Audio played in this turn."""
    underruns: int
    """Frames that were due inside a sentence while its audio was not there."""
    failure: str | None
    """Why the turn failed, without a word of what was said."""
    heard: str | None = None
    """The transcript; only if the operator keeps transcripts."""
    answered: str | None = None
    """What was said back; only if the operator keeps transcripts."""

    def stage_times_ms(self) -> list[tuple[str, float]]:
        """Return the stages that happened, in order: their sum is `first_answer_ms`."""
        stages = (
            ("endpoint wait", self.endpoint_wait_ms),
            ("lease wait", self.stages.lease_wait_ms),
            ("transcription", self.stages.transcription_ms),
            ("dialog", self.stages.dialog_ms),
            ("synthesis", self.stages.synthesis_ms),
            ("link", self.link_ms),
            ("playout wait", self.playout_wait_ms),
        )
        return [(name, value) for name, value in stages if value is not None]

    def describe(self) -> str:
        """Return the turn on one line, for the log; no word of what was said."""
        answer = (
            "no answer" if self.first_answer_ms is None else f"answer after {self.first_answer_ms:.0f} ms"
        )
        stages = ", ".join(f"{name} {value:.0f}" for name, value in self.stage_times_ms())
        failed = f"; failed: {self.failure}" if self.failure else ""
        return f"turn {self.turn} {self.kind}: {answer} ({stages}), {self.underruns} underruns{failed}"


class LatenessSummary(Record):
    """Frame send time minus due time, in milliseconds."""

    frames: int
    p50_ms: float
    p99_ms: float
    maximum_ms: float


class CallRecord(Record):
    """One call, from its UUID to its end."""

    call_id: str
    extension: str
    duration_s: float
    end_reason: str
    frames_sent: int
    frames_received: int
    unknown_messages: int
    dropped_noises: int
    """Sounds of the caller that were too short to be an utterance."""
    dropped_turns: int
    """Utterances and digits that newer ones overtook before they could be answered."""
    underruns: int
    lateness: LatenessSummary
    turns: tuple[TurnRecord, ...]


class LatenessHistogram:
    """Counts of lateness in buckets of 0.1 ms up to 100 ms; one list, no allocation per frame."""

    BUCKET_MS = 0.1
    BUCKETS = 1_001

    def __init__(self) -> None:
        self._counts = [0] * self.BUCKETS
        self._frames = 0
        self._maximum_ms = 0.0

    def add(self, lateness_s: float, frames: int = 1) -> None:
        """Count `frames` frames that left `lateness_s` after they were due."""
        lateness_ms = lateness_s * 1000.0
        if lateness_ms > self._maximum_ms:
            self._maximum_ms = lateness_ms
        bucket = int(lateness_ms * 10.0) if lateness_ms > 0.0 else 0
        self._counts[bucket if bucket < self.BUCKETS else self.BUCKETS - 1] += frames
        self._frames += frames

    def percentile_ms(self, percent: float) -> float:
        """Return the upper edge of the bucket that holds the given percentile; 0.0 when empty."""
        threshold = self._frames * percent / 100.0
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen >= threshold:
                return min((bucket + 1) * self.BUCKET_MS, self._maximum_ms)
        return 0.0

    def summary(self) -> LatenessSummary:
        """Return the counted frames, p50, p99 and maximum."""
        return LatenessSummary(
            frames=self._frames,
            p50_ms=self.percentile_ms(50),
            p99_ms=self.percentile_ms(99),
            maximum_ms=self._maximum_ms,
        )
