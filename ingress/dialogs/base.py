"""The interface of a dialog: events and the call in, actions out.

One object serves all calls. `respond` is called once per turn and yields what to do, in order; it may wait
(for a language model, a database): each `Say` is spoken as soon as it is yielded. The turn ends when the
iterator ends; if the caller interrupts or hangs up first, the iterator is closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel

from actors.plugins.mistakes import own_settings
from actors.settings import Section, table_name
from ingress.configuration.settings import DialogSettings
from ingress.link.messages import DialogState, HistoryEntry, LegName


@dataclass(frozen=True, slots=True)
class DialogCall:
    """The call that an event belongs to: what it is, what was said, and what the dialog remembers of it."""

    call_id: str
    """Its AudioSocket UUID."""
    extension: str
    language: str
    caller_number: str | None
    """None: the dialplan did not say."""
    caller_name: str | None
    started_at: datetime
    """UTC."""
    history: Sequence[HistoryEntry]
    """What was said so far and was heard, oldest first; each entry has its leg."""
    state: DialogState
    """The dialog's own notes: a small JSON object, empty at first, changed in place. It comes back with the
    next event, also from another gateway. What an answer changes of which nothing was heard is undone."""
    has_return_leg: bool = False
    """Whether the call's second connection is there."""


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The caller is on the line; greet, or stay silent."""


@dataclass(frozen=True, slots=True)
class CallerSaid:
    """Somebody said something and it was understood."""

    text: str
    confidence: float | None = None
    """0..1, the mean probability of a token; None: the engine does not say."""
    language: str | None = None
    """That was heard; None: the engine does not say."""
    language_probability: float | None = None
    """0..1; None: it was not estimated."""
    expected: str | None = None
    """Which of the words that `Listen` expected it was, or contains; None: none of them, or more than one."""
    leg: LegName = "caller"


@dataclass(frozen=True, slots=True)
class CallerNotUnderstood:
    """Somebody said something and no words could be made of it. Never a default consent."""

    leg: LegName = "caller"


@dataclass(frozen=True, slots=True)
class NothingHeard:
    """Nobody said anything, nor pressed a key, for `call_limits.no_input_s` after the end of the answer.

    A dialog that does nothing about it has the extension's phrase said ("Are you still there?").
    """

    times: int
    """How often in a row: 1 is the first. After `call_limits.no_input_times` the call ends."""
    leg: LegName = "caller"


@dataclass(frozen=True, slots=True)
class CallerPressed:
    """A key was pressed; or several, in this order, while the turn before was under way; or those that
    `CollectKeys` asked for."""

    digits: str
    """Without the terminator of `CollectKeys`."""
    is_complete: bool = True
    """False: `CollectKeys` wanted more, and `gap_s` passed without another key."""
    leg: LegName = "caller"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An answer was interrupted. Comes before the event that tells what was said or pressed instead, in the
    same turn. What the dialog then remembers counts; nothing that it yields is done, and it ends there."""

    heard: str
    """The sentences of the answer that had been heard whole; empty: none."""
    leg: LegName = "caller"


@dataclass(frozen=True, slots=True)
class LegJoined:
    """The call's second connection is there, on the extension's return port."""

    leg: LegName = "return"


@dataclass(frozen=True, slots=True)
class LegLeft:
    """The second connection has ended; the call goes on with its caller."""

    leg: LegName = "return"


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over. Nothing can be done any more: what is yielded is ignored.

    After a loss of the gateway it may come twice, or, with its last media worker, never.
    """

    result: str
    """As in RAYMAL_RESULT."""
    reason: str


DialogEvent = (
    CallBegan
    | CallerSaid
    | CallerNotUnderstood
    | NothingHeard
    | CallerPressed
    | Interrupted
    | LegJoined
    | LegLeft
    | CallEnded
)


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text; long ones are spoken sentence by sentence."""

    text: str
    is_fixed: bool = False
    """Whether the wording is the same for every caller: only such audio may be kept on disk. Never for
    anything that repeats what a caller said."""
    short: str | None = None
    """A shorter wording, as fixed as the long one: said while the system is loaded, unless the long one
    is ready in the cache."""
    may_interrupt: bool = True
    """Whether speech may stop it, if `barge_in` allows that at all. A key always does."""
    leg: LegName | None = None
    """Who hears it; None: who the event came from."""


