"""Speech engines: one file each behind the two small base classes of `actors.engines.base`.

A heavy library is imported inside its engine's file and nowhere else, and that file is imported only
in the worker that runs it, by name, through `actors.engines.registry`. What the author of an engine needs is
here (docs/own-engines.md), and for audio in `actors.engines.speech_audio`.
"""

from actors.engines.abandonment import Abandonment
from actors.engines.base import SttEngine, TtsEngine
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.settings import SpeechSettings

__all__ = [
    "Abandonment",
    "ConfigurationError",
    "EngineError",
    "SpeechSettings",
    "SttEngine",
    "Synthesize",
    "Transcribe",
    "Transcript",
    "TtsEngine",
]
