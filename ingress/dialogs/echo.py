"""The echo dialog: says back what it heard. For trying out a connection and its speech."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    Say,
)

NOT_UNDERSTOOD = "Sorry, I did not understand that."


class EchoDialog(Dialog):
    """Greets, then repeats."""

    def __init__(self, settings: DialogSettings) -> None:
        super().__init__(settings)
        self._greeting = settings.greeting
        self.fixed_texts = [text for text in (settings.greeting, NOT_UNDERSTOOD) if text]

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Say the greeting, the words, the digits, or that nothing was understood."""
        match event:
            case CallBegan():
                if self._greeting:
                    yield Say(self._greeting, is_fixed=True)
            case CallerSaid(text):
                yield Say(f"You said: {text}")
            case CallerPressed(digits):
                keys = " ".join(_SPOKEN.get(digit, digit) for digit in digits)
                yield Say(f"You pressed {keys}.")
            case CallerNotUnderstood():
                yield Say(NOT_UNDERSTOOD, is_fixed=True)


_SPOKEN = {"*": "star", "#": "pound"}
