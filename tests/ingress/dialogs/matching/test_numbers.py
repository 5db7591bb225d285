"""Spoken numbers and digits in six languages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.speakable.spelling import spelling
from actors.speakable.text import LANGUAGES
from ingress.dialogs.matching import digits_in, number_in

SPELLINGS = {code: spelling(code, tuple(words.rulesets.items())) for code, words in LANGUAGES.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_voice_says_is_the_number_again(language: str) -> None:
    """Number to words to number: all below 100, then a seventy-first of all up to 9999, in both genders."""
    numbers = SPELLINGS[language]
    for value in [*range(100), *range(100, 10_000, 71), 1_000, 2_000, 9_999]:
        for form in ("plain", "feminine"):
            words = numbers.number(value, form)
            assert number_in(words, language) == value, words
            assert digits_in(words, language) == str(value), words


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(LANGUAGES)), st.text("0123456789", min_size=2, max_size=12))
def test_digits_one_by_one_are_those_digits(language: str, digits: str) -> None:
    """Also with leading zeros, and with pauses between them."""
    said = SPELLINGS[language].digits(digits).replace(" ", ", ")
    assert digits_in(said, language) == digits


@pytest.mark.parametrize(
    ("text", "language", "number", "digits"),
    [
        ("Eight hundred and twelve.", "en", 812, "812"),
        ("oitocentos e doze", "pt-BR", 812, "812"),
        ("double five oh seven", "en", None, "5507"),
        ("triple nine, two", "en", None, "9992"),
        ("meia dois meia", "pt", None, "626"),
        ("meia meia meia", "pt", None, "666"),
        ("meia", "pt", None, None),
        ("meia dúzia", "pt", 6, "6"),
        ("uma mesa para quatro pessoas", "pt", 4, "14"),
        ("a table for two", "en", 2, "2"),
        ("two or three", "en", None, "23"),
        ("nineteen eighty four", "en", None, "1984"),
        ("zéro six douze trente-quatre", "fr", None, "061234"),
        ("septante-deux", "fr", 72, "72"),
        ("cento e quatorze", "pt", 114, "114"),
        ("hundertzwölf", "de", 112, "112"),
        ("zweitausendzwo", "de", 2002, "2002"),
        ("1.200", "pt", 1200, "1200"),
        ("the twenty-third", "en", 23, "23"),
        ("half a dozen", "en", 6, "6"),
        ("two and a half", "en", None, "2"),
        ("-3", "en", None, "3"),
        ("menos dois", "pt", None, "2"),
        ("um milhão", "pt", None, "1"),
        ("2 mil", "pt", 2000, "2000"),
        ("mil e dez", "pt", 1010, "1010"),
        ("007 12", "en", None, "00712"),
        ("cuarenta y dos", "pl", None, None),
        ("42", "pl", 42, "42"),
        ("", "en", None, None),
    ],
)
def test_numbers_as_people_say_them(text: str, language: str, number: int | None, digits: str | None) -> None:
    """One number, or the digits of all of them."""
    assert number_in(text, language) == number
    assert digits_in(text, language) == digits


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=80), st.sampled_from([*LANGUAGES, "pl", "xx"]))
def test_any_text_is_read(text: str, language: str) -> None:
    """Nothing raises, also for what is no number anywhere (½, ⅷ, figures of other scripts)."""
    number_in(text, language)
    digits = digits_in(text, language)
    assert digits is None or (digits.isdecimal() and digits.isascii())
