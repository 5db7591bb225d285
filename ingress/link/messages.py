"""What the processes of a server, and its commands, send each other on a link.

Each message is a small frozen model. State worth keeping travels with each request (the history), so that the
gateway can be replaced at any time. Versions differ → the link is refused with both numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, FiniteFloat, JsonValue

from actors.messages import Doubt, Priority
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import Extension
from ingress.link.live import LiveCall
from ingress.link.records import CallOutcome, CallRecord, MediaHealth, Record, StageTimes, TurnRecord
from ingress.link.status import ServerStatus

LINK_VERSION = 10
"""Raised with every change of a message below."""
MAXIMUM_HISTORY = 64
"""Entries of a call that are kept and travel with each request; the oldest are dropped."""
MAXIMUM_VARIABLES = 16
"""That a dialog may give the dialplan; further ones are dropped."""
MAXIMUM_KEYS = 128
"""Of one turn. A Brazilian bill has 47."""


DialogState = dict[str, JsonValue]
"""What a dialog remembers of a call: a small JSON object."""


LegName = Literal["caller", "return"]
"""Of a call's connections: the caller's, or the second one, on the extension's return port."""


class HistoryEntry(Record):
    """One thing that was said in this call and was heard."""

    speaker: Literal["caller", "server"]
    """`caller`: who is on that leg."""
    text: str
    leg: LegName = "caller"


class ListenOptions(Record):
    """How one answer is listened to; the media worker keeps it until that answer. Unset: the extension's."""

    end_silence_ms: int | None = None
    hot_words: tuple[str, ...] = ()
    expected_words: tuple[str, ...] = ()
    initial_prompt: str | None = None
    language: str | None = None
    no_input_s: float | None = None


Role = Literal["media", "gateway", "observer", "supervisor", "web"]
"""Of a process on a link; an observer is a command, or the web process with one question."""


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
    role: Role
    name: str


# Media worker → gateway


class CallStarted(Message):
    """A call exists, and what it is.

    Repeated whenever the gateway becomes ready; only `is_admitted` changes.
    """

    call_id: str
    extension: str
    started_at_s: float = 0.0
    """Seconds since 1970-01-01 UTC, for people and records; never for a deadline."""
    caller_number: str | None = None
    """None: the dialplan did not say."""
    caller_name: str | None = None
    is_admitted: bool = False
    """Whether it has been admitted before: then it is not asked again."""
    was_invited: bool = False
    """Whether it used an invitation: all media workers are to forget that, whichever gateway made it."""
    settings: Extension | None = None
    """What the call began with; another gateway may know the extension as it is now, or not any more."""


class TurnRequest(TurnMessage):
    """Base of what starts a turn."""

    history: tuple[HistoryEntry, ...]
    state: DialogState = Field(default_factory=dict)
    """What the dialog remembers of the call."""
    leg: LegName = "caller"
    """Where it happened."""
    interrupted: str | None = None
    """What had been heard of the answer that the caller interrupted with this; None: interrupted none."""
    language: str | None = None
    """Of the call, found out at its first utterance; None: the extension's first."""
    has_return_leg: bool = False


class Greet(TurnRequest):
    """The call has just begun: say something first."""


class Utterance(TurnRequest):
    """The caller said something."""

    audio: bytes
    listening: ListenOptions = ListenOptions()


class TranscribeAhead(TurnMessage):
    """The caller paused: begin to transcribe; `turn` is the number the utterance will have if it is over."""

    audio: bytes
    language: str | None = None
    """As in `TurnRequest`."""
    listening: ListenOptions = ListenOptions()


class DropAhead(TurnMessage):
    """The caller went on: what was begun for that turn is of no use."""


class CancelTurn(TurnMessage):
    """The caller interrupted: stop everything still under way for this turn."""


class StopSaying(TurnMessage):
    """A key was pressed: nothing more of this turn is heard. Its dialog may go on for a moment, so that keys
    that it asks for after its question can be taken together."""


class WorkerHealth(Message):
    """How the media worker does; every second."""

    health: MediaHealth


class Digits(TurnRequest):
    """The caller pressed keys, in this order."""

    digits: str = Field(repr=False)
    is_complete: bool = True
    """False: they were collected, and too few came in time."""


class NoInput(TurnRequest):
    """Nothing came for `no_input_s` after the end of the answer."""

    times: int
    """In a row."""


class LegChanged(TurnRequest):
    """The second connection is there, or gone."""

    is_there: bool


class CallEnded(Message):
    """A call is over; drop its turn if one is running. To be acknowledged, else it is sent again."""

    record: CallRecord
    is_repeated: bool = False
    """Whether it may have been taken before, also by an earlier gateway."""
    history: tuple[HistoryEntry, ...] = ()
    state: DialogState = Field(default_factory=dict)
    language: str | None = None
    """As in `TurnRequest`, for the dialog's last event."""


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
    """The call is not taken: play the busy phrase, then hang up."""

    call_id: str
    reason: str


class PhrasesReady(Message):
    """Common phrases have been rendered: those that are missing can be read from the cache's directory."""


class Heard(TurnMessage):
    """The utterance's words."""

    text: str
    was_ahead: bool = False
    """Whether the transcription was begun at a pause."""
    language: str | None = None
    """Of the call from now on: found out at its first utterance; None: as before."""


