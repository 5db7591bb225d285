"""One utterance under one condition: what was heard of it, and what became of it. Pure.

| outcome | when |
|---|---|
| not heard | no turn came of it: the caller is not answered |
| right | the words of its turns together are those that were said |
| not understood | else, if the dialog is told so of one of its turns at least |
| wrong | else: the dialog believes other words |

A turn that begins when the caller has finished, or is over before he begins, is none of the utterance's: if
it has words they are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import jiwer

from benchmarks.hearing.material import Kind
from benchmarks.hearing.spoken_form import letters, words

COUNTED = (Kind.DIGITS, Kind.REPEATED)
"""Kinds where one more or one less is another answer."""
AFTER_END_S = 0.1
"""A turn whose audio begins later than this before the end of the speech is not the utterance's."""


class Side(StrEnum):
    """Whose transcription."""

    OURS = "ours"
    STOCK = "stock"


class Outcome(StrEnum):
    """What became of an utterance."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_UNDERSTOOD = "not understood"
    NOT_HEARD = "not heard"


@dataclass(frozen=True, slots=True)
class Transcription:
    """What one side made of one turn."""

    text: str
    """Empty: not understood."""
    decodes: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn as both sides transcribed it."""

    begins_s: float
    last_speech_s: float
    decided_s: float
    """When it was sure that it is over."""
    ours: Transcription
    stock: Transcription

    def of(self, side: Side) -> Transcription:
        """Return one side's transcription."""
        return self.ours if side is Side.OURS else self.stock


@dataclass(frozen=True, slots=True)
class Trial:
    """What was said, and what was heard."""

    condition: str
    name: str
    kind: Kind
    language: str
    extension_language: str
    """In which it was transcribed."""
    said: str
    duration_s: float
    ends_s: float
    """The last sound of the speech, in the time of the turns."""
    turns: tuple[Turn, ...]
    """In order; those before and after the utterance as well."""
    noises: int = 0
    """Sounds that were dropped and counted."""
    fault: str = ""
    """Why the server ended the call before its time."""

    @property
    def is_foreign(self) -> bool:
        """Whether it was said in another language than the extension's: it cannot be understood."""
        return self.language != self.extension_language

    @property
    def own_turns(self) -> tuple[Turn, ...]:
        """The utterance's."""
        first_s, last_s = self.ends_s - self.duration_s, self.ends_s - AFTER_END_S
        return tuple(turn for turn in self.turns if turn.begins_s < last_s and turn.last_speech_s > first_s)

    @property
    def end_delay_s(self) -> float | None:
        """From the last sound to the decision that the utterance is over; None if it was taken before."""
        delays_s = (turn.decided_s - self.ends_s for turn in self.own_turns)
        return next((delay_s for delay_s in delays_s if delay_s >= 0.0), None)

    def heard(self, side: Side) -> str:
        """Return the words of the utterance's turns."""
        return " ".join(turn.of(side).text for turn in self.own_turns if turn.of(side).text)

    def invented(self, side: Side) -> list[str]:
        """Return the words of each other turn that has any."""
        own = self.own_turns
        return [turn.of(side).text for turn in self.turns if turn not in own and turn.of(side).text]

    def outcome(self, side: Side) -> Outcome:
        """Return what became of it."""
        if not self.own_turns:
            return Outcome.NOT_HEARD
        if "".join(self._words(self.heard(side))) == "".join(self._words(self.said)):
            return Outcome.RIGHT
        if all(turn.of(side).text for turn in self.own_turns):
            return Outcome.WRONG
        return Outcome.NOT_UNDERSTOOD

    def is_miscounted(self, side: Side) -> bool:
        """Whether the dialog believes that more or fewer digits, or repeated words, were said."""
        if self.kind not in COUNTED or self.outcome(side) is not Outcome.WRONG:
            return False
        return len(self._words(self.heard(side))) != len(self._words(self.said))

    def errors(self, side: Side) -> tuple[int, int]:
        """Return the word errors, and the words that were said."""
        said, heard = (" ".join(self._words(text)) for text in (self.said, self.heard(side)))
        found = jiwer.process_words(said, heard)
        return (
            found.substitutions + found.deletions + found.insertions,
            found.hits + found.substitutions + found.deletions,
        )

    def decodes(self, side: Side) -> list[int]:
        """Return how many decodes each turn took."""
        return [turn.of(side).decodes for turn in self.turns]

    def cpu_s(self, side: Side) -> float:
        """Return what its transcription cost."""
        return sum(turn.of(side).cpu_s for turn in self.turns)

    def _words(self, text: str) -> list[str]:
        if self.kind is Kind.LETTERS:
            return letters(text, self.language)
        return words(text, self.language, joins_numbers=self.kind is Kind.NUMBERS)


@dataclass(frozen=True, slots=True)
class NoiseTrial:
    """A noise alone, and the turns that came of it."""

    noise: str
    seconds: float
    turns: tuple[Turn, ...]
    noises: int
    fault: str = ""

    def invented(self, side: Side) -> list[str]:
        """Return the words of each turn that has any."""
        return [turn.of(side).text for turn in self.turns if turn.of(side).text]
