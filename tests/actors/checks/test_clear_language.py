"""When an utterance shows in which language a call is to go on."""

from __future__ import annotations

import pytest

from actors.checks.languages import is_clear


@pytest.mark.parametrize(
    ("text", "confidence", "probability", "clear"),
    [
        ("Pode deixar na portaria.", 0.95, 0.99, True),
        ("Tuesday at 10.", None, 0.8, True),
        ("saying it.", 0.9, 1.0, False),
        ("Pode deixar na portaria.", 0.4, 0.99, False),
        ("Pode deixar na portaria.", 0.95, 0.7, False),
        ("", None, 1.0, False),
    ],
)
def test_a_sentence_is_clear_if_it_is_sure(
    text: str, confidence: float | None, probability: float, clear: bool
) -> None:
    """A few letters are easily taken for another language, however sure the model is."""
    assert is_clear(text, confidence, probability) is clear
