"""The prompt of an utterance, and how the audio supports what was written with it."""

from __future__ import annotations

import pytest

from actors.engines.whisper_prompt import is_supported, prompt_text


@pytest.mark.parametrize(
    ("words", "prompt", "text"),
    [
        ((), None, ""),
        ((" ", ""), " \n", ""),
        (("Kowalczyk", "Ana  Silva"), None, "Kowalczyk, Ana Silva."),
        ((), "Whom do they visit?", "Whom do they visit?"),
        (("Kowalczyk",), "Whom do they visit?", "Whom do they visit? Kowalczyk."),
    ],
)
def test_the_prompt_is_one_text(words: tuple[str, ...], prompt: str | None, text: str) -> None:
    """Names as a sentence, behind what the conversation is about; no words, no prompt."""
    assert prompt_text(words, prompt) == text


PROMPT = "Whom? Kowalczyk, Yes."


@pytest.mark.parametrize(
    ("tokens", "log_probabilities", "is_there"),
    [
        ([" I", " am", " Ko", "wal", "czyk", "."], [-0.1, -0.1, -6.0, -4.0, -4.0, 0.0], True),
        ([" I", " am", " Ko", "wal", "czyk", "."], [-0.1, -0.1, -6.0, -5.0, -4.5, 0.0], False),
        ([" I", " am", " Ko", "wal", "ski", "."], [-0.1, -0.1, -3.0, -2.0, -3.0, 0.0], False),
        ([" Yes", "."], [-1.7, 0.0], True),
        ([" Yes", "."], [-3.0, 0.0], False),
        (["Ko", "wal"], [-1.0, -2.0], True),
        ([" ...", "!"], [-9.0, -9.0], True),
        ([], [], True),
    ],
)
def test_each_word_must_be_in_the_audio(
    tokens: list[str], log_probabilities: list[float], is_there: bool
) -> None:
    """An expected name by the mean of its tokens; any other word the more; punctuation does not help."""
    assert is_supported(tokens, log_probabilities, PROMPT) is is_there
