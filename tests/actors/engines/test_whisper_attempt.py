"""What an attempt of whisper's is worth, by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.whisper_attempt import HOPELESS_RUN, Attempt, longest_run
from actors.messages import Doubt

REPETITION, SILENCE, LANGUAGE, GUESS = Doubt.REPETITION, Doubt.SILENCE, Doubt.LANGUAGE, Doubt.GUESS


def attempt(
    text: str = "a few words",
    *,
    surety: float = -0.3,
    no_speech: float = 0.01,
    ended: bool = True,
    language: str = "en",
    probability: float = 0.9,
) -> Attempt:
    return Attempt(text, surety, no_speech, ended, language, probability)


@pytest.mark.parametrize(
    ("found", "is_doubtful", "doubt"),
    [
        (attempt(), False, None),
        (attempt(""), False, None),
        (attempt(ended=False), True, REPETITION),
        (attempt("1, 2, 2, 2."), True, None),
        (attempt("1222"), True, None),
        (attempt("1, 2, 2, 2, 2"), True, REPETITION),
        (attempt("No, no, no, no, no, no."), False, REPETITION),
        (attempt("666666"), False, REPETITION),
        (attempt("Press one to call. " * 12), False, REPETITION),
        (attempt("I was there and did what I could for him. " * 12), False, REPETITION),
        (attempt(surety=-0.82), True, None),
        (attempt(surety=-1.1), True, GUESS),
        (attempt(surety=-1.6), False, GUESS),
        (attempt(no_speech=0.9, surety=-0.2), False, None),  # silence needs both signs
        (attempt("666", no_speech=0.69, surety=-0.56), True, SILENCE),
        (attempt("you", no_speech=0.9, surety=-1.2), False, SILENCE),
        (attempt("you", no_speech=0.9, surety=-2.5, probability=0.05), False, SILENCE),
        (attempt("Is it a car?", probability=0.09), False, LANGUAGE),
        (attempt("Is it a car?", surety=-0.1, probability=0.09), False, None),  # too sure of it
        (attempt("One moment, please.", probability=0.16), False, None),
        (attempt("It is a different thing.", probability=0.29), False, LANGUAGE),  # more words say more
        (attempt("It is a different thing.", probability=0.3), False, None),
        (attempt("Yes, yes, yes.", probability=0.04), True, None),
        (attempt("Monday.", probability=0.02), False, None),  # one word says too little
        (attempt("no hay más mensajes", language="es", probability=0.01), False, LANGUAGE),
        (attempt("no hay más mensajes", language="es", probability=0.03), False, None),
        (attempt("tres, tres, uno", language="es", probability=0.01), False, None),
    ],
)
def test_what_a_first_attempt_is_worth(found: Attempt, is_doubtful: bool, doubt: Doubt | None) -> None:
    """Whether it is decoded again, and what it is where that may not be."""
    assert (found.is_doubtful(-0.8), found.doubt()) == (is_doubtful, doubt)


@pytest.mark.parametrize(
    ("first", "second", "doubt"),
    [
        (3, 3, None),
        (4, 3, None),  # the short window hears one too many
        (4, 4, None),
        (5, 4, None),
        (5, 5, REPETITION),
        (3, 2, REPETITION),  # never one too few
        (3, 4, REPETITION),
        (5, 3, REPETITION),
        (5, 9, REPETITION),
        (1, 3, None),
        (2, 4, REPETITION),
    ],
)
def test_two_attempts_must_count_nearly_the_same(first: int, second: int, doubt: Doubt | None) -> None:
    """The second, in 30 s, counts up to four repeats well."""
    assert attempt("Eight, " * second).doubt(attempt("Eight, " * first)) is doubt


@given(
    word=st.sampled_from(["no", "7", "it's", "ñandú", "да"]),
    count=st.integers(1, 30),
    gap=st.sampled_from([" ", ", ", "-", ". ", "! ", "... "]),
    before=st.sampled_from(["", "well ", "4 ", "1-8 "]),
)
def test_repeats_are_counted(word: str, count: int, gap: str, before: str) -> None:
    """However they are written, and whatever is said before them."""
    assert longest_run(before + gap.join([word.upper(), *[word] * (count - 1)])) == count


@given(digit=st.sampled_from("0123456789"), count=st.integers(1, 30), before=st.sampled_from(["", "x", "5x"]))
def test_digits_written_together_are_counted(digit: str, count: int, before: str) -> None:
    """666666 are six."""
    assert longest_run(before + digit * count) == count


@given(st.text(max_size=60))
def test_a_run_is_never_longer_than_the_text(text: str) -> None:
    """And an attempt is never both hopeless and to be decoded again."""
    assert 0 <= longest_run(text) <= len(text)
    found = attempt(text)
    assert found.hopeless is None or not found.is_doubtful(-0.8)
    assert (longest_run(text) < HOPELESS_RUN) or found.hopeless is REPETITION


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("?", 0), ("1-8999", 3), ("thank you thank you thank you", 3), ("4747 47", 3), ("55 12 55", 2)],
)
def test_phrases_repeat_too(text: str, count: int) -> None:
    """Up to four words long."""
    assert longest_run(text) == count