@dataclass(frozen=True, slots=True)
class PlayFile:
    """Play a WAV file of this machine: mono, 16 bits, any rate. Counts as heard by its name."""

    path: str
    """Below the folder `dialog.audio_folder`: anything else is refused."""
    may_interrupt: bool = True
    leg: LegName | None = None
    """As in `Say`."""


@dataclass(frozen=True, slots=True)
class Listen:
    """How to listen to the next answer of a leg; for that one alone. Unset: as the extension has it."""

    end_silence_ms: int | None = None
    """Silence that ends it: long for a number that is read from paper, short for a yes."""
    hot_words: Sequence[str] = ()
    """Names and terms that may come, for the speech model."""
    expected_words: Sequence[str] = ()
    """The answers that are expected: for the model too, and `CallerSaid.expected` tells which it was."""
    initial_prompt: str | None = None
    """What the conversation is about, in a few words that the answer may have, for the speech model."""
    language: str | None = None
    """Of the answer."""
    no_input_s: float | None = None
    leg: LegName | None = None
    """Whose answer; None: of who the event came from."""


@dataclass(frozen=True, slots=True)
class CollectKeys:
    """Take the next keys of a leg together: they come as one `CallerPressed`."""

    count: int | None = None
    """After so many it is complete; None: only a terminator or the gap ends it."""
    terminator: str | None = "#"
    """The key that completes it; None: none."""
    gap_s: float = 3.0
    """This long after a key without another one it ends, incomplete if `count` or a terminator was wanted.
    Before the first key `call_limits.no_input_s` counts."""
    leg: LegName | None = None


@dataclass(frozen=True, slots=True)
class PlayContinuousTone:
    """Play a tone until the call ends."""

    frequency_hz: float


@dataclass(frozen=True, slots=True)
class EndCall:
    """Hang up once everything before has been played; the dialplan goes on."""

    reason: str = ""
    """For the dialplan (RAYMAL_REASON) and the record: never what a caller said."""
    leg: LegName = "caller"
    """`return`: that connection alone; the call goes on with its caller."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """End the call as `EndCall` does, and have the dialplan connect the caller elsewhere."""

    target: str
    """RAYMAL_TARGET: letters, digits and `_+*#.@-`, 64 at most. Take it from a fixed list, never from what a
    caller said."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SetVariable:
    """Give the dialplan a variable when the call is over: RAYMAL_VAR_`name`."""

    name: str
    """Capital letters, digits and `_`, a letter first, 32 at most."""
    value: str
    """One line of 256 characters at most."""


DialogAction = Say | PlayFile | Listen | CollectKeys | PlayContinuousTone | EndCall | Transfer | SetVariable


class Dialog(ABC):
    """Base class: a dialog needs nothing but `respond`."""

    needs_speech: ClassVar[bool] = True
    """Whether turns need transcription and synthesis; without it no engine is loaded."""

    fixed_texts: Sequence[str] = ()
    """What it says in the same words to every caller: synthesized before the first of them needs it."""

    Settings: ClassVar[type[BaseModel]] = Section
    """The model of the dialog's own settings, `[dialog.NAME]`; this default has none."""

    settings: Any
    """An instance of `Settings`."""

    def __init__(self, settings: DialogSettings | None = None) -> None:
        """Read the own settings from the extension's `[dialog]`. Raises ConfigurationError."""
        chosen = settings or DialogSettings()
        where = f"dialog.{table_name(chosen.name)}"
        self.settings = own_settings(self.Settings, chosen.own_table(chosen.name), where)

    @classmethod
    def pinned(cls, table: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the own settings with what tells the files that they name from other versions of them.

        It is called when settings are read, and again at each reload: what it returns is then compared, and
        is what the dialog is made of. Raises ConfigurationError.
        """
        return table

    def fixed_texts_in(self, language: str) -> Sequence[str]:
        """Return what it says in the same words to every caller of a language: the `fixed_texts`, if all."""
        return self.fixed_texts

    def unreachable(self) -> Sequence[str]:
        """Return what it needs and cannot reach now, a line for each; may take seconds. For `--check`."""
        return ()

    async def close(self) -> None:
        """Close what it keeps open, such as connections: the gateway ends. Its calls have ended before."""
        return None

    @abstractmethod
    def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Yield what to do about `event`."""
