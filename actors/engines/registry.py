"""Find, check and make the engines that the settings name.

An engine is a built-in one, the name of an entry point in the group `raymal.engines`, or
`package.module:Class`. Adding a built-in one is one file, one line here, one test.
"""

from __future__ import annotations

from actors.engines.base import SttEngine, TtsEngine
from actors.plugins.lookup import Catalogue
from actors.plugins.mistakes import own_settings
from actors.settings import EngineResources, SpeechSettings, table_name

STT_ENGINES = {
    "whisper": "actors.engines.whisper:WhisperStt",
    "scripted": "actors.engines.scripted:ScriptedStt",
}
TTS_ENGINES = {
    "hibari": "actors.engines.hibari:HibariTts",
    "coqui": "actors.engines.coqui:CoquiTts",
    "scripted": "actors.engines.scripted:ScriptedTts",
}
GROUP = "raymal.engines"
STT = Catalogue("engine", STT_ENGINES, GROUP)
TTS = Catalogue("engine", TTS_ENGINES, GROUP)


def stt_engine(settings: SpeechSettings) -> SttEngine:
    """Return the configured speech-to-text engine, not yet loaded. Raises ConfigurationError."""
    return _stt_class(settings)(settings)


def tts_engine(settings: SpeechSettings) -> TtsEngine:
    """Return the configured text-to-speech engine, not yet loaded. Raises ConfigurationError."""
    return _tts_class(settings)(settings)


def check_names(settings: SpeechSettings) -> None:
    """Raise ConfigurationError for an unknown engine, or one that cannot be planned.

    Imports nothing: the workers may run elsewhere.
    """
    STT.class_path(settings.stt, "speech.stt")
    TTS.class_path(settings.tts, "speech.tts")
    for name in (settings.stt, settings.tts):
        own_settings(EngineResources, settings.own_table(name), f"speech.{table_name(name)}")


def check_machine(settings: SpeechSettings) -> None:
    """Raise ConfigurationError if this machine clearly cannot run the configured engines."""
    for engine in (_stt_class(settings), _tts_class(settings)):
        engine.own_settings(settings)
        engine.check(settings)


def _stt_class(settings: SpeechSettings) -> type[SttEngine]:
    return STT.load(settings.stt, SttEngine, "speech.stt")  # type: ignore[type-abstract]


def _tts_class(settings: SpeechSettings) -> type[TtsEngine]:
    return TTS.load(settings.tts, TtsEngine, "speech.tts")  # type: ignore[type-abstract]
