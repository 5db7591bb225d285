"""Settings checked whole, before a port opens: extensions, dialogs, engines, files and folders.

All that is wrong is reported together, a line for each. Nothing that is tried leaves anything behind.

| tried | by a start | by `raymal serve --check` |
|---|---|---|
| names, modules and settings of dialogs and engines, languages, voices | yes | yes |
| models and files of engines, where they run on this machine | yes | yes |
| files and folders that are written, the token of HTTP | yes | yes |
| making the dialogs | by the gateway | yes |
| what dialogs ask in the network | no | yes, with a warning: it may come |
| addresses and ports | by listening on them | yes, but those of the server that runs on the same port |
| extensions in a database | yes, if it answers | yes |
| room on the disks of records, recordings and phrases | no: it may come | yes |
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from actors.checks.hosts import is_loopback
from actors.engines.registry import (
    STT,
    TTS,
    check_machine,
    check_names,
    language_problems,
    text_problems,
    voice_problems,
)
from actors.errors import ConfigurationError, LinkError, described
from actors.fleet.ray_address import check_ray_address
from actors.fleet.sizing import device_of
from actors.local import this_machine
from actors.messages import FurtherEngine
from actors.plugins.lookup import Catalogue
from actors.plugins.mistakes import unknown
from actors.settings import OpenSection, SpeechSettings, table_name
from ingress.access.tokens import configured_token
from ingress.configuration.extension_book import ExtensionBook, engines_of, extensions_of
from ingress.configuration.extension_tables import with_extensions
from ingress.configuration.extensions import DEFAULT_EXTENSION, Extension
from ingress.configuration.settings import DialogSettings, Settings, TracesSettings, WebSettings
from ingress.dialogs.base import Dialog
from ingress.dialogs.closing import close
from ingress.dialogs.registry import CATALOGUE, dialog, dialog_class, pinned
from ingress.dialogs.registry import check as check_dialog
from ingress.server import database_address, ports
from ingress.server.files import (
    audio_problems,
    cache_problems,
    default_cache_problem,
    recording_problems,
    records_problems,
    shortages,
)
from ingress.server.finding import find
from ingress.server.runtime_directory import RuntimeDirectory

log = logging.getLogger(__name__)


def extension_book(settings: Settings) -> ExtensionBook:
    """Return the extensions that these settings describe. Raises ConfigurationError."""
    _check_tables(settings)
    book = ExtensionBook.of(settings, _needs_speech)
    extensions = {
        name: extension.model_copy(update={"dialog": pinned(extension.dialog)})
        for name, extension in book.extensions.items()
    }
    return book.model_copy(update={"extensions": extensions})


def check(settings: Settings, is_alone: bool = False) -> ExtensionBook:
    """Return the extensions, if all that they need can work. Raises ConfigurationError with all that cannot.

    `is_alone`: try also what a start does by itself. With a cluster the engines run elsewhere, so only their
    names, languages and voices are looked at.
    """
    problems = [*_trace_problems(settings.traces), *database_address.problems(settings.extensions_source)]
    book: ExtensionBook | None = None
    if is_alone and not any(database_address.problems(settings.extensions_source)):
        try:
            settings = _with_database(settings)
        except ConfigurationError as error:
            problems += _lines(error)
    try:
        book = extension_book(settings)
    except ConfigurationError as error:
        problems += _lines(error)
    problems += records_problems(settings.records)
    problems += _web_problems(settings.web)
    problems += recording_problems(settings.recording)
    problems += audio_problems(settings)
    if book is None or book.has_speech_workers:
        problems += _ray_problems(settings)
        if settings.api.enabled:
            problems += api_problems(settings)
        problems += cache_problems(settings.cache)
        problems += _engine_problems(settings)
    if is_alone and book is not None:
        problems += _start_problems(settings, book)
    if problems or book is None:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    problem = default_cache_problem(settings.cache)
    if problem is not None:  # the server can do without
        log.warning("phrases are not kept on disk: %s; set cache.directory", problem)
    return book


def _web_problems(web: WebSettings) -> Iterator[str]:
    if not web.enabled:
        return
    try:
        token = configured_token(web.token_file, os.environ)
    except ConfigurationError as error:
        yield from _lines(error)
        return
    if token is None and not is_loopback(web.host):
        yield (
            f"web.host = {web.host!r}: others reach this address, so its HTTP needs a token; make one with "
            "`raymal token` and name its file as web.token_file, or keep to 127.0.0.1"
        )


def _with_database(settings: Settings) -> Settings:
    """Return the settings with the extensions that a database holds now. Raises ConfigurationError."""
    if settings.extensions_source.url is None:
        return settings
    from ingress.server.extension_database import ExtensionDatabase  # imports asyncpg

    database = ExtensionDatabase(settings.extensions_source, settings.server.port)
    try:
        return with_extensions(settings, asyncio.run(database.read()))
    except ConfigurationError as error:
        lines = (f"{database.place}: {line}" for line in _lines(error))
        raise ConfigurationError("\n".join(lines)) from None


def _trace_problems(settings: TracesSettings) -> Iterator[str]:
    if settings.endpoint is None:
        return
    try:
        parts = urlsplit(settings.endpoint)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.username is not None:
        yield (
            "traces.endpoint: write http://HOST:4318/v1/traces; what a collector has to be sent besides goes "
            "into the environment (OTEL_EXPORTER_OTLP_HEADERS)"
        )
    if not _has_module("opentelemetry.exporter.otlp.proto.http"):
        yield (
            "traces.endpoint: traces need raymal's extra `traces`, which is not installed: "
            "pip install opentelemetry-exporter-otlp-proto-http"
        )


def _has_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of one above it
        return False


def _ray_problems(settings: Settings) -> Iterator[str]:
    if settings.fleet.backend == "ray" and settings.fleet.ray_address is not None:
        try:
            check_ray_address(settings.fleet.ray_address)
        except ConfigurationError as error:
            yield from _lines(error)


def api_problems(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the settings of the cluster's door."""
    try:
        token = configured_token(settings.web.token_file, os.environ)
    except ConfigurationError as error:
        yield from _lines(error)
        return
    if token is None and not is_loopback(settings.api.host):
        yield (
            f"api.host = {settings.api.host!r}: other machines may ask there, so a token is needed: run "
            "`raymal token` and set web.token_file, or RAYMAL_TOKEN"
        )


