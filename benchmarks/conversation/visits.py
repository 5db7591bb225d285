"""Who visits whom and what comes of it: forty visits of a language, each written out before it is made.

| kind | what happens | visits | ends with |
|---|---|---|---|
| yes | the resident consents | 8 | allowed |
| no | the resident refuses | 6 | refused |
| unclear | neither: three times; or once, and then a yes or a no | 6 | as scripted |
| silence | the visitor, or the resident, says nothing | 3 | no input; the caretaker |
| visitor hangs up | while the resident is rung | 3 | without a door |
| resident hangs up | once asked | 3 | the caretaker |
| wrong name | of nobody who lives there; then a right one, and consent | 3 | allowed |
| keys | apartment and answer by keys | 5 | as scripted |
| noise | the resident's side is loud: babble, music; then a word, or none | 3 | as scripted |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from benchmarks.conversation.visit_words import APARTMENT_KEYS, NO_KEY, WORDS, YES_KEY, Words
from benchmarks.hearing.noises import Noise
from ingress.link.records import CallResult
from ingress.media.endings import Ending


class Kind(StrEnum):
    """What is special about a visit."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"
    SILENCE = "silence"
    VISITOR_LEAVES = "visitor hangs up"
    RESIDENT_LEAVES = "resident hangs up"
    WRONG_NAME = "wrong name"
    KEYS = "keys"
    NOISE = "noise"


COUNTS = {
    Kind.YES: 8,
    Kind.NO: 6,
    Kind.UNCLEAR: 6,
    Kind.SILENCE: 3,
    Kind.VISITOR_LEAVES: 3,
    Kind.RESIDENT_LEAVES: 3,
    Kind.WRONG_NAME: 3,
    Kind.KEYS: 5,
    Kind.NOISE: 3,
}
STAY_S = 100.0
"""A leg that has no more to say listens until the server ends it."""
INTO_ANSWER_S = 2.5
"""Three of four visitors and residents answer into the question; the fourth hears it to its end."""
ALLOWED, REFUSED = frozenset({"allowed"}), frozenset({"refused"})
NO_INPUT = frozenset({CallResult.NO_INPUT.value})
CARETAKER = frozenset({"resident left"})
NO_DOOR = REFUSED | CARETAKER
GONE = frozenset({Ending.CALLER.value})
"""The dialog gave no reason: the outcome has the server's."""


@dataclass(frozen=True, slots=True)
class Said:
    """A text, spoken."""

    text: str
    into_answer_s: float | None = None
    is_consent: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """Keys."""

    keys: str
    into_answer_s: float | None = None

    @property
    def is_consent(self) -> bool:
        """Whether a resident's key opens."""
        return self.keys == YES_KEY


@dataclass(frozen=True, slots=True)
class Loud:
    """Noise in place of speech."""

    noise: Noise
    seed: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing, for so long."""

    pause_s: float = STAY_S


Act = Said | Keyed | Loud | Silent


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit."""

    kind: Kind
    number: int
    """Among all of its language; also chooses the voices."""
    visitor: tuple[Act, ...]
    resident: tuple[Act, ...]
    """What is done on the return leg once it is rung; it hangs up after the last one."""
    ends: frozenset[str]
    """As `VisitEnd.end` has them."""

    @property
    def consents(self) -> frozenset[int]:
        """Those acts of the resident that are a yes."""
        return frozenset(
            number
            for number, act in enumerate(self.resident)
            if isinstance(act, Said | Keyed) and act.is_consent
        )


def visits(language: str) -> list[Visit]:
    """Return a language's forty, the kinds mixed."""
    words = WORDS[language]
    made: list[Visit] = []
    for kind, count in COUNTS.items():
        made += [_MAKERS[kind](words, number, len(made) + number) for number in range(count)]
    # 11 and 40 have no common factor: each comes once, and neighbours differ in kind.
    return [made[index * 11 % len(made)] for index in range(len(made))]


def _of(texts: Sequence[str], number: int) -> str:
    return texts[number % len(texts)]


def _visitor(words: Words, place: int, stays: bool = True) -> tuple[Act, ...]:
    """Return what a visitor says who is understood: name, whom, and that this is right.

    Who stays says the last again: to the same question, if it was not understood; else while the resident is
    rung or asked, and it must open nothing.
    """
    acts = (*_name(words, place), _answer(_whom(words, place), place), Said(_of(words.right, place)))
    return (*acts, Said(words.right[0]), Silent()) if stays else acts


def _name(words: Words, place: int) -> Iterator[Act]:
    yield Said(_of(words.visitor, place))


