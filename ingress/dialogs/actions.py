"""What a dialog yields, checked before anything is done about it.

A dialog may be anyone's code, and an action of `webhook` or `llm` is anyone's data: types, lengths and ranges
are looked at in this one place. The messages quote nothing that a caller said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from actors.checks.languages import normalised
from actors.errors import DialogError
from actors.telephone import TELEPHONE_RATE_HZ
from ingress.audiosocket import DIGITS
from ingress.configuration.settings import MAXIMUM_INITIAL_PROMPT
from ingress.dialogs.base import (
    CollectKeys,
    DialogAction,
    EndCall,
    Listen,
    PlayContinuousTone,
    PlayFile,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.outcome import checked_target, checked_variable, one_line
from ingress.link.messages import MAXIMUM_KEYS, LegName

MAXIMUM_TEXT = 5_000
"""Characters of one `Say`: about six minutes."""
MAXIMUM_GAP_S = 60.0
MAXIMUM_WORDS = 1_000
"""Hot or expected words of one `Listen`: the names of a large building."""
MAXIMUM_WORD = 100
"""Characters."""
MAXIMUM_PATH = 1_000
"""Characters."""
END_SILENCE_MS = (100, 5_000)
"""As `endpointing.end_silence_ms`."""
MAXIMUM_NO_INPUT_S = 600.0
"""As `call_limits.no_input_s`."""


def checked_action(action: object) -> DialogAction:
    """Return what is to be done: the action, with texts that can be sent. Raises DialogError."""
    match action:
        case Say(text=text, short=short, leg=leg):
            _check_leg(action, leg)
            return replace(
                action, text=checked_text(text), short=None if short is None else checked_text(short)
            )
        case PlayFile(path=path, leg=leg):
            _check_leg(action, leg)
            if not isinstance(path, str) or not 0 < len(path) <= MAXIMUM_PATH:
                raise _wrong(action, f"its path is a text of 1 to {MAXIMUM_PATH} characters")
            return action
        case Listen():
            return _checked_listen(action)
        case CollectKeys():
            return _checked_keys(action)
        case PlayContinuousTone(frequency_hz):
            return PlayContinuousTone(_checked_frequency_hz(frequency_hz))
        case EndCall(reason, leg):
            if leg is None:
                raise _wrong(action, "its leg is `caller` or `return`")
            _check_leg(action, leg)
            return EndCall(_checked_reason(action, reason), leg)
        case Transfer(target, reason):
            return Transfer(checked_target(target), _checked_reason(action, reason))
        case SetVariable(name, value):
            checked_variable(name, value)
            return action
        case _:
            raise DialogError(f"the dialog yielded a {type(action).__name__}, which is no action")


def checked_text(text: object) -> str:
    """Return a dialog's text without lone surrogates, which are no characters. Raises DialogError."""
    if not isinstance(text, str):
        raise DialogError(f"the dialog yielded Say with a {type(text).__name__}: its text is a str")
    if len(text) > MAXIMUM_TEXT:
        raise DialogError(
            f"the dialog yielded Say with {len(text)} characters: {MAXIMUM_TEXT} at most, which is minutes"
        )
    return text.encode("utf-8", "ignore").decode("utf-8")


def _checked_listen(action: Listen) -> Listen:
    _check_leg(action, action.leg)
    shortest_ms, longest_ms = END_SILENCE_MS
    if action.end_silence_ms is not None and not _is_number(action.end_silence_ms, shortest_ms, longest_ms):
        raise _wrong(action, f"its end_silence_ms is a number from {shortest_ms} to {longest_ms}")
    if action.no_input_s is not None and not _is_number(action.no_input_s, 0.0, MAXIMUM_NO_INPUT_S):
        raise _wrong(action, f"its no_input_s is a number from 0 (never) to {MAXIMUM_NO_INPUT_S:g}")
    language = action.language
    if language is not None:
        try:
            language = normalised(language)
        except (TypeError, ValueError, AttributeError):
            raise _wrong(action, "its language is a code, such as `pt` or `pt-BR`") from None
    prompt = action.initial_prompt
    if prompt is not None and not (isinstance(prompt, str) and len(prompt) <= MAXIMUM_INITIAL_PROMPT):
        raise _wrong(action, f"its initial_prompt is a text of {MAXIMUM_INITIAL_PROMPT} characters at most")
    return replace(
        action,
        end_silence_ms=None if action.end_silence_ms is None else int(action.end_silence_ms),
        hot_words=_checked_words(action, "hot_words", action.hot_words),
        expected_words=_checked_words(action, "expected_words", action.expected_words),
        initial_prompt=None if prompt is None else checked_text(prompt),
        language=language,
    )


def _checked_words(action: Listen, name: str, words: object) -> tuple[str, ...]:
    if (
        isinstance(words, str)
        or not isinstance(words, Sequence)
        or len(words) > MAXIMUM_WORDS
        or not all(isinstance(word, str) and 0 < len(word) <= MAXIMUM_WORD for word in words)
    ):
        raise _wrong(
            action, f"its {name} are {MAXIMUM_WORDS} texts at most, of 1 to {MAXIMUM_WORD} characters"
        )
    return tuple(checked_text(word) for word in words)


def _checked_keys(action: CollectKeys) -> CollectKeys:
    _check_leg(action, action.leg)
    count, terminator = action.count, action.terminator
    if count is not None and not (isinstance(count, int) and _is_number(count, 1, MAXIMUM_KEYS)):
        raise _wrong(action, f"its count is a whole number from 1 to {MAXIMUM_KEYS}")
    if terminator is not None and not (isinstance(terminator, str) and terminator in DIGITS):
        raise _wrong(action, "its terminator is one key: 0 to 9, *, #, A to D")
    if not _is_number(action.gap_s, 0.1, MAXIMUM_GAP_S):
        raise _wrong(action, f"its gap_s is a number from 0.1 to {MAXIMUM_GAP_S:g}")
    return action


def _checked_reason(action: EndCall | Transfer, reason: object) -> str:
    if not isinstance(reason, str):
        raise _wrong(action, "its reason is a text")
    return one_line(reason)


def _checked_frequency_hz(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise DialogError(f"the dialog yielded a tone of a {type(value).__name__}: its frequency is a number")
    if not 0.0 < value <= TELEPHONE_RATE_HZ / 2:
        raise DialogError(f"the dialog yielded a tone of {value} Hz: above 0, up to 4000")
    return value


def _check_leg(action: object, leg: object) -> None:
    if leg is not None and leg not in get_args(LegName):
        raise _wrong(action, "its leg is `caller` or `return`")


def _is_number(value: object, least: float, most: float) -> bool:
    """Whether it is a number in that range; NaN is in none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _wrong(action: object, rule: str) -> DialogError:
    return DialogError(f"the dialog yielded a {type(action).__name__} that cannot be done: {rule}")
