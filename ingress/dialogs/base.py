"""The interface of a dialog: events and the call in, actions out.

One object serves all calls. `respond` is called once per turn and yields what to do, in order; it may wait
(for a language model, a database): each `Say` is spoken as soon as it is yielded. The turn ends when the
iterator ends; if the caller interrupts or hangs up first, the iterator is closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel

from actors.plugins.mistakes import own_settings
from actors.settings import Section, table_name
from ingress.configuration.settings import DialogSettings
from ingress.link.messages import DialogState, HistoryEntry


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
    """What was said so far and was heard, oldest first."""
    state: DialogState
    """The dialog's own notes: a small JSON object, empty at first, changed in place. It comes back with the
    next event, also from another gateway. What an answer changes of which nothing was heard is undone."""


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The caller is on the line; greet, or stay silent."""


@dataclass(frozen=True, slots=True)
class CallerSaid:
    """The caller said something and it was understood."""

    text: str


@dataclass(frozen=True, slots=True)
class CallerNotUnderstood:
    """The caller said something and no words could be made of it. Never a default consent."""


@dataclass(frozen=True, slots=True)
class CallerPressed:
    """The caller pressed a key; or several, in this order, while the turn before was under way."""

    digits: str


DialogEvent = CallBegan | CallerSaid | CallerNotUnderstood | CallerPressed


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


@dataclass(frozen=True, slots=True)
class PlayContinuousTone:
    """Play a tone until the call ends."""

    frequency_hz: float


@dataclass(frozen=True, slots=True)
class EndCall:
    """Hang up once everything before has been played; the dialplan goes on."""

    reason: str = ""
    """For the dialplan (RAYMAL_REASON) and the record: never what a caller said."""


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


DialogAction = Say | PlayContinuousTone | EndCall | Transfer | SetVariable


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

    def fixed_texts_in(self, language: str) -> Sequence[str]:
        """Return what it says in the same words to every caller of a language: the `fixed_texts`, if all."""
        return self.fixed_texts

    @abstractmethod
    def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Yield what to do about `event`."""