def _engine_problems(settings: Settings) -> Iterator[str]:
    extensions, _ = extensions_of(settings, _needs_speech)
    engines = engines_of(extensions)
    try:
        check_names(settings.speech, engines)
    except ConfigurationError as error:
        yield from _lines(error)
        return
    run_here = settings.fleet.backend == "local" or settings.fleet.ray_address is None
    try:
        for extension in extensions:
            if extension.needs_speech:
                yield from _speech_problems(settings, extension, only_built_in=not run_here)
    except ConfigurationError as error:
        yield from _lines(error)
    try:
        if run_here:
            check_machine(settings.speech, _spoken(settings, extensions))
    except ConfigurationError as error:
        yield from _lines(error)


def _spoken(settings: Settings, extensions: Iterable[Extension]) -> list[tuple[SpeechSettings, str]]:
    """Return how extensions speak, each engine, language and voice once, with what names the engine."""
    ways: dict[tuple[str | None, str, str | None], str] = {}
    for extension in extensions:
        setting = "speech.tts" if extension.tts is None else f"extensions.{extension.name}.tts"
        for each in extension.in_each_language if extension.needs_speech else ():
            ways.setdefault((each.tts, each.language, each.spoken_voice), setting)
    return [(settings.speech.for_engine(*way), setting) for way, setting in ways.items()]


def late_engine_problems(settings: Settings, engines: Collection[FurtherEngine]) -> Iterator[str]:
    """Yield why a running server cannot take engines for which its workers were not planned."""
    are_here = settings.fleet.backend == "local" or settings.fleet.ray_address is None
    has_gpu = not are_here or this_machine().gpus > 0
    for engine in engines:
        device = device_of(settings.speech, engine.name)
        if device == "cuda" or (device == "auto" and has_gpu):
            yield (
                f"{engine.setting} = {engine.name!r}: it may use a GPU, and the running speech workers were "
                "planned without it; restart the server, or before set "
                f"speech.{table_name(engine.name)}.device to cpu"
            )


