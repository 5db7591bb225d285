"""Settings checked whole, before a port opens: extensions, dialogs, engines."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from actors.engines.registry import STT, TTS, check_machine, check_names
from actors.errors import ConfigurationError
from actors.fleet.ray_address import check_ray_address
from actors.plugins.lookup import Catalogue
from actors.plugins.mistakes import unknown
from actors.settings import OpenSection, table_name
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import DialogSettings, Settings
from ingress.dialogs.registry import CATALOGUE, dialog_class
from ingress.dialogs.registry import check as check_dialog


def extension_book(settings: Settings) -> ExtensionBook:
    """Return the extensions that these settings describe. Raises ConfigurationError."""
    _check_tables(settings)
    return ExtensionBook.of(settings, _needs_speech)


def check(settings: Settings) -> ExtensionBook:
    """Return the extensions, if all that they need can work. Raises ConfigurationError.

    With a cluster the engines run elsewhere, so only their names are looked at.
    """
    book = extension_book(settings)
    if book.has_speech_workers:
        check_names(settings.speech)
        if settings.fleet.backend == "ray" and settings.fleet.ray_address is not None:
            check_ray_address(settings.fleet.ray_address)
        if settings.fleet.backend == "local" or settings.fleet.ray_address is None:
            for extension in book.extensions.values():
                if extension.needs_speech:
                    _check_language(settings, extension)
    return book


def _needs_speech(settings: DialogSettings, where: str) -> bool:
    check_dialog(settings, where)
    return dialog_class(settings.name, where).needs_speech


def _check_language(settings: Settings, extension: Extension) -> None:
    """Raise ConfigurationError if this machine clearly cannot run the engines in the extension's language."""
    try:
        check_machine(settings.speech.model_copy(update={"language": extension.language}))
    except ConfigurationError as error:
        problem = str(error)
        if extension.language != settings.speech.language and problem.startswith("speech.language: "):
            problem = f"extensions.{extension.name}.{problem.removeprefix('speech.')}"
        raise ConfigurationError(problem) from error


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
    lines += _unknown("speech", settings.speech, {settings.speech.stt, settings.speech.tts}, [STT, TTS])
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
