"""Engine names and where each one lives. Adding an engine is one file, one line here, one test."""

from __future__ import annotations

from importlib import import_module

from actors.engines.base import SttEngine, TtsEngine
from actors.errors import ConfigurationError
from actors.settings import SpeechSettings

STT_ENGINES = {
    "whisper": "actors.engines.whisper:WhisperStt",
    "scripted": "actors.engines.scripted:ScriptedStt",
}
TTS_ENGINES = {
    "hibari": "actors.engines.hibari:HibariTts",
    "coqui": "actors.engines.coqui:CoquiTts",
    "scripted": "actors.engines.scripted:ScriptedTts",
}


def stt_engine(settings: SpeechSettings) -> SttEngine:
    """Return the configured speech-to-text engine, not yet loaded. Raises ConfigurationError."""
    return _stt_class(settings)(settings)


def tts_engine(settings: SpeechSettings) -> TtsEngine:
    """Return the configured text-to-speech engine, not yet loaded. Raises ConfigurationError."""
    return _tts_class(settings)(settings)


def check_names(settings: SpeechSettings) -> None:
    """Raise ConfigurationError if an engine's name is not one of ours."""
    _target("speech.stt", settings.stt, STT_ENGINES)
    _target("speech.tts", settings.tts, TTS_ENGINES)


def check_machine(settings: SpeechSettings) -> None:
    """Raise ConfigurationError if this machine clearly cannot run the configured engines."""
    _stt_class(settings).check(settings)
    _tts_class(settings).check(settings)


def _stt_class(settings: SpeechSettings) -> type[SttEngine]:
    loaded = _load(_target("speech.stt", settings.stt, STT_ENGINES))
    assert issubclass(loaded, SttEngine)
    return loaded


def _tts_class(settings: SpeechSettings) -> type[TtsEngine]:
    loaded = _load(_target("speech.tts", settings.tts, TTS_ENGINES))
    assert issubclass(loaded, TtsEngine)
    return loaded


def _target(where: str, name: str, engines: dict[str, str]) -> str:
    if name not in engines:
        raise ConfigurationError(
            f"{where}: unknown engine {name!r}; choose one of {', '.join(sorted(engines))}"
        )
    return engines[name]


def _load(target: str) -> type:
    """Import "module:Class". Engine modules import their heavy library in `load`, not at the top."""
    module_name, _, class_name = target.partition(":")
    loaded: type = getattr(import_module(module_name), class_name)
    return loaded
