"""One turn of a call while it lasts, and the record it leaves: when what happened, on one clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from actors.messages import Doubt
from actors.telephone import BYTES_PER_MS, audio_duration_ms
from ingress.link.messages import DialogState, Digits, Greet, HangUp, HistoryEntry, SentenceAudio, Utterance
from ingress.link.records import StageTimes, TurnRecord
from ingress.media.playout import Playout


class TurnState(Enum):
    """Where a turn is."""

    WAITING = "waits for the turn before it, or for the gateway"
    ASKED = "the gateway has been asked"
    ANSWERING = "audio of the answer has come"
    DONE = "nothing more will come; what is queued plays"
    OVER = "its record has been written"


class TurnEnding(Enum):
    """How a turn ends if the caller goes on speaking; set as soon as that is known."""

    INTERRUPTED = "the caller spoke over the answer"
    OVERTAKEN = "the caller went on before the answer was heard: the next turn answers both"
    PRESSED_OVER = "a key came before the answer was heard: what the dialog remembers counts, nothing plays"


NEXT: Final[dict[TurnState, dict[TurnState, str]]] = {
    TurnState.WAITING: {TurnState.ASKED: "the gateway is ready and asked"},
    TurnState.ASKED: {
        TurnState.ANSWERING: "audio comes",
        TurnState.DONE: "the gateway is done, or the turn fails",
        TurnState.WAITING: "a new gateway is ready",
        TurnState.OVER: "the caller speaks",
    },
    TurnState.ANSWERING: {
        TurnState.ANSWERING: "audio comes",
        TurnState.DONE: "the gateway is done, or the turn fails",
        TurnState.OVER: "the caller speaks or presses a key",
    },
    TurnState.DONE: {TurnState.OVER: "the queue is empty, or the caller speaks or presses a key"},
    TurnState.OVER: {},
}
"""The whole life of a turn: which states follow a state, and when."""
RUNNING: Final = (TurnState.ASKED, TurnState.ANSWERING)
"""The gateway works on the turn."""


@dataclass(slots=True)
class Turn:
    """A turn and what is known of it so far."""

    kind: Literal["greeting", "utterance", "digit"]
    speech_ended_s: float
    """End of the caller's speech; of the event itself for a greeting, the last key for digits."""
    playout: Playout = field(default_factory=Playout)
    """The answer."""
    number: int = 0
    """Within the call, given when the call takes the turn in."""
    endpoint_wait_ms: float | None = None
    audio: bytes = b""
    """The utterance."""
    digits: str = ""
    """The keys, in order."""
    state: TurnState = TurnState.WAITING
    ending: TurnEnding | None = None
    failure: str | None = None
    was_understood: bool = True
    doubt: Doubt | None = None
    transcription_failure: str | None = None
    hang_up: HangUp | None = None
    """The dialog ends the call with this turn."""
    dialog_state: DialogState | None = None
    """Set by the dialog in this turn, and not the call's yet, because nothing of the answer was heard."""
    progress_s: float = 0.0
    first_audio_s: float | None = None
    first_frame_s: float | None = None
    stages: StageTimes = field(default_factory=StageTimes)
    heard: str | None = None
    was_ahead: bool = False
    language: str | None = None
    """Of the call from this turn on, found out in it."""
    answered: str = ""

    @property
    def is_audible(self) -> bool:
        """Whether the caller has heard anything of the answer."""
        return self.playout.played_bytes > 0

    @classmethod
    def none(cls) -> Turn:
        """Return what stands for a turn while there is none: one that is over."""
        return cls("greeting", 0.0, state=TurnState.OVER)

    def enter(self, state: TurnState) -> None:
        """Go to another state. Raises ValueError if the table does not allow it."""
        if state not in NEXT[self.state]:
            raise ValueError(f"a turn cannot go from {self.state.name} to {state.name}")
        self.state = state

    def request(
        self, call_id: str, history: tuple[HistoryEntry, ...], state: DialogState
    ) -> Greet | Utterance | Digits:
        """Return what asks the gateway for the answer."""
        call: dict[str, Any] = {"call_id": call_id, "turn": self.number, "history": history, "state": state}
        match self.kind:
            case "greeting":
                return Greet(**call)
            case "utterance":
                return Utterance(**call, audio=self.audio)
            case "digit":
                return Digits(**call, digits=self.digits)

    def take_audio(self, message: SentenceAudio, now: float) -> None:
        """Queue a piece of the answer; that of an overtaken turn is dropped."""
        self.stages = message.stages
        if self.ending is TurnEnding.OVERTAKEN:
            return
        if message.audio:
            self.enter(TurnState.ANSWERING)
            if self.first_audio_s is None:
                self.first_audio_s = now
            if not self.playout.push(message.audio):
                self.failure = "the answer was longer than the playout queue; its rest was dropped"
        if message.is_last:
            self.playout.end_sentence(message.text)

    def complete(self) -> None:
        """Nothing more will come."""
        self.enter(TurnState.DONE)
        self.playout.end_sentence("")  # an open one is not heard to its end

    def fail(self, failure: str, apology: bytes) -> None:
        """Nothing more will come, and the answer ends with an apology, unless the caller has gone on."""
        self.complete()
        self.failure = failure
        self.dialog_state = None
        if self.ending is None:
            self.playout.push(apology, "")

    def record(self, keeps_text: bool) -> TurnRecord:
        """Return what was measured; the words only if they may be kept."""
        playout, stages = self.playout, self.stages
        first_answer_ms = playout_wait_ms = link_ms = None
        if self.first_frame_s is not None and self.first_audio_s is not None:
            first_answer_ms = (self.first_frame_s - self.speech_ended_s) * 1000.0
            playout_wait_ms = (self.first_frame_s - self.first_audio_s) * 1000.0
            gateway = (stages.lease_wait_ms, stages.transcription_ms, stages.dialog_ms, stages.synthesis_ms)
            named = (self.endpoint_wait_ms, *gateway, playout_wait_ms)
            link_ms = max(0.0, first_answer_ms - sum(stage or 0.0 for stage in named))
        return TurnRecord(
            turn=self.number,
            kind=self.kind,
            speech_ms=audio_duration_ms(self.audio) if self.kind == "utterance" else None,
            endpoint_wait_ms=self.endpoint_wait_ms,
            stages=stages,
            link_ms=link_ms,
            playout_wait_ms=playout_wait_ms,
            first_answer_ms=first_answer_ms,
            answer_ms=playout.played_bytes / BYTES_PER_MS,
            underruns=playout.underruns,
            underrun_ms=playout.underrun_bytes / BYTES_PER_MS,
            failure=self.failure,
            was_understood=self.was_understood,
            doubt=self.doubt,
            transcription_failure=self.transcription_failure,
            was_interrupted=self.ending is TurnEnding.INTERRUPTED,
            was_overtaken=self.ending in (TurnEnding.OVERTAKEN, TurnEnding.PRESSED_OVER),
            was_ahead=self.was_ahead,
            heard=self.heard if keeps_text else None,
            answered=self.answered if keeps_text else None,
        )
