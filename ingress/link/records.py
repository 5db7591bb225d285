"""What was measured of turns and calls, as plain numbers.

Every stage of a turn is timed on one monotonic clock: one host. A stage that did not happen is None, never 0.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from actors.messages import Doubt


class Record(BaseModel):
    """Base of all records: plain, immutable, ready for JSON and msgpack."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CallResult(StrEnum):
    """How a call ended, for the dialplan (RAYMAL_RESULT)."""

    ENDED = "ended"
    """By the dialog, the caller or the operator."""
    TRANSFER = "transfer"
    """The dialog asks the dialplan to connect the caller elsewhere."""
    REFUSED = "refused"
    """Not taken, or sent back after too long a wait."""
    FAILED = "failed"
    """The connection broke, or the server stopped."""
    NO_INPUT = "no_input"
    """The caller said nothing, several times in a row."""
    TOO_LONG = "too_long"
    """The call reached the longest time that a call may take."""
    NO_AUDIO = "no_audio"
    """The PBX sent no audio any more."""


class CallOutcome(Record):
    """What the dialplan gets when a call is over."""

    result: CallResult = CallResult.ENDED
    target: str | None = None
    """Of a transfer."""
    reason: str = ""
    variables: dict[str, str] = Field(default_factory=dict)
    """That the dialog set."""


class StageTimes(Record):
    """What the gateway spent on one turn: milliseconds, and what it found in the cache."""

    lease_wait_ms: float | None = None
    """Waiting for a transcription slot."""
    transcription_ms: float | None = None
    """Dispatch and speech to text."""
    dialog_ms: float | None = None
    """From the event to the dialog's first sentence."""
    synthesis_ms: float | None = None
    """From the first sentence to its first audio: slot, dispatch and text to speech."""
    cache_hits: int = 0
    """Sentences so far that came from the cache."""
    cache_misses: int = 0


class TurnRecord(Record):
    """One turn: the caller did something, we answered."""

    turn: int
    kind: str
    """greeting, utterance, digit, silence (nothing was heard), leg (one joined or left), announcement (said
    in another leg's turn)."""
    leg: str = "caller"
    """Where it happened: caller or return."""
    speech_ms: float | None = None
    """Length of the utterance's audio as it went to the transcriber."""
    endpoint_wait_ms: float | None = None
    """From the last voiced frame to the decision that the utterance is over."""
    stages: StageTimes = StageTimes()
    link_ms: float | None = None
    """Everything between the stages: queues, sockets, scheduling."""
    playout_wait_ms: float | None = None
    """From the first audio's arrival in the media worker to its first frame on the wire."""
    first_answer_ms: float | None = None
    """From the end of the caller's speech to the first answer frame on the wire; None: no answer."""
    answer_ms: float = 0.0
    """Audio played in this turn."""
    underruns: int = 0
    """Frames, of 20 or 30 ms, that were due inside a sentence while its audio was not there."""
    underrun_ms: float = 0.0
    """Silence that the caller heard in its place."""
    failure: str | None = None
    """Why the turn failed, without a word of what was said."""
    was_understood: bool = True
    """False: the dialog got "not understood"."""
    doubt: Doubt | None = None
    """Why no words were found; None: there were some, or the transcriber gave no reason."""
    transcription_failure: str | None = None
    """Why there was no transcript, if not because no words were found."""
    was_interrupted: bool = False
    """Whether the caller spoke over the answer and stopped it."""
    was_overtaken: bool = False
    """Whether the caller went on before anything of the answer was heard: the next turn answers both."""
    was_ahead: bool = False
    """Whether the words came from a transcription begun at a pause, before the end was sure."""
    heard: str | None = None
    """The transcript; only if the operator keeps transcripts."""
    answered: str | None = None
    """What was said back; only if the operator keeps transcripts."""

    @property
    def problem(self) -> str | None:
        """Why the turn was not served as it should be; None: it was, whatever was said in it."""
        return self.failure or self.transcription_failure

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
        cut = ", interrupted" if self.was_interrupted else ", overtaken" if self.was_overtaken else ""
        failed = f"; failed: {self.problem}" if self.problem else ""
        if not self.was_understood and not self.problem:
            failed = f"; no words were found{f' ({self.doubt})' if self.doubt else ''}"
        what = self.kind if self.leg == "caller" else f"{self.kind} on the {self.leg} leg"
        ended = f"{self.underruns} underruns{cut}{failed}"
        return f"turn {self.turn} {what}: {answer} ({stages}), {ended}"


