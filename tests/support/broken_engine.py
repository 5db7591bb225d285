"""Engines that cannot be loaded or do not work, and a dialog that ends each call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from actors.engines.abandonment import Abandonment
from actors.engines.base import SttEngine, TtsEngine
from actors.errors import EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from ingress.dialogs.base import CallerSaid, Dialog, DialogAction, DialogCall, DialogEvent, EndCall, Say

LOADING_FAILS = "broken_engine:LoadingFails"
LOADING_FAILS_WITHOUT_WORDS = "broken_engine:LoadingFailsWithoutWords"
REASON = "weights.bin: unexpected end of file"


class LoadingFails(TtsEngine):
    """A library's own error."""

    def load(self) -> None:
        """Fail."""
        raise RuntimeError(REASON)

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Say nothing."""
        return iter(())


class LoadingFailsWithoutWords(LoadingFails):
    """An engine's own error, of which its author said nothing."""

    def load(self) -> None:
        """Fail."""
        raise EngineError


class SpeakingFails(LoadingFails):
    """It loads, and no text can be spoken."""

    def load(self) -> None:
        """Load nothing."""

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Fail."""
        raise EngineError("there is no such voice")


class HearingFails(SttEngine):
    """It loads, and nothing can be transcribed."""

    def load(self) -> None:
        """Load nothing."""

    def transcribe(self, request: Transcribe, abandonment: Abandonment | None = None) -> Transcript:
        """Fail."""
        raise EngineError("there is no such language")


class Farewell(Dialog):
    """Answers once and ends the call."""

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Say one sentence."""
        if isinstance(event, CallerSaid):
            yield Say("That is all for today.")
            yield EndCall()
