"""What came of one turn of a conversation without audio: what was said on which leg, what else was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingress.configuration.extensions import Phrase
from ingress.dialogs.base import (
    CallerPressed,
    CollectKeys,
    DialogAction,
    DialogEvent,
    EndCall,
    LegLeft,
    Listen,
    Transfer,
)
from ingress.link.messages import DialogState, LegName


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence, or a file, that was said on a leg."""

    text: str
    leg: LegName = "caller"
    phrase: Phrase | None = None
    """Which of the server's own phrases it is; those are not in the history."""
    may_interrupt: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What a dialog did about one event."""

    leg: LegName = "caller"
    """Where the event happened; the caller's, if that was the end of the other one."""
    spoken: tuple[Spoken, ...] = ()
    """What was heard, on both legs, in order."""
    unheard: tuple[Spoken, ...] = ()
    """What was said on a leg that is not there."""
    actions: tuple[DialogAction, ...] = ()
    """All that was yielded, in order."""
    failure: str | None = None
    """Why the turn failed, as the log has it."""

    @property
    def text(self) -> str:
        """What was heard where the event happened."""
        return self.on(self.leg)

    def on(self, leg: LegName) -> str:
        """Return what was heard on a leg."""
        return " ".join(spoken.text for spoken in self.spoken if spoken.leg == leg)

    def __add__(self, later: Answer) -> Answer:
        """Return both as one, of the first one's leg."""
        return Answer(
            self.leg,
            self.spoken + later.spoken,
            self.unheard + later.unheard,
            self.actions + later.actions,
            self.failure or later.failure,
        )


@dataclass(eq=False, slots=True)
class Turn:
    """A turn and what came of it so far."""

    event: DialogEvent
    leg: LegName
    """Where the event happened."""
    state: DialogState
    interrupted_after: str | None
    spoken: list[Spoken] = field(default_factory=list)
    unheard: list[Spoken] = field(default_factory=list)
    actions: list[DialogAction] = field(default_factory=list)
    end: EndCall | Transfer | None = None
    ends_return_leg: bool = False
    interrupted: str | None = None
    """What had been heard of the answer that was interrupted before it; None: none was."""
    state_before: DialogState = field(init=False)

    def __post_init__(self) -> None:
        self.state_before = self.state

    @property
    def hearer(self) -> LegName:
        """Who hears what the dialog does not address: where the event happened, if somebody is there."""
        return "caller" if isinstance(self.event, LegLeft) else self.leg

    def heard_on(self, leg: LegName) -> list[Spoken]:
        """Return what was heard of the dialog's own words on a leg."""
        return [spoken for spoken in self.spoken if spoken.leg == leg and spoken.phrase is None]


@dataclass(eq=False, slots=True)
class Leg:
    """One connection of the call, and what its next turn depends on."""

    listening: Listen | None = None
    """How its next answer is listened to, if the dialog said."""
    collecting: CollectKeys | None = None
    """The keys that the dialog waits for."""
    last: Turn | None = None
    """The turn whose answer it heard last, unless that was interrupted."""
    interrupted: str | None = None
    """What had been heard of an answer that was; for the next turn."""
    silences: int = 0
    """In a row."""


def sentence_of(spoken: Sequence[Spoken], text: str) -> Spoken:
    found = next((each for each in spoken if each.text == text), None)
    if found is None:
        raise ValueError(f"the answer did not contain {text!r}, but {[each.text for each in spoken]}")
    return found


def collected(keys: str, wanted: CollectKeys, leg: LegName) -> CallerPressed:
    """Return the event that keys are, with nothing pressed after them."""
    count, terminator = wanted.count, wanted.terminator
    for number, key in enumerate(keys):
        if key == terminator:
            taken, digits = number + 1, keys[:number]
            break
        if number + 1 == count:
            taken = count
            digits = keys[:taken]
            break
    else:
        return CallerPressed(keys, is_complete=count is None and terminator is None, leg=leg)
    if taken < len(keys):
        raise ValueError(f"complete after {taken} keys: press the others by themselves")
    return CallerPressed(digits, leg=leg)
