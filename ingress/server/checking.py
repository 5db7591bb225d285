"""Settings checked whole, before a port opens: extensions, dialogs, engines."""

from __future__ import annotations

from actors.engines.registry import check_machine, check_names
from actors.errors import ConfigurationError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import DialogSettings, Settings
from ingress.dialogs.own_tables import check_tables
from ingress.dialogs.registry import check as check_dialog
from ingress.dialogs.registry import dialog_class


def extension_book(settings: Settings) -> ExtensionBook:
    """Return the extensions that these settings describe. Raises ConfigurationError."""
    check_tables(settings)
    return ExtensionBook.of(settings, _needs_speech)


def check(settings: Settings) -> ExtensionBook:
    """Return the extensions, if all that they need can work. Raises ConfigurationError.

    With a cluster the engines run elsewhere, so only their names are looked at.
    """
    book = extension_book(settings)
    if book.has_speech_workers:
        check_names(settings.speech)
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