class LatenessSummary(Record):
    """Frame send time minus due time, in milliseconds."""

    frames: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    maximum_ms: float = 0.0


LATENESS_EDGES_MS = (1, 2, 5, 10, 20, 50, 100)
"""A phone's buffer hides 20 to 60 ms; from 100 on Asterisk moves its RTP timestamps."""


class LatenessTotals(Record):
    """Frames by how late they left, since the media worker's start."""

    within: tuple[int, ...] = (0,) * len(LATENESS_EDGES_MS)
    """Those that were less late than each of `LATENESS_EDGES_MS`."""
    frames: int = 0
    late_ms: float = 0.0
    """Lateness of all frames together, right to half a bucket of each."""


class MediaHealth(Record):
    """How a media worker's own clock did since its last report."""

    calls: int = 0
    waiting_callers: int = 0
    """Whose turn waits for a gateway, or for speech workers."""
    longest_wait_s: float = 0.0
    """Of those, until now."""
    connections: int = 0
    frame_ms: int
    """20, or 30 when throttled."""
    lateness: LatenessSummary = LatenessSummary()
    """Of all frames of all calls: the loop's lag as callers hear it."""
    lateness_totals: LatenessTotals = LatenessTotals()
    gc_pauses: int = 0
    gc_pause_maximum_ms: float = 0.0
    lost_records: int = 0
    """Records of finished calls that could not be kept for a gateway, since the worker's start."""
    timeline_shifts: int = 0
    """Stalls so long that the timeline had to move."""
    closed_peers: dict[str, int] = Field(default_factory=dict)
    """Connections that ended, calls among them, since the worker's start, by reason."""


class CallRecord(Record):
    """One call, from its UUID to its end."""

    record_id: str = Field(default_factory=lambda: uuid4().hex)
    """No two records have the same, though two calls may have the same UUID."""
    call_id: str
    extension: str
    priority: str = "normal"
    was_refused: bool = False
    """Whether its caller heard that all lines are busy."""
    duration_s: float = 0.0
    end_reason: str
    outcome: CallOutcome = CallOutcome()
    frames_sent: int = 0
    frames_received: int = 0
    unknown_messages: int = 0
    dropped_noises: int = 0
    """Sounds of the caller that were too short to be an utterance."""
    unconfirmed: int = 0
    """Utterances that the first detector alone decided on, because the second was late or had failed."""
    dropped_turns: int = 0
    """Utterances and digits that newer ones overtook before they could be answered."""
    interruptions: int = 0
    """Answers that the caller stopped by speaking."""
    underruns: int = 0
    longest_gap_ms: float = 0.0
    """Longest time between two sends; 30 if it was no longer than that."""
    long_gaps: int = 0
    """Gaps of 100 ms and more: each makes Asterisk move its RTP timestamps."""
    discarded_ms: float = 0.0
    """Caller's audio thrown away because it had waited too long in the kernel."""
    lateness: LatenessSummary = LatenessSummary()
    turns_taken: int = 0
    turns: tuple[TurnRecord, ...] = ()
    """The newest of them."""
    unfinished: TurnRecord | None = None
    """The turn that was under way when the call ended."""
    recording: str | None = None
    """The file with its audio; None: it has none."""
    transcript: str | None = None
    """The file with its words; None: it has none."""
    recording_is_complete: bool = True
    """False: some of what belongs in these files was lost, or not known to be written after 0.25 s."""

    def describe(self) -> str:
        """Return the call on one line, for the log."""
        lateness = self.lateness
        return (
            f"call {self.call_id} ended: {self.end_reason}; "
            f"{self.duration_s:.1f} s, {self.turns_taken} turns, "
            f"lateness p99 {lateness.p99_ms:.1f} ms, at most {lateness.maximum_ms:.1f} ms, "
            f"{self.underruns} underruns, {self.long_gaps} gaps of 100 ms and more"
        )
