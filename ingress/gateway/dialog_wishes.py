"""What a dialog may ask of the next answer: checked, so that a media worker can keep it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from actors.errors import DialogError
from ingress.dialogs.base import CollectKeys, Listen
from ingress.link.messages import ListenOptions

KEYS = "0123456789*#ABCD"
MAXIMUM_COUNT = 128
"""Keys that can be taken together."""
MAXIMUM_GAP_S = 60.0
END_SILENCE_MS = (100, 5_000)
"""As `endpointing.end_silence_ms`."""
MAXIMUM_NO_INPUT_S = 600.0
"""As `call_limits.no_input_s`."""
MAXIMUM_WORDS = 200
"""Hot words, and expected ones, of one answer."""
MAXIMUM_WORD = 100
"""Characters."""
MAXIMUM_LANGUAGE = 35
"""Characters: the longest tag of RFC 5646, section 4.4.1."""


def listen_options(listen: Listen) -> ListenOptions:
    """Return what is kept until the next answer. Raises DialogError."""
    end_silence_ms, language = listen.end_silence_ms, listen.language
    if end_silence_ms is not None:
        shortest_ms, longest_ms = END_SILENCE_MS
        _check(_is_number(end_silence_ms, shortest_ms, longest_ms), "Listen", "end_silence_ms", "100 to 5000")
    if listen.no_input_s is not None:
        _check(_is_number(listen.no_input_s, 0, MAXIMUM_NO_INPUT_S), "Listen", "no_input_s", "0 to 600")
    if language is not None:
        is_language = isinstance(language, str) and 0 < len(language) <= MAXIMUM_LANGUAGE
        _check(is_language, "Listen", "language", "a language's code, such as pt or pt-BR")
    return ListenOptions(
        end_silence_ms=None if end_silence_ms is None else round(end_silence_ms),
        hot_words=_words(listen.hot_words, "hot_words"),
        expected_words=_words(listen.expected_words, "expected_words"),
        language=language,
        no_input_s=listen.no_input_s,
    )


def checked_keys(collect: CollectKeys) -> CollectKeys:
    """Return what it was given. Raises DialogError."""
    count, terminator = collect.count, collect.terminator
    is_count = count is None or (isinstance(count, int) and _is_number(count, 1, MAXIMUM_COUNT))
    _check(is_count, "CollectKeys", "count", f"1 to {MAXIMUM_COUNT}, or None")
    is_key = isinstance(terminator, str) and len(terminator) == 1 and terminator in KEYS
    _check(terminator is None or is_key, "CollectKeys", "terminator", "one key, or None")
    has_gap = _is_number(collect.gap_s, 0.1, MAXIMUM_GAP_S)
    _check(has_gap, "CollectKeys", "gap_s", "0.1 to 60")
    return collect


def _words(words: Sequence[str], name: str) -> tuple[str, ...]:
    is_list = not isinstance(words, str) and isinstance(words, Sequence) and len(words) <= MAXIMUM_WORDS
    is_right = is_list and all(isinstance(word, str) and len(word) <= MAXIMUM_WORD for word in words)
    _check(is_right, "Listen", name, f"a list of {MAXIMUM_WORDS} texts at most, of {MAXIMUM_WORD} characters")
    return tuple(words)


def _is_number(value: object, lowest: float, highest: float) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and lowest <= value <= highest  # type: ignore[arg-type,operator]


def _check(is_right: bool, action: str, name: str, right: str) -> None:
    if not is_right:
        raise DialogError(f"the dialog yielded {action} with a wrong {name}: {right}")
