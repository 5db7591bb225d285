"""What an answer puts into a slot, and how what is in it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pydantic import JsonValue

from ingress.dialogs.base import CallerPressed, CallerSaid
from ingress.dialogs.flow.model import Flow, KeysChoice, Slot, SlotKind
from ingress.dialogs.flow.texts import COMMON
from ingress.dialogs.matching import (
    NameList,
    begins_as_answer,
    date_in,
    digits_in,
    number_in,
    prepare,
    without_introduction,
    yes_or_no,
)

LONGEST_TEXT_BYTES = 200
"""Of free text, in UTF-8: the state of a call is small."""
MINIMUM_CONFIDENCE = 0.4
"""Of a spoken yes: noise, too, is sometimes heard as a word."""
MOST_EXPECTED_NAMES = 50
"""Of a longer list the speech model gets none: it would favour some of the names."""
YES_KEY, NO_KEY = "1", "2"


class Answers:
    """Understands the answers to a flow's slots; made once for a flow."""

    def __init__(self, flow: Flow) -> None:
        for language in flow.languages:
            prepare(language)
        self._names = {
            (slot.name, language): NameList(
                {name: (name, *entry.aliases) for name, entry in slot.entries.items()}, language
            )
            for slot in flow.slots.values()
            if slot.kind is SlotKind.NAME
            for language in flow.languages
        }

    def from_speech(self, slot: Slot, text: str, language: str, call_language: str, today: date) -> JsonValue:
        """Return the value; None if the text is none, or not clearly one.

        `language`: the flow's; `call_language`: with its region, which decides on the order of dates.
        """
        match slot.kind:
            case SlotKind.NUMBER:
                number = number_in(text, language)
                return number if number is not None and slot.minimum <= number <= slot.maximum else None
            case SlotKind.DIGITS:
                digits = digits_in(text, language) or ""
                return digits if slot.minimum <= len(digits) <= slot.maximum else None
            case SlotKind.DATE:
                day = date_in(text, call_language, today)
                is_in_time = day is not None and today <= day <= today + timedelta(days=slot.maximum)
                return day.isoformat() if day is not None and is_in_time else None
            case SlotKind.NAME:
                return self._names[slot.name, language].find(text).key
            case SlotKind.OWN_NAME:
                # Read out to somebody who is asked for a yes, a "yes" might come back as an echo.
                # In Portuguese "é" is a yes, and begins "é o Roberto", an introduction.
                name = without_introduction(text, language)
                return None if begins_as_answer(name, language) else kept(name) or None
            case SlotKind.TEXT:
                return kept(text) or None
        return None

    def expected_words(self, slot: Slot) -> Sequence[str]:
        """Return the words that the speech model may expect: no yes, which noise would sooner become then."""
        if slot.kind is SlotKind.NAME and len(slot.entries) <= MOST_EXPECTED_NAMES:
            return list(slot.entries)
        return ()


def decision(event: CallerSaid | CallerPressed, language: str, is_repeated: bool = False) -> str | None:
    """Return the clear yes or no of an answer, None of any other; `is_repeated`: as for `yes_or_no`."""
    if isinstance(event, CallerPressed):
        return {YES_KEY: "yes", NO_KEY: "no"}.get(event.digits)
    answer = yes_or_no(event.text, language, is_repeated)
    is_sure = event.confidence is None or event.confidence >= MINIMUM_CONFIDENCE
    return answer if answer != "yes" or is_sure else None


def kept(text: str) -> str:
    """Return a text as it is kept: one line, not too long."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line.encode("utf-8", "ignore")[:LONGEST_TEXT_BYTES].decode("utf-8", "ignore")


def from_keys(slot: Slot, keys: str) -> JsonValue:
    """Return the value of pressed keys; None if they are none."""
    match slot.kind:
        case SlotKind.NUMBER:
            is_number = keys.isdecimal() and slot.minimum <= int(keys) <= slot.maximum
            return int(keys) if is_number else None
        case SlotKind.DIGITS:
            return keys if keys.isdecimal() and slot.minimum <= len(keys) <= slot.maximum else None
        case SlotKind.NAME:
            return next((name for name, entry in slot.entries.items() if entry.keys == keys), None)
    return None


def wanted_keys(slot: Slot) -> KeysChoice | None:
    """Return how a slot's keys are collected; None: it takes one key at most."""
    match slot.kind:
        case SlotKind.NUMBER:
            return KeysChoice(count=len(str(slot.maximum)))
        case SlotKind.DIGITS:
            return KeysChoice(count=slot.maximum)
        case SlotKind.NAME:
            longest = max((len(entry.keys) for entry in slot.entries.values() if entry.keys), default=0)
            return KeysChoice(count=longest) if longest > 1 else None
    return None


def spoken(slot: Slot, value: JsonValue, language: str) -> str:
    """Return a slot's value as it is written in a prompt: digits apart, so that they are read one by one."""
    if value is None:
        return ""
    match slot.kind:
        case SlotKind.DIGITS:
            return " ".join(str(value))
        case SlotKind.YES_NO:
            return COMMON[language].yes if value == "yes" else COMMON[language].no
    return plain(value)


def plain(value: JsonValue) -> str:
    """Return a value as text, for variables, look-ups and cases."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, dict | list):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def at_path(answer: JsonValue, path: Sequence[str]) -> JsonValue:
    """Return what stands at a path of keys and positions in an answer; None if there is no single value."""
    for part in path:
        if isinstance(answer, Mapping):
            answer = answer.get(part)
        elif isinstance(answer, list) and part.isdecimal() and int(part) < len(answer):
            answer = answer[int(part)]
        else:
            return None
    if isinstance(answer, str):
        return kept(answer)
    return answer if isinstance(answer, bool | int | float) else None
