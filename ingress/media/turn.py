"""One turn of a call while it lasts, and the record it leaves: when what happened, on one clock."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from actors.messages import Doubt
from actors.telephone import BYTES_PER_MS, audio_duration_ms
from ingress.link.messages import (
    DialogState,
    Digits,
    Greet,
    HangUp,
    HistoryEntry,
    LegChanged,
    LegName,
    ListenOptions,
    NoInput,
    SentenceAudio,
    TurnRequest,
    Utterance,
)
from ingress.link.records import StageTimes, TurnRecord
from ingress.media.playout import Playout


class TurnState(Enum):
    """Where a turn is."""

    WAITING = "waits for the turn before it, or for the gateway"
    ASKED = "the gateway has been asked"
    ANSWERING = "audio of the answer has come"
    ANNOUNCING = "another leg's turn has something said here, and may say more"
    DONE = "nothing more will come; what is queued plays"
    OVER = "its record has been written"


class TurnEnding(Enum):
    """How a turn ends if the caller goes on speaking; set as soon as that is known."""

    INTERRUPTED = "the caller spoke over the answer"
    OVERTAKEN = "the caller went on before the answer was heard: the next turn answers both"
    PRESSED_OVER = "a key came before the answer was heard: what the dialog remembers counts, nothing plays"


NEXT: Final[dict[TurnState, dict[TurnState, str]]] = {
    TurnState.WAITING: {
        TurnState.ASKED: "the gateway is ready and asked",
        TurnState.ANNOUNCING: "an announcement, nothing plays before it",
        TurnState.OVER: "newer ones overtook it, or its leg is gone or to end",
    },
    TurnState.ASKED: {
        TurnState.ANSWERING: "audio comes",
        TurnState.DONE: "the gateway is done, or the turn fails",
        TurnState.WAITING: "a new gateway is ready",
        TurnState.OVER: "the caller speaks, or the call is to end",
    },
    TurnState.ANSWERING: {
        TurnState.ANSWERING: "audio comes",
        TurnState.DONE: "the gateway is done, or the turn fails",
        TurnState.OVER: "the caller speaks or presses a key",
    },
    TurnState.ANNOUNCING: {
        TurnState.DONE: "the turn that it comes from is over",
        TurnState.OVER: "the caller speaks or presses a key, or the leg is gone",
    },
    TurnState.DONE: {TurnState.OVER: "the queue is empty, or the caller speaks or presses a key"},
    TurnState.OVER: {},
}
"""The whole life of a turn: which states follow a state, and when."""
AS_USUAL: Final = ListenOptions()
"""As the extension has it."""
FIGURE: Final = re.compile(r"\d")
RUNNING: Final = (TurnState.ASKED, TurnState.ANSWERING)
"""The gateway works on the turn."""
NEEDS_GATEWAY: Final = (TurnState.WAITING, *RUNNING)
"""The turn cannot go on without a gateway."""


@dataclass(slots=True)
class Turn:
    """A turn and what is known of it so far."""

    kind: Literal["greeting", "utterance", "digit", "silence", "leg", "announcement"]
    speech_ended_s: float
    """End of the caller's speech; of the event itself for a greeting, the last key for digits, the end of a
    silence."""
    playout: Playout = field(default_factory=Playout)
    """The answer."""
    number: int = 0
    """Within the call, given when the call takes the turn in."""
    leg: LegName = "caller"
    """Where it happens; given likewise."""
    source: int = 0
    """Of an announcement: the number of the turn that it comes from."""
    leg_is_there: bool = True
    """Of a leg that joined or left: which of both."""
    is_unheard: bool = False
    """Who it answers has left the leg: nothing of it plays there, also if somebody else joins."""
    was_announced: bool = False
    """Something of the answer was heard on another leg."""
    endpoint_wait_ms: float | None = None
    audio: bytes = b""
    """The utterance."""
    listening: ListenOptions = AS_USUAL
    """How the dialog wanted this answer listened to."""
    digits: str = field(default="", repr=False)
    """The keys, in order."""
    is_collected: bool = False
    """The dialog asked for these keys together."""
    is_complete: bool = True
    """Whether they are all that it asked for."""
    times: int = 0
    """Of a silence: in a row."""
    state: TurnState = TurnState.WAITING
    ending: TurnEnding | None = None
    is_spoken_over: bool = False
    """The caller spoke over what speech may not stop: it stops where that ends."""
    is_stopped: bool = False
    """A key was pressed: the gateway goes on with it for a moment, and nothing of it is heard."""
    was_dropped: bool = False
    """Some of the answer was never heard, for what the caller did before."""
    interrupted: str | None = None
    """What had been heard of the answer that was interrupted before this turn; None: none was."""
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

    @property
    def takes_keys(self) -> bool:
        """Whether it waits and has keys that nobody asked for together: further ones belong to it.

        Not those of another person, who is on the leg now.
        """
        is_open = not self.is_collected and not self.is_unheard
        return self.kind == "digit" and self.state is TurnState.WAITING and is_open

    @property
    def is_unanswered_silence(self) -> bool:
        """Whether nobody had said anything, and the dialog has said nothing about that on any leg so far."""
        is_unanswered = self.state is TurnState.ASKED and self.hang_up is None and self.ending is None
        return self.kind == "silence" and is_unanswered

    @property
    def kept_answer(self) -> str:
        """What was answered, as it may be kept: the answer to keys without the keys."""
        return without_figures(self.answered) if self.kind in ("digit", "silence") else self.answered

    @property
    def was_heard(self) -> bool:
        """Whether anybody has heard anything of the answer: what the dialog remembers counts."""
        return self.is_audible or self.was_announced

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
        self,
        call_id: str,
        history: tuple[HistoryEntry, ...],
        state: DialogState,
        language: str | None,
        has_return_leg: bool,
    ) -> TurnRequest:
        """Return what asks the gateway for the answer."""
        call: dict[str, Any] = {
            "call_id": call_id,
            "turn": self.number,
            "history": history,
            "state": state,
            "interrupted": self.interrupted,
            "language": language,
            "leg": self.leg,
            "has_return_leg": has_return_leg,
        }
        match self.kind:
            case "greeting":
                return Greet(**call)
            case "utterance":
                return Utterance(**call, audio=self.audio, listening=self.listening)
            case "digit":
                return Digits(**call, digits=self.digits, is_complete=self.is_complete)
            case "silence":
                return NoInput(**call, times=self.times)
            case "leg":
                return LegChanged(**call, is_there=self.leg_is_there)
            case "announcement":
                raise ValueError("an announcement asks for nothing")

    def take_audio(self, message: SentenceAudio, now: float) -> None:
        """Queue a piece of the answer, unless the caller has gone on."""
        if self.kind != "announcement":  # else they are of the turn that it comes from
            self.stages = message.stages
        if self.ending is not None:
            self.was_dropped |= bool(message.audio)
            return
        if message.audio:
            if self.state in RUNNING:
                self.enter(TurnState.ANSWERING)
            if self.first_audio_s is None:
                self.first_audio_s = now
            if not self.playout.push(message.audio, may_interrupt=message.may_interrupt):
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
            leg=self.leg,
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
            answered=self.kept_answer if keeps_text else None,
        )


def without_figures(text: str) -> str:
    """Return what answers a caller's keys without the keys: each digit is a star."""
    return FIGURE.sub("*", text)
