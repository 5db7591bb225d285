"""What a media worker and the gateway say to each other, and what an observer may ask.

Each message is a small frozen model. State worth keeping travels with each request (the history), so that the
gateway can be replaced at any time. Versions differ → the link is refused with both numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, FiniteFloat, JsonValue

from actors.messages import Doubt
from ingress.configuration.extension_book import ExtensionBook
from ingress.link.records import CallRecord, MediaHealth, Record, StageTimes, TurnRecord
from ingress.link.status import ServerStatus

LINK_VERSION = 8
"""Raised with every change of a message below."""


DialogState = dict[str, JsonValue]
"""What a dialog remembers of a call: a small JSON object."""


class HistoryEntry(Record):
    """One thing that was said in this call and was heard."""

    speaker: Literal["caller", "server"]
    text: str


class Message(Record):
    """Base of all messages; each is known on the wire by its class's name."""

    kinds: ClassVar[dict[str, type[Message]]] = {}
    """All messages by that name."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        cls.kinds[cls.__name__] = cls

    @property
    def kind(self) -> str:
        """Its name on the wire."""
        return type(self).__name__


class TurnMessage(Message):
    """Base of what concerns one turn of a call."""

    call_id: str
    turn: int


class Hello(Message):
    """First message on a link, both ways."""

    version: int
    role: Literal["media", "gateway", "observer", "supervisor"]
    name: str


# Media worker → gateway


class CallStarted(Message):
    """A call exists, and what it is. Repeated after every reconnect, always the same."""

    call_id: str
    extension: str
    started_at_s: float = 0.0
    """Seconds since 1970-01-01 UTC, for people and records; never for a deadline."""
    caller_number: str | None = None
    """None: the dialplan did not say."""
    caller_name: str | None = None
    is_admitted: bool = False
    """Whether it has been admitted before: then it is not asked again."""


class TurnRequest(TurnMessage):
    """Base of what starts a turn."""

    history: tuple[HistoryEntry, ...]
    state: DialogState = Field(default_factory=dict)
    """What the dialog remembers of the call."""


class Greet(TurnRequest):
    """The call has just begun: say something first."""


class Utterance(TurnRequest):
    """The caller said something."""

    audio: bytes


class TranscribeAhead(TurnMessage):
    """The caller paused: begin to transcribe; `turn` is the number the utterance will have if it is over."""

    audio: bytes


class DropAhead(TurnMessage):
    """The caller went on: what was begun for that turn is worthless."""


class CancelTurn(TurnMessage):
    """The caller interrupted: stop everything still under way for this turn."""


class WorkerHealth(Message):
    """How the media worker does; every few seconds."""

    health: MediaHealth


class Digits(TurnRequest):
    """The caller pressed keys, in this order."""

    digits: str


class CallEnded(Message):
    """A call is over; drop its turn if one is running. To be acknowledged, else it is sent again."""

    record: CallRecord
    is_repeated: bool = False
    """Whether it may have been taken before, also by an earlier gateway."""


class TurnFinished(Message):
    """A turn's audio has been played, or the turn failed."""

    call_id: str
    record: TurnRecord


# Gateway → media worker


class Readiness(Message):
    """Whether the speech workers can serve a turn."""

    is_ready: bool
    detail: str


class CallRecorded(Message):
    """A finished call's record is where it should be, or lost and counted: it need not be sent again."""

    record_id: str


class HealthTaken(Message):
    """The answer to each report of health: the gateway does not hang."""


class Pace(Message):
    """Send frames of this length from now on, every that many milliseconds."""

    frame_ms: Literal[20, 30]


class Admitted(Message):
    """The call is taken: it is to remember that."""

    call_id: str


class Refused(Message):
    """The call is not taken: say so politely, then hang up."""

    call_id: str
    reason: str


class PhrasesReady(Message):
    """Common phrases have been rendered: those that are missing can be read from the cache's directory."""


class Heard(TurnMessage):
    """The utterance's words."""

    text: str
    was_ahead: bool = False
    """Whether the transcription was begun at a pause."""


class SentenceAudio(TurnMessage):
    """A piece of one sentence, in order. The last one may be empty."""

    sentence: int
    text: str
    audio: bytes
    is_last: bool
    """Whether the sentence ends with this piece."""
    stages: StageTimes


class PlayTone(TurnMessage):
    """Play a continuous tone until the call ends."""

    frequency_hz: FiniteFloat


class HangUp(TurnMessage):
    """End the call once everything queued has been played."""


class StateChanged(TurnMessage):
    """The dialog remembers something else now: it counts once something of this turn's answer was heard, or
    the turn is over without having been given up."""

    state: DialogState


class TurnDone(TurnMessage):
    """Nothing more will come for this turn."""

    stages: StageTimes
    failure: str | None = None
    was_understood: bool = True
    doubt: Doubt | None = None
    transcription_failure: str | None = None


# Supervisor ↔ gateway → media worker


class ExtensionsChanged(Message):
    """The extensions from now on, for new calls; the first message of a gateway, and sent at each change.

    A lower version than the one that is held is ignored.
    """

    book: ExtensionBook


# Observer ↔ gateway


class StatusRequest(Message):
    """Ask how the server is doing."""


class StatusReply(Message):
    """How the server is doing."""

    status: ServerStatus


class CallRequest(Message):
    """Ask for the record of a finished call."""

    call_id: str


class CallReply(Message):
    """The record, or None if the call is unknown or not over."""

    record: CallRecord | None
