"""The echo dialog: says back what it heard. For trying out a connection and its speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogEvent,
    Say,
)
from ingress.link_messages import HistoryEntry
from ingress.settings import DialogSettings


class EchoDialog(Dialog):
    """Greets, then repeats."""

    def __init__(self, settings: DialogSettings) -> None:
        self._greeting = settings.greeting

    async def respond(
        self, event: DialogEvent, history: Sequence[HistoryEntry]
    ) -> AsyncIterator[DialogAction]:
        """Say the greeting, the words, the digit, or that nothing was understood."""
        match event:
            case CallBegan():
                if self._greeting:
                    yield Say(self._greeting)
            case CallerSaid(text):
                yield Say(f"You said: {text}")
            case CallerPressed(digit):
                yield Say(f"You pressed {_SPOKEN.get(digit, digit)}.")
            case CallerNotUnderstood():
                yield Say("Sorry, I did not understand that.")


_SPOKEN = {"*": "star", "#": "pound"}
