"""The two that are compared: the product's engine, and faster-whisper as it comes, same weights, one thread.

Stock decodes 30 s with beam 1 and falls back to higher temperatures where its result looks doubtful, as its
defaults have it. How often either side decodes is counted at the border to CTranslate2, which both share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from actors.engines.whisper import WhisperStt
from actors.engines.whisper_weights import obtain
from actors.messages import Transcribe
from actors.settings import SpeechSettings, WhisperSettings
from benchmarks.hearing.trial import Transcription
from benchmarks.seed_design.models import StockWhisper

BEAM_SIZE = 1


class Recognisers:
    """Both sides, loaded in one process."""

    def __init__(self, settings: WhisperSettings) -> None:
        """Load the weights twice. Raises EngineError."""
        own = settings.model_copy(update={"device": "cpu", "threads": 1, "beam_size": BEAM_SIZE})
        self._engine = WhisperStt(SpeechSettings(whisper=own))
        self._engine.load()
        self._stock = StockWhisper(obtain(settings), 1, BEAM_SIZE)
        self._decodes = 0
        self._count_decodes()

    def ours(self, audio: bytes, language: str) -> Transcription:
        """Return what the product's engine answers the gateway."""
        return self._timed(lambda: self._engine.transcribe(Transcribe("benchmark", audio, language)).text)

    def stock(self, audio: bytes, language: str) -> Transcription:
        """Return what faster-whisper says."""
        return self._timed(lambda: self._stock.transcribe(audio, language))

    def _timed(self, transcribe: Callable[[], str]) -> Transcription:
        self._decodes = 0
        began_s = time.process_time()
        text = transcribe()
        return Transcription(text, self._decodes, time.process_time() - began_s)

    def _count_decodes(self) -> None:
        import ctranslate2

        generate = ctranslate2.models.Whisper.generate

        def counted(model: Any, *arguments: Any, **options: Any) -> Any:
            self._decodes += 1
            return generate(model, *arguments, **options)

        ctranslate2.models.Whisper.generate = counted
