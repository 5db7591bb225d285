"""Find, check and make the engines that the settings name.

An engine is a built-in one, the name of an entry point in the group `raymal.engines`, or
`package.module:Class`. Adding a built-in one is one file, one line here, one test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TypeVar

from actors.checks.languages import choice, is_among
from actors.engines.base import Engine, SttEngine, TtsEngine
from actors.errors import ConfigurationError, described
from actors.messages import FurtherEngine
from actors.plugins.lookup import Catalogue, place
from actors.plugins.mistakes import own_settings
from actors.settings import EngineResources, SpeechSettings, table_name
from actors.speakable import language_scripts, unreadable

STT_ENGINES = {
    "whisper": "actors.engines.whisper:WhisperStt",
    "scripted": "actors.engines.scripted:ScriptedStt",
}
TTS_ENGINES = {
    "hibari": "actors.engines.hibari:HibariTts",
    "kokoro": "actors.engines.kokoro:KokoroTts",
    "piper": "actors.engines.piper:PiperTts",
    "coqui": "actors.engines.coqui:CoquiTts",
    "pico": "actors.engines.pico:PicoTts",
    "espeak": "actors.engines.espeak:EspeakTts",
    "scripted": "actors.engines.scripted:ScriptedTts",
}
GROUP = "raymal.engines"
Result = TypeVar("Result")
STT = Catalogue("engine", STT_ENGINES, GROUP)
TTS = Catalogue("engine", TTS_ENGINES, GROUP)


def stt_engine(settings: SpeechSettings) -> SttEngine:
    """Return the configured speech-to-text engine, not yet loaded. Raises ConfigurationError."""
    return _stt_class(settings)(settings)


def tts_engine(settings: SpeechSettings) -> TtsEngine:
    """Return the configured text-to-speech engine, not yet loaded. Raises ConfigurationError."""
    return _tts_class(settings)(settings)


def check_names(settings: SpeechSettings, further: Collection[FurtherEngine] = ()) -> None:
    """Raise ConfigurationError for all engines that are unknown, or that cannot be planned.

    Imports nothing: the workers may run elsewhere.
    """

    def check_name(catalogue: Catalogue, name: str, setting: str) -> None:
        catalogue.class_path(name, setting)
        own_settings(EngineResources, settings.own_table(name), f"speech.{table_name(name)}")

    _all_of(
        partial(check_name, STT, settings.stt, "speech.stt"),
        partial(check_name, TTS, settings.tts, "speech.tts"),
        *(partial(check_name, TTS, engine.name, engine.setting) for engine in further),
    )


def check_machine(settings: SpeechSettings, others: Collection[tuple[SpeechSettings, str]] = ()) -> None:
    """Raise ConfigurationError with all for which this machine clearly cannot run the configured engines.

    `others`: settings with further text-to-speech engines, languages or voices, and what names the engine.
    """

    def check_stt() -> None:
        check_engine(_stt_class(settings), settings, "speech.stt")

    def check_tts(own: SpeechSettings, setting: str) -> None:
        try:
            check_engine(_tts_class(own, setting), own, setting)
        except ConfigurationError as error:
            problem = described(error)
            is_named = setting == "speech.tts" or problem.startswith(setting)
            raise ConfigurationError(problem if is_named else f"{setting}: {problem}") from error

    def check_engine(engine: type[Engine], own: SpeechSettings, setting: str) -> None:
        engine.own_settings(own)
        _asked(engine, partial(engine.check, own), setting)

    _all_of(
        check_stt,
        partial(check_tts, settings, "speech.tts"),
        *(partial(check_tts, own, setting) for own, setting in others),
    )


def language_problems(
    settings: SpeechSettings,
    language: str,
    setting: str,
    only_built_in: bool = False,
    tts_setting: str = "speech.tts",
) -> Iterator[str]:
    """Yield a line for each engine that says that it does not work in a language, set by `setting`.

    `only_built_in`: others may not be installed on this machine. `tts_setting`: what names the text-to-speech
    engine. Raises ConfigurationError.
    """
    for engine in _classes(settings, only_built_in, tts_setting):
        where = tts_setting if issubclass(engine, TtsEngine) else "speech.stt"
        known = _asked(engine, partial(_names, engine.languages, settings), where)
        if known is not None and not is_among(language, known):
            name = getattr(settings, engine.setting)
            yield (
                f"{setting} = {language!r}: {name} ({where}) does not work in it: "
                f"{choice(language, known)}; or choose another engine or model"
            )


def voice_problems(
    settings: SpeechSettings,
    voice: str,
    setting: str,
    only_built_in: bool = False,
    tts_setting: str = "speech.tts",
) -> Iterator[str]:
    """Yield a line if the text-to-speech engine says that it has no such voice; as `language_problems`."""
    for engine in _classes(settings, only_built_in, tts_setting):
        if issubclass(engine, TtsEngine):
            known = _asked(engine, partial(_names, engine.voices, settings), tts_setting)
            if known is not None and voice not in known:
                yield f"{setting} = {voice!r}: {settings.tts} has no such voice: {choice(voice, known)}"


def text_problems(
    settings: SpeechSettings,
    language: str,
    text: str,
    setting: str,
    only_built_in: bool = False,
    tts_setting: str = "speech.tts",
) -> Iterator[str]:
    """Yield a line if the voices leave out most of a text's letters; as `language_problems`."""
    for engine in _classes(settings, only_built_in, tts_setting):
        if issubclass(engine, TtsEngine):
            scripts = engine.scripts or language_scripts(language)
            problem = unreadable(text, scripts) if scripts else None
            if problem:
                where = f"{settings.tts} cannot read this text in the language {language!r}"
                yield f"{setting}: {where}: {problem}"


def real_time_factor(settings: SpeechSettings) -> float:
    """Return what the text-to-speech engine says of its speed; of one that is not here the usual value."""
    try:
        return _tts_class(settings).real_time_factor
    except ConfigurationError:
        return TtsEngine.real_time_factor


def _all_of(*checks: Callable[[], None]) -> None:
    """Make all checks. Raises one ConfigurationError with what each of them raises."""
    problems = []
    for make in checks:
        try:
            make()
        except ConfigurationError as error:
            problems.append(described(error))
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))


def _names(
    question: Callable[[SpeechSettings], Collection[str] | None], settings: SpeechSettings
) -> list[str] | None:
    """Return what an engine says; its code may give anything."""
    known = question(settings)
    return None if known is None else [str(name) for name in known]


def _classes(settings: SpeechSettings, only_built_in: bool, tts_setting: str) -> Iterator[type[Engine]]:
    if not only_built_in or settings.stt in STT_ENGINES:
        yield _stt_class(settings)
    if not only_built_in or settings.tts in TTS_ENGINES:
        yield _tts_class(settings, tts_setting)


def _asked(engine: type[Engine], question: Callable[[], Result], setting: str | None = None) -> Result:
    """Return what an engine's class answers. Raises ConfigurationError, whatever its code raises."""
    try:
        return question()
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{setting or f'speech.{engine.setting}'}: {engine.__name__}'s own check failed with "
            f"{type(error).__name__} "
            f"at {place(error, __file__)}: {described(error)}"
        ) from None


def _stt_class(settings: SpeechSettings) -> type[SttEngine]:
    return STT.load(settings.stt, SttEngine, "speech.stt")  # type: ignore[type-abstract]


def _tts_class(settings: SpeechSettings, setting: str = "speech.tts") -> type[TtsEngine]:
    return TTS.load(settings.tts, TtsEngine, setting)  # type: ignore[type-abstract]