def _speech_problems(settings: Settings, extension: Extension, only_built_in: bool) -> Iterator[str]:
    """Yield what an extension asks of the engines and they do not have."""
    chosen = settings.extensions.get(extension.name)
    section = f"extensions.{extension.name}"
    # The server's own language is one mistake, of however many extensions.
    language_section = section if chosen is not None and chosen.language is not None else "speech"
    setting = f"{language_section}.language"
    # The server's own engine is loaded in the server's language, whatever an extension speaks.
    is_further = extension.tts is not None and extension.tts != settings.speech.tts
    speech = settings.speech.for_engine(extension.tts, extension.language if is_further else None)
    tts_setting = "speech.tts"
    if extension.tts is not None:
        # With an engine of its own, the language that it has from [speech] is one for it to mind.
        setting, tts_setting = f"{section}.language", f"{section}.tts"
    languages = [each.language for each in extension.in_each_language]
    for language in languages:
        yield from language_problems(speech, language, setting, only_built_in, tts_setting)
    texts = {f"{section}.{phrase}": text for phrase, text in extension.phrases.items()}
    greeting, inherited = extension.dialog.greeting, settings.dialog.greeting
    texts[f"{section}.dialog.greeting" if greeting != inherited else "dialog.greeting"] = greeting or ""
    for setting, text in texts.items():
        for language in languages:
            yield from text_problems(speech, language, text, setting, only_built_in, tts_setting)
    for setting, voice in extension.voice_settings.items():
        yield from voice_problems(speech, voice, f"{section}.{setting}", only_built_in, tts_setting)


def _start_problems(settings: Settings, book: ExtensionBook) -> Iterator[str]:
    """Yield what stands in the way of dialogs, ports and sockets."""
    asked: list[DialogSettings] = []
    for extension in book.extensions.values():
        try:
            made = dialog(extension.dialog)
        except ConfigurationError as error:
            yield from (f"extension {extension.name}: {line}" for line in _lines(error))
            continue
        if extension.dialog not in asked:
            asked.append(extension.dialog)
            _warn_of_unreachable(extension.name, made)
        asyncio.run(close(made))
    own_ports = _own_ports(settings.server.port)
    yield from ports.problems(settings.server, book, own_ports)
    if not own_ports:
        yield from ports.door_problems(settings)
    yield from shortages(settings)
    problem = RuntimeDirectory.of_port(settings.server.port).problem()
    if problem is not None:
        yield problem


def _warn_of_unreachable(extension: str, made: Dialog) -> None:
    """Log what a dialog cannot reach now: it may be there when a call comes."""
    try:
        for line in made.unreachable():
            log.warning("extension %s: %s", extension, line)
    except Exception as error:  # a dialog may be anyone's code; its message may quote anything
        log.warning("extension %s: asking what its dialog needs failed: %s", extension, type(error).__name__)


def _own_ports(port: int) -> Collection[int]:
    """Return the ports of the server that runs on `port`, if one does."""
    try:
        held = find(port).ports_held()
    except LinkError:
        return ()
    return held.values() if held.get(DEFAULT_EXTENSION) == port else ()


def _lines(error: ConfigurationError) -> list[str]:
    return described(error).split("\n")


def _needs_speech(settings: DialogSettings, where: str) -> bool:
    check_dialog(settings, where)
    return dialog_class(settings.name, where).needs_speech


def _check_tables(settings: Settings) -> None:
    """Raise ConfigurationError for each table whose dialog or engine is neither chosen nor installed.

    What is in a table is checked where its dialog or engine is chosen.
    """
    own = {f"extensions.{name}.dialog": chosen.dialog for name, chosen in settings.extensions.items()}
    sections = {"dialog": settings.dialog} | {where: dialog for where, dialog in own.items() if dialog}
    chosen = {dialog.name for dialog in sections.values()}
    lines = [
        line for where, dialog in sections.items() for line in _unknown(where, dialog, chosen, [CATALOGUE])
    ]
    further = {chosen.tts for chosen in settings.extensions.values() if chosen.tts is not None}
    engines = {settings.speech.stt, settings.speech.tts, *further}
    lines += _unknown("speech", settings.speech, engines, [STT, TTS])
    if lines:
        raise ConfigurationError("\n".join(lines))


def _unknown(
    where: str, section: OpenSection, chosen: Collection[str], catalogues: Collection[Catalogue]
) -> Iterator[str]:
    known = {table_name(name) for name in chosen}
    if section.own_tables.keys() <= known:
        return  # the usual case needs no search among the installed packages
    for catalogue in catalogues:
        known.update(catalogue.names())
    for name in section.own_tables.keys() - known:
        yield f"{where}: {unknown(name, {*known, *type(section).model_fields})}"
