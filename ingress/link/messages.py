"""What a media worker and the gateway say to each other, and what an observer may ask.

Each message is a small frozen model with a `type`; on the wire it is a msgpack map behind a 4-byte
big-endian length (`ingress.link.link`). State worth keeping travels with each request (the history), so that
the gateway can be replaced at any time. Versions differ → the link is refused with both numbers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgpack
from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from actors.errors import LinkError
from ingress.link.records import CallRecord, MediaHealth, Record, StageTimes, TurnRecord

LINK_VERSION = 4
"""Raised with every change of a message below."""


DialogState = dict[str, JsonValue]
"""What a dialog remembers of a call: a small JSON object."""


class HistoryEntry(Record):
    """One thing that was said in this call and was heard."""

    speaker: Literal["caller", "server"]
    text: str


class Hello(Record):
    """First message on a link, both ways."""

    type: Literal["hello"] = "hello"
    version: int
    role: Literal["media", "gateway", "observer"]
    name: str


# Media worker → gateway


class CallStarted(Record):
    """A call exists, and what it is. Repeated after every reconnect, always the same."""

    type: Literal["call_started"] = "call_started"
    call_id: str
    extension: str
    started_at_s: float = 0.0
    """Seconds since 1970-01-01 UTC, for people and records; never for a deadline."""
    caller_number: str | None = None
    """None: the dialplan did not say."""
    caller_name: str | None = None
    is_admitted: bool = False
    """Whether it has been admitted before: then it is not asked again."""


class TurnRequest(Record):
    """Base of what starts a turn."""

    call_id: str
    turn: int
    history: tuple[HistoryEntry, ...]
    state: DialogState = Field(default_factory=dict)
    """What the dialog remembers of the call."""


class Greet(TurnRequest):
    """The call has just begun: say something first."""

    type: Literal["greet"] = "greet"


class Utterance(TurnRequest):
    """The caller said something."""

    type: Literal["utterance"] = "utterance"
    audio: bytes


class TranscribeAhead(Record):
    """The caller paused: begin to transcribe; `turn` is the number the utterance will have if it is over."""

    type: Literal["transcribe_ahead"] = "transcribe_ahead"
    call_id: str
    turn: int
    audio: bytes


class DropAhead(Record):
    """The caller went on: what was begun for that turn is worthless."""

    type: Literal["drop_ahead"] = "drop_ahead"
    call_id: str
    turn: int


class CancelTurn(Record):
    """The caller interrupted: stop everything still under way for this turn."""

    type: Literal["cancel_turn"] = "cancel_turn"
    call_id: str
    turn: int


class WorkerHealth(Record):
    """How the media worker does; every few seconds."""

    type: Literal["worker_health"] = "worker_health"
    health: MediaHealth


class Digit(TurnRequest):
    """The caller pressed a key."""

    type: Literal["digit"] = "digit"
    digit: str


class CallEnded(Record):
    """A call is over; drop its turn if one is running."""

    type: Literal["call_ended"] = "call_ended"
    record: CallRecord


class TurnFinished(Record):
    """A turn's audio has been played, or the turn failed."""

    type: Literal["turn_finished"] = "turn_finished"
    call_id: str
    record: TurnRecord


# Gateway → media worker


class Readiness(Record):
    """Whether the speech workers can serve a turn."""

    type: Literal["readiness"] = "readiness"
    is_ready: bool
    detail: str


class Pace(Record):
    """Send frames of this length from now on, every that many milliseconds."""

    type: Literal["pace"] = "pace"
    frame_ms: Literal[20, 30]


class Admitted(Record):
    """The call is taken: it is to remember that."""

    type: Literal["admitted"] = "admitted"
    call_id: str


class Refused(Record):
    """The call is not taken: say so politely, then hang up."""

    type: Literal["refused"] = "refused"
    call_id: str
    reason: str


class PhrasesReady(Record):
    """Common phrases have been rendered: those that are missing can be read from the cache's directory."""

    type: Literal["phrases_ready"] = "phrases_ready"


class Heard(Record):
    """The utterance's words."""

    type: Literal["heard"] = "heard"
    call_id: str
    turn: int
    text: str
    was_ahead: bool = False
    """Whether the transcription was begun at a pause."""


class SentenceAudio(Record):
    """A piece of one sentence, in order. The last one may be empty."""

    type: Literal["sentence_audio"] = "sentence_audio"
    call_id: str
    turn: int
    sentence: int
    text: str
    audio: bytes
    is_last: bool
    """Whether the sentence ends with this piece."""
    stages: StageTimes


class PlayTone(Record):
    """Play a continuous tone until the call ends."""

    type: Literal["play_tone"] = "play_tone"
    call_id: str
    turn: int
    frequency_hz: float


class HangUp(Record):
    """End the call once everything queued has been played."""

    type: Literal["hang_up"] = "hang_up"
    call_id: str
    turn: int


class StateChanged(Record):
    """The dialog remembers something else now: it counts once something of this turn's answer was heard, or
    the turn is over without having been given up."""

    type: Literal["state_changed"] = "state_changed"
    call_id: str
    turn: int
    state: DialogState


class TurnDone(Record):
    """Nothing more will come for this turn."""

    type: Literal["turn_done"] = "turn_done"
    call_id: str
    turn: int
    stages: StageTimes
    failure: str | None = None


# Observer ↔ gateway


class StatusRequest(Record):
    """Ask how the server is doing."""

    type: Literal["status_request"] = "status_request"


class StatusReply(Record):
    """How the server is doing."""

    type: Literal["status_reply"] = "status_reply"
    is_ready: bool
    detail: str
    status: dict[str, Any]


class CallRequest(Record):
    """Ask for the record of a finished call."""

    type: Literal["call_request"] = "call_request"
    call_id: str


class CallReply(Record):
    """The record, or None if the call is unknown or not over."""

    type: Literal["call_reply"] = "call_reply"
    record: CallRecord | None


Message = Annotated[
    Hello
    | CallStarted
    | Greet
    | Utterance
    | TranscribeAhead
    | DropAhead
    | CancelTurn
    | WorkerHealth
    | Digit
    | CallEnded
    | TurnFinished
    | Readiness
    | Pace
    | Admitted
    | Refused
    | PhrasesReady
    | Heard
    | SentenceAudio
    | PlayTone
    | HangUp
    | StateChanged
    | TurnDone
    | StatusRequest
    | StatusReply
    | CallRequest
    | CallReply,
    Field(discriminator="type"),
]

_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)


def encode(message: Message) -> bytes:
    """Return the message as msgpack, without its length prefix."""
    packed: bytes = msgpack.packb(message.model_dump())
    return packed


def decode(data: bytes) -> Message:
    """Return the message in `data`. Raises LinkError when it is not one of ours."""
    try:
        return _MESSAGE.validate_python(msgpack.unpackb(data))
    except (ValueError, msgpack.exceptions.UnpackException, ValidationError) as error:
        raise LinkError(f"a message of {len(data)} bytes on the link is not valid: {_brief(error)}") from None


def _brief(error: Exception) -> str:
    """Say what is wrong without quoting the message: it may hold a transcript."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return type(error).__name__
