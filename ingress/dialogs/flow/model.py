"""What a flow is, once it is read and checked (docs/flows.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from actors.checks.languages import primary
from ingress.dialogs.flow.document import Place
from ingress.link.messages import LegName

AGAIN = "again"
"""In place of a step's name: the question that is being asked, once more."""
BACK = "back"
"""The question that was left by a branch of `anywhere`."""


class SlotKind(StrEnum):
    """What a slot holds, and so how an answer is understood."""

    NUMBER = "number"
    DIGITS = "digits"
    YES_NO = "yes_no"
    DATE = "date"
    NAME = "name"
    """One of a list."""
    OWN_NAME = "own_name"
    """Free, without "my name is"."""
    TEXT = "text"
    VALUE = "value"
    """Never asked: from a look-up."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One of a list of names."""

    name: str
    aliases: tuple[str, ...] = ()
    keys: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    """What else the list says of it, for prompts, transfers and variables."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Something to find out."""

    name: str
    place: Place
    kind: SlotKind
    minimum: int = 0
    maximum: int = 999_999
    """Of a number; of digits, how many; of a date, how many days from today."""
    entries: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Text:
    """One wording, with `{slots}`."""

    place: Place
    text: str
    short: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is said, by language."""

    place: Place
    texts: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Target:
    """The name of a step, `again` or `back`, and where it is written."""

    place: Place
    step: str


@dataclass(frozen=True, slots=True)
class Branch:
    """Words or keys that lead somewhere."""

    place: Place
    words: Mapping[str, tuple[str, ...]]
    """By language."""
    keys: tuple[str, ...]
    target: Target


@dataclass(frozen=True, slots=True)
class ListenChoice:
    """How the answer is listened to."""

    end_silence_ms: int | None = None
    no_input_s: float | None = None
    hot_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeysChoice:
    """How keys are collected; unset: as the slot's kind needs it."""

    count: int | None = None
    terminator: str | None = "#"
    gap_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A question: an answer for a slot, or one of the branches."""

    slot: str | None
    slot_place: Place
    branches: tuple[Branch, ...]
    next: Mapping[str, Target]
    """By the answer; `""`: any other."""
    confirm: Prompt | None
    again: Prompt | None
    silence: Prompt | Target | None
    not_understood: Prompt | Target | None
    meanwhile: Prompt | None
    retries: int
    failed: Target | None
    left: Target | None
    listen: ListenChoice
    keys: KeysChoice | None


@dataclass(frozen=True, slots=True)
class WaitForLeg:
    """Wait until the other connection of the call is there."""

    timeout_s: float
    next: Target
    failed: Target | None
    meanwhile: Prompt | None


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask one of the operator's HTTP services."""

    place: Place
    name: str
    values: Mapping[str, Text]
    """Sent, with `{slots}`."""
    store: Mapping[str, tuple[str, ...]]
    """Slot to the path of its value in the answer."""
    next: Target
    failed: Target | None


@dataclass(frozen=True, slots=True)
class Switch:
    """Go on by what a slot holds."""

    place: Place
    slot: str
    cases: Mapping[str, Target]
    next: Target | None


@dataclass(frozen=True, slots=True)
class HandOver:
    """End the call with a transfer."""

    place: Place
    target: str
    """With `{slot.field}` of lists only."""
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """End the call."""

    reason: str


@dataclass(frozen=True, slots=True)
class HangUpLeg:
    """End the other connection alone."""

    next: Target


@dataclass(frozen=True, slots=True)
class Go:
    """Go on at once."""

    next: Target


Act = Ask | WaitForLeg | LookUp | Switch | HandOver | End | HangUpLeg | Go


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is said, then what is done."""

    name: str
    place: Place
    say: Prompt | None
    play: str | None
    leg: LegName
    may_interrupt: bool
    variables: Mapping[str, Text]
    act: Act

    @property
    def waits(self) -> bool:
        """Whether a turn ends here, until something happens."""
        return isinstance(self.act, Ask | WaitForLeg)

    def targets(self) -> Iterator[Target]:
        """Yield all that it leads to."""
        act = self.act
        match act:
            case Ask():
                yield from act.next.values()
                yield from (branch.target for branch in act.branches)
                others = (act.silence, act.not_understood, act.failed, act.left)
                yield from (target for target in others if isinstance(target, Target))
            case WaitForLeg() | LookUp():
                yield act.next
                if act.failed:
                    yield act.failed
            case Switch():
                yield from act.cases.values()
                if act.next:
                    yield act.next
            case Go() | HangUpLeg():
                yield act.next

    def prompts(self) -> Iterator[Prompt]:
        """Yield all that it may say."""
        act = self.act
        others: tuple[object, ...] = ()
        match act:
            case Ask():
                others = (act.confirm, act.again, act.silence, act.not_understood, act.meanwhile)
            case WaitForLeg():
                others = (act.meanwhile,)
        yield from (prompt for prompt in (self.say, *others) if isinstance(prompt, Prompt))


@dataclass(frozen=True, eq=False)
class Flow:
    """A whole flow; two that are read are never equal."""

    files: tuple[str, ...]
    """Its own, then those of its lists of names."""
    digest: str
    """Of what they hold."""
    languages: tuple[str, ...]
    slots: Mapping[str, Slot]
    steps: Mapping[str, Step]
    start: str
    anywhere: tuple[Branch, ...]
    failed: Target | None
    left: Target | None

    def language(self, code: str) -> str:
        """Return which of its languages is spoken in a call: the call's, else the first."""
        own = primary(code)
        return own if own in self.languages else self.languages[0]

    @cached_property
    def has_other_leg(self) -> bool:
        """Whether the call's other leg has a part in it."""
        return any(step.leg == "return" or isinstance(step.act, WaitForLeg) for step in self.steps.values())

    @property
    def lookups(self) -> Iterator[LookUp]:
        """Yield the look-ups that it needs."""
        yield from (step.act for step in self.steps.values() if isinstance(step.act, LookUp))
