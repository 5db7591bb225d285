"""One turn of a call while it lasts, and the record it leaves: when what happened, on one clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.telephone import BYTES_PER_MS, audio_duration_ms
from ingress.link.records import StageTimes, TurnRecord
from ingress.media.playout import Playout


@dataclass(slots=True)
class Turn:
    """A turn and what is known of it so far."""

    number: int
    kind: str
    speech_ended_s: float
    """End of the caller's speech; of the event itself for a greeting or a digit."""
    endpoint_wait_ms: float | None = None
    audio: bytes | None = None
    digit: str = ""
    is_asked: bool = False
    is_done: bool = False
    is_overtaken: bool = False
    """The caller went on before the answer: not to be answered by itself."""
    was_interrupted: bool = False
    hangs_up: bool = False
    progress_s: float = 0.0
    first_audio_s: float | None = None
    first_frame_s: float | None = None
    stages: StageTimes = field(default_factory=StageTimes)
    failure: str | None = None
    heard: str | None = None
    was_ahead: bool = False
    answered: str = ""
    played_bytes_before: int = 0
    underruns_before: int = 0
    underrun_bytes_before: int = 0

    def begin(self, playout: Playout) -> None:
        """The turn is the current one from now on: what is played counts as its own."""
        self.played_bytes_before = playout.played_bytes
        self.underruns_before = playout.underruns
        self.underrun_bytes_before = playout.underrun_bytes

    def record(self, playout: Playout, keeps_text: bool) -> TurnRecord:
        """Return what was measured; the words only if they may be kept."""
        first_answer_ms = playout_wait_ms = link_ms = None
        if self.first_frame_s is not None and self.first_audio_s is not None:
            first_answer_ms = (self.first_frame_s - self.speech_ended_s) * 1000.0
            playout_wait_ms = (self.first_frame_s - self.first_audio_s) * 1000.0
            stages = self.stages
            named = (
                self.endpoint_wait_ms,
                stages.lease_wait_ms,
                stages.transcription_ms,
                stages.dialog_ms,
                stages.synthesis_ms,
                playout_wait_ms,
            )
            link_ms = max(0.0, first_answer_ms - sum(stage or 0.0 for stage in named))
        return TurnRecord(
            turn=self.number,
            kind=self.kind,
            speech_ms=None if self.audio is None else audio_duration_ms(self.audio),
            endpoint_wait_ms=self.endpoint_wait_ms,
            stages=self.stages,
            link_ms=link_ms,
            playout_wait_ms=playout_wait_ms,
            first_answer_ms=first_answer_ms,
            answer_ms=(playout.played_bytes - self.played_bytes_before) / BYTES_PER_MS,
            underruns=playout.underruns - self.underruns_before,
            underrun_ms=(playout.underrun_bytes - self.underrun_bytes_before) / BYTES_PER_MS,
            failure=self.failure,
            was_interrupted=self.was_interrupted,
            was_overtaken=self.is_overtaken and not self.was_interrupted,
            was_ahead=self.was_ahead,
            heard=self.heard if keeps_text else None,
            answered=self.answered if keeps_text else None,
        )
