"""The tone dialog: a continuous tone until hangup, no models. For measuring the media path."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import CallBegan, Dialog, DialogAction, DialogCall, DialogEvent, PlayContinuousTone


class ToneDialog(Dialog):
    """Plays its tone and ignores the caller."""

    needs_speech = False

    def __init__(self, settings: DialogSettings) -> None:
        super().__init__(settings)
        self._frequency_hz = settings.tone_hz

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Start the tone when the call begins."""
        if isinstance(event, CallBegan):
            yield PlayContinuousTone(self._frequency_hz)