class SentenceAudio(TurnMessage):
    """A piece of one sentence, in order. The last one may be empty."""

    leg: LegName = "caller"
    """Who hears it."""
    may_interrupt: bool = True
    """Whether speech may stop it."""

    sentence: int
    text: str
    audio: bytes
    is_last: bool
    """Whether the sentence ends with this piece."""
    stages: StageTimes


class PlayTone(TurnMessage):
    """Play a continuous tone until the call ends."""

    frequency_hz: FiniteFloat


class ListenTo(TurnMessage):
    """How to listen to a leg's next answer."""

    leg: LegName
    options: ListenOptions


class KeysWanted(TurnMessage):
    """Take a leg's next keys together."""

    leg: LegName
    count: int | None
    terminator: str | None
    gap_s: FiniteFloat


class HangUp(TurnMessage):
    """End the call, or the return leg alone, once everything queued has been played."""

    leg: LegName = "caller"

    transfer_to: str | None = None
    """Where the dialplan is to connect the caller; None: nowhere."""
    reason: str = ""


class VariableSet(TurnMessage):
    """The dialplan gets this variable when the call is over."""

    name: str
    value: str


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


# Supervisor ↔ gateway


class ExtensionsChanged(Message):
    """The extensions from now on, for new calls; the first message of a gateway, and sent at each change.

    A lower version than the one that is held is ignored.
    """

    book: ExtensionBook
    problems: dict[str, str] = Field(default_factory=dict)
    """Why an extension takes no calls, by its name: its port is another program's."""


class ExtensionsTaken(Message):
    """The answer to `ExtensionsChanged`: the gateway serves by it from now on, unless there is a problem."""

    version: int
    problem: str | None = None


# Supervisor → media worker, over a socket pair that also passes the listening sockets


class ExtensionSet(Message):
    """Serve new calls of an extension by these settings."""

    extension: Extension
    legs: tuple[LegName, ...] | None = None
    """Of each listening socket that comes with it, which are all it has from now on; None: those it had."""


class ExtensionRemoved(Message):
    """Close an extension's socket; its running calls go on."""

    name: str


class DrainWithin(Message):
    """When SIGTERM comes, running calls may finish for this long."""

    deadline_s: float


# Observer, web ↔ gateway


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


class BeginRequest(Message):
    """Ask for a place for a call that will come: busy is known before the PBX answers its caller."""

    extension: str
    caller_number: str | None = None
    caller_name: str | None = None
    priority: Priority | None = None
    """None: the extension's own."""
    language: str | None = None
    source: str | None = None
    """Address that the call must come from; None: any that may connect."""


class BeginReply(Message):
    """Whether the call may come, and with which UUID."""

    call_id: str
    is_admitted: bool
    reason: str
    """Why not; empty if it may."""
    expires_in_s: float
    is_mistake: bool = False
    """Whether the question itself was wrong."""


class Follow(Message):
    """Send every `TurnFinished` and `CallEnded` on this link from now on, to a web process."""


# Gateway → media worker, for calls that will come


class Invited(Message):
    """A call with this UUID may come, once, within this time."""

    call_id: str
    extension: str
    expires_in_s: float
    caller_number: str | None = None
    caller_name: str | None = None
    priority: Priority | None = None
    language: str | None = None
    source: str | None = None


class InvitationSpent(Message):
    """The UUID was used at another media worker, or its time is over."""

    call_id: str


# Media worker ↔ web


class CallSeen(Message):
    """A call is new, or something of it has changed. All calls are sent on a new link."""

    call: LiveCall


class CallGone(Message):
    """A call is over."""

    call_id: str
    outcome: CallOutcome | None = None
    """None: not known."""


class EndCall(Message):
    """The operator hangs up."""

    call_id: str


# Web, commands ↔ supervisor


class ExtensionsRequest(Message):
    """Ask for the extensions as they are now."""


class PutExtension(Message):
    """Add the extension of that name, or replace it."""

    name: str
    settings: dict[str, JsonValue]
    """As in the table `[extensions.NAME]`."""


class RemoveExtension(Message):
    """Take an extension away; its running calls go on."""

    name: str


class ReloadRequest(Message):
    """Read the configuration again."""


class DrainRequest(Message):
    """Refuse new calls, let running ones end, then stop the server."""

    deadline_s: float | None = Field(default=None, ge=0.0, le=86_400.0, allow_inf_nan=False)
    """None: `server.drain_deadline_s`."""


class ControlReply(Message):
    """The answer to each of these."""

    problem: str | None = None
    """Why it was refused: lines for people; None: it was done."""
    waiting: tuple[str, ...] = ()
    """What only the next start takes up."""
    book: ExtensionBook
    ports: dict[str, int]
    """That each extension has."""
    return_ports: dict[str, int] = Field(default_factory=dict)
    """That an extension has for return legs."""
    problems: dict[str, str] = Field(default_factory=dict)
    """Why an extension takes no calls, by its name."""
    tables: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """What is set for each extension but the server's own, as in its table `[extensions.NAME]`."""
    source_problem: str | None = None
    """Why the extensions of the database are not followed; None: they are, or there is no database."""
