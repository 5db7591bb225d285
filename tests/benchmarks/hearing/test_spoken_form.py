"""Spelling habits are no errors, and real errors are none the less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.hearing.spoken_form import letters, words
from benchmarks.hearing.vocabulary import DIGITS


@pytest.mark.parametrize(
    ("language", "text", "other"),
    [
        ("en", "1111", "one one one one"),
        ("en", "1, 1", "one, one."),
        ("en", "1-1-1-1", "One. One. One. One."),
        ("en", "555-1219", "five five five one two one nine"),
        ("en", "47, 59, 18", "forty-seven, fifty nine eighteen"),
        ("en", "4759", "Forty seven, fifty nine."),
        ("en", "412", "four hundred twelve"),
        ("en", "412", "four hundred and twelve"),
        ("en", "2,416", "two thousand four hundred sixteen"),
        ("en", "100", "one hundred"),
        ("en", "1985", "nineteen eighty-five"),
        ("en", "007", "zero zero seven"),
        ("en", "10:30 A.M.", "ten thirty a.m."),
        ("en", "Press 1, or *", "press one or star"),
        ("en", "the 21st", "the twenty-first"),
        ("en", "I'm sorry!", "im sorry"),
        ("en", "3.5", "three five"),
        ("es", "47", "cuarenta y siete"),
        ("es", "26", "Veintiséis."),
        ("es", "147 y 22", "ciento cuarenta y siete y veintidós"),
        ("es", "1.234", "mil doscientos treinta y cuatro"),
        ("es", "uno y dos", "1 y 2"),
        ("es", "¿Mañana?", "manana"),
        ("es", "0 0 7", "cero, cero, siete"),
        ("es", "305", "trescientos cinco"),
    ],
)
def test_two_ways_of_writing_are_one(language: str, text: str, other: str) -> None:
    """Digits and words, grouped or not, in both languages."""
    assert words(text, language) == words(other, language)


@pytest.mark.parametrize(
    ("language", "text", "other"),
    [
        ("en", "1111", "one one one"),
        ("en", "forty seven", "fourteen seven"),
        ("en", "forty", "four"),
        ("en", "four", "for"),
        ("en", "2,416", "two thousand four sixteen"),
        ("en", "seventy", "seventeen"),
        ("es", "sesenta", "setenta"),
        ("es", "dos", "doce"),
        ("es", "cien", "cincuenta"),
    ],
)
def test_what_was_misheard_stays_wrong(language: str, text: str, other: str) -> None:
    """Nothing that a caller did not say is forgiven."""
    assert words(text, language) != words(other, language)


@given(digits=st.lists(st.integers(0, 9), min_size=1, max_size=11), language=st.sampled_from(["en", "es"]))
def test_digits_said_one_by_one_are_the_string(digits: list[int], language: str) -> None:
    """None is swallowed by the one before it."""
    said = " ".join(DIGITS[language][digit] for digit in digits)
    written = "".join(map(str, digits))
    assert words(said, language) == words(written, language) == list(written)


@given(number=st.integers(1, 999_999), language=st.sampled_from(["en", "es"]))
def test_a_number_is_its_digits(number: int, language: str) -> None:
    """In English as it is said with and without "and"."""
    said = english(number) if language == "en" else spanish(number)
    assert "".join(words(said, language)) == str(number), said
    assert "".join(words(f"{number:,}", language)) == str(number)


def english(number: int) -> str:
    from benchmarks.hearing.vocabulary import TEENS, TENS

    thousands, below = divmod(number, 1_000)
    hundreds, rest = divmod(below, 100)
    tens, units = divmod(rest, 10)
    parts = [f"{english(thousands)} thousand"] if thousands else []
    parts += [f"{DIGITS['en'][hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        parts.append(TENS["en"][tens - 2])
        parts += [DIGITS["en"][units]] if units else []
    elif rest >= 10:
        parts.append(TEENS["en"][units])
    elif units:
        parts.append(DIGITS["en"][units])
    return " ".join(parts)


def spanish(number: int) -> str:
    from benchmarks.hearing.spoken_form import _HUNDREDS
    from benchmarks.hearing.vocabulary import TEENS, TENS, TWENTIES

    thousands, below = divmod(number, 1_000)
    hundreds, rest = divmod(below, 100)
    tens, units = divmod(rest, 10)
    parts = [spanish(thousands)] if thousands > 1 else []
    parts += ["mil"] if thousands else []
    parts += [] if not hundreds else ["cien"] if below == 100 else [_HUNDREDS[hundreds - 1]]
    if rest >= 30:
        parts.append(TENS["es"][tens - 2] + (f" y {DIGITS['es'][units]}" if units else ""))
    elif rest:
        parts.append((*DIGITS["es"], *TEENS["es"], *TWENTIES)[rest])
    return " ".join(parts)


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "60, 4, 13, 800, 50, 3.", "sixty four thirteen eight hundred fifty three"),
        ("en", "47, 59", "forty seven fifty nine"),
        ("en", "4759", "forty seven fifty nine"),
        ("es", "30 y 6 50 y 1", "treinta y seis cincuenta y uno"),
        ("es", "50 y seis, 10", "cincuenta y seis diez"),
    ],
)
def test_parts_of_numbers_are_put_together_where_no_digits_are_said(
    language: str, text: str, said: str
) -> None:
    """A string of digits is another thing: there "20, 5" is two, zero, five."""
    assert words(text, language, joins_numbers=True) == words(said, language, joins_numbers=True)
    assert words("20, 5", language) == ["2", "0", "5"]
    assert words("20, 5", language, joins_numbers=True) == ["2", "5"]
    assert words("240, 6", language, joins_numbers=True) != words("240, 16", language, joins_numbers=True)


def test_letters_are_compared_one_by_one() -> None:
    """Whatever stands between them; in Spanish their names as well."""
    assert letters("B-O-B", "en") == letters("Bob.", "en") == letters("b o b", "en") == ["b", "o", "b"]
    assert letters("Be, o, be", "es") == ["b", "o", "b"]
    assert letters("Y griega, doble u.", "es") == letters("I griega, uve doble", "es") == ["y", "w"]
    assert letters("b o d", "en") != letters("b o b", "en")
