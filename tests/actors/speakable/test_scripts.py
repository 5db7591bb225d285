"""Letters that a voice can read."""

from __future__ import annotations

import pytest

from actors.speakable import language_scripts, unreadable


@pytest.mark.parametrize(
    ("text", "language", "what"),
    [
        ("您好", "en", "2 of 2 letters are CJK"),
        ("Привет, мир", "pt-BR", "9 of 9 letters are Cyrillic"),
        ("Ваш номер is 5", "en", "8 of 10 letters are Cyrillic"),
        ("Your agent today is Иван.", "en", None),
        ("Ação, über, ñandú", "en", None),
        ("Привет", "ru", None),
        ("Hello", "ru", None),
        ("東京とトウキョウ", "ja", None),
        ("서울", "en", "2 of 2 letters are Hangul"),
        ("12, 5!", "en", None),
        ("", "en", None),
    ],
)
def test_a_text_in_another_script_is_unreadable(text: str, language: str, what: str | None) -> None:
    """A foreign name of a few letters is not."""
    scripts = language_scripts(language)
    assert scripts is not None
    assert unreadable(text, scripts) == what


def test_an_unknown_language_is_not_judged() -> None:
    """Its script is not known."""
    assert language_scripts("xx") is None
    assert language_scripts("") is None
