"""Which of the expected answers was given."""

from __future__ import annotations

import pytest

from ingress.dialogs.matching.expected import match_expected

COLOURS = ("blue", "dark blue", "São Paulo", "12", "")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Blue, please.", "blue"),
        ("Dark blue!", "dark blue"),
        ("sao paulo", "São Paulo"),
        ("bluebell", None),
        ("room B12", None),
        ("12, please", "12"),
        ("dark blue or São Paulo", None),
        ("", None),
    ],
)
def test_one_answer_is_found_in_what_was_said(text: str, found: str | None) -> None:
    """As a whole word, the longer one of two; several different ones are none."""
    assert match_expected(text, COLOURS) == found