def _whom(words: Words, place: int) -> str:
    # Not in step with the names: 3 and 4 have no common factor.
    return _of(words.whom, place * 3 // 2).format(resident=_of(words.residents, place))


def _plain_yes(words: Words) -> Said:
    return Said(words.plain_yes, is_consent=True)


def _answer(text: str, place: int) -> Said:
    return Said(text, INTO_ANSWER_S if place % 4 else None)


def _yes(words: Words, number: int, place: int) -> Visit:
    # Who is asked again says it plainly.
    consent = _answer(_of(words.consent, number), place)
    resident = (replace(consent, is_consent=True), _plain_yes(words), Silent())
    return Visit(Kind.YES, place, _visitor(words, place), resident, ALLOWED)


def _no(words: Words, number: int, place: int) -> Visit:
    resident = (_answer(_of(words.refusal, number), place), Said(words.plain_no), Silent())
    return Visit(Kind.NO, place, _visitor(words, place), resident, REFUSED)


def _unclear(words: Words, number: int, place: int) -> Visit:
    vague = tuple(Said(_of(words.unclear, number + shift)) for shift in range(3))
    visitor = _visitor(words, place)
    match number % 3:
        case 0:
            return Visit(Kind.UNCLEAR, place, visitor, (*vague, Silent()), REFUSED)
        case 1:
            resident = (vague[0], _plain_yes(words), Silent())
            return Visit(Kind.UNCLEAR, place, visitor, resident, ALLOWED)
        case _:
            return Visit(Kind.UNCLEAR, place, visitor, (vague[0], Said(words.plain_no), Silent()), REFUSED)


def _silence(words: Words, number: int, place: int) -> Visit:
    if number == 0:
        return Visit(Kind.SILENCE, place, (Silent(),), (), NO_INPUT)
    return Visit(Kind.SILENCE, place, _visitor(words, place), (Silent(),), CARETAKER)


def _visitor_leaves(words: Words, number: int, place: int) -> Visit:
    visitor = _visitor(words, place, stays=False)
    resident = (Said(words.plain_no), Silent())
    return Visit(Kind.VISITOR_LEAVES, place, visitor, resident, GONE)


def _resident_leaves(words: Words, number: int, place: int) -> Visit:
    resident: tuple[Act, ...] = () if number % 2 == 0 else (Said(_of(words.unclear, number)),)
    return Visit(Kind.RESIDENT_LEAVES, place, _visitor(words, place), resident, CARETAKER)


def _wrong_name(words: Words, number: int, place: int) -> Visit:
    stranger = _of(words.whom, number).format(resident=_of(words.strangers, number))
    right_one = Said(_of(words.residents, place))
    visitor = (*_name(words, place), Said(stranger), right_one, Said(_of(words.right, place)), Silent())
    resident = (Said(_of(words.consent, number), is_consent=True), _plain_yes(words), Silent())
    return Visit(Kind.WRONG_NAME, place, visitor, resident, ALLOWED)


def _keys(words: Words, number: int, place: int) -> Visit:
    visitor = (
        *_name(words, place),
        Keyed(APARTMENT_KEYS, INTO_ANSWER_S if number % 2 else None),
        Said(_of(words.right, place)) if number % 2 else Keyed(YES_KEY),
        Silent(),
    )
    is_yes = number % 2 == 0
    resident = (Keyed(YES_KEY if is_yes else NO_KEY, INTO_ANSWER_S), Silent())
    return Visit(Kind.KEYS, place, visitor, resident, ALLOWED if is_yes else REFUSED)


def _noise(words: Words, number: int, place: int) -> Visit:
    noise = Loud((Noise.BABBLE, Noise.MUSIC, Noise.KNOCKS)[number % 3], f"visit {number}")
    visitor = _visitor(words, place)
    match number % 3:
        case 0:
            return Visit(Kind.NOISE, place, visitor, (noise, noise, noise, Silent()), NO_DOOR)
        case 1:
            resident = (noise, _plain_yes(words), _plain_yes(words), Silent())
            return Visit(Kind.NOISE, place, visitor, resident, ALLOWED)
        case _:
            resident = (noise, Said(words.plain_no), Said(words.plain_no), Silent())
            return Visit(Kind.NOISE, place, visitor, resident, REFUSED)


_MAKERS: dict[Kind, Callable[[Words, int, int], Visit]] = {
    Kind.YES: _yes,
    Kind.NO: _no,
    Kind.UNCLEAR: _unclear,
    Kind.SILENCE: _silence,
    Kind.VISITOR_LEAVES: _visitor_leaves,
    Kind.RESIDENT_LEAVES: _resident_leaves,
    Kind.WRONG_NAME: _wrong_name,
    Kind.KEYS: _keys,
    Kind.NOISE: _noise,
}
