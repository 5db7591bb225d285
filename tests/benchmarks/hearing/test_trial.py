"""What becomes of an utterance, and what of it is whose."""

from __future__ import annotations

import pytest

from benchmarks.hearing.material import Kind
from benchmarks.hearing.trial import NoiseTrial, Outcome, Side, Transcription, Trial, Turn

OURS, STOCK = Side.OURS, Side.STOCK


def turn(begins_s: float, decided_s: float, ours: str, stock: str = "", decodes: int = 1) -> Turn:
    """A turn, its texts, and 0.1 and 1 s of CPU time."""
    mine, theirs = Transcription(ours, decodes, 0.1), Transcription(stock, 1, 1.0)
    return Turn(begins_s, decided_s - 0.5, decided_s, mine, theirs)


def trial(said: str, *turns: Turn, kind: Kind = Kind.DIGITS, language: str = "en") -> Trial:
    """An utterance that ends at 3 s."""
    return Trial("-20 dBFS", "name", kind, language, language, said, 2.2, 3.0, turns)


@pytest.mark.parametrize(
    ("texts", "outcome"),
    [
        ((), Outcome.NOT_HEARD),
        (("1 2 1",), Outcome.RIGHT),
        (("One,", "two, one."), Outcome.RIGHT),
        (("1 2",), Outcome.WRONG),
        (("",), Outcome.NOT_UNDERSTOOD),
        (("1 2", ""), Outcome.NOT_UNDERSTOOD),
        (("1 2 1", ""), Outcome.RIGHT),
    ],
)
def test_an_utterance_has_one_outcome(texts: tuple[str, ...], outcome: Outcome) -> None:
    """Words of several turns count together; who is told that a part is missing is not sure."""
    turns = [turn(0.5 + place, 1.5 + place, text) for place, text in enumerate(texts)]
    assert trial("one two one", *turns).outcome(OURS) is outcome


def test_both_sides_are_judged_alike() -> None:
    """Each by its own words."""
    tried = trial("one two", turn(0.5, 3.5, "1 2", "12 and 2"))
    assert [tried.outcome(side) for side in Side] == [Outcome.RIGHT, Outcome.WRONG]
    assert [tried.errors(side) for side in Side] == [(0, 2), (2, 2)]
    assert [tried.cpu_s(side) for side in Side] == [0.1, 1.0]


def test_a_turn_beside_the_utterance_is_invented() -> None:
    """Its words are not the utterance's, its cost is counted, and a turn without words is nothing."""
    before, after = turn(-0.2, 1.2, "you"), turn(3.6, 6.0, "thank you", decodes=2)
    tried = trial("one two", before, turn(0.5, 3.5, "1, 2"), after, turn(6.1, 8.0, ""))
    assert tried.heard(OURS) == "1, 2"
    assert tried.invented(OURS) == ["you", "thank you"]
    assert tried.invented(STOCK) == []
    assert tried.decodes(OURS) == [1, 1, 2, 1]
    assert tried.outcome(OURS) is Outcome.RIGHT


@pytest.mark.parametrize(
    ("turns", "delay_s"),
    [
        ((), None),
        (((0.5, 3.5),), 0.5),
        (((0.5, 2.0), (2.1, 3.6)), 0.6),
        (((0.5, 2.8),), None),
        (((3.2, 5.0),), None),
        (((0.5, 9.5),), 6.5),
    ],
)
def test_the_end_of_a_turn_is_measured_from_the_last_sound(
    turns: tuple[tuple[float, float], ...], delay_s: float | None
) -> None:
    """Of the turn that is under way then; one that ended before, or began after, has no delay."""
    tried = trial("one", *(turn(begins_s, decided_s, "1") for begins_s, decided_s in turns))
    assert tried.end_delay_s == pytest.approx(delay_s)


@pytest.mark.parametrize(
    ("kind", "heard", "is_miscounted"),
    [
        (Kind.DIGITS, "1 1 1 1", True),
        (Kind.DIGITS, "1 1", True),
        (Kind.DIGITS, "1 1 2", False),
        (Kind.DIGITS, "111", False),
        (Kind.DIGITS, "", False),
        (Kind.SENTENCES, "1 1", False),
    ],
)
def test_one_more_or_fewer_is_counted_where_it_matters(kind: Kind, heard: str, is_miscounted: bool) -> None:
    """Another digit is wrong, but not that; who does not understand is not sure."""
    tried = trial("one one one", turn(0.5, 3.5, heard), kind=kind)
    assert tried.is_miscounted(OURS) is is_miscounted


def test_spelled_letters_are_words() -> None:
    """One wrong letter of three is a third."""
    tried = trial("B O B", turn(0.5, 3.5, "B-O-D", "Bob"), kind=Kind.LETTERS)
    assert [tried.errors(side) for side in Side] == [(1, 3), (0, 3)]


def test_of_noise_every_word_is_invented() -> None:
    """By turns; those without words are none."""
    noise = NoiseTrial("babble", 300.0, (turn(0, 5, "a b"), turn(6, 9, "", "c")), noises=3)
    assert [noise.invented(side) for side in Side] == [["a b"], ["c"]]
