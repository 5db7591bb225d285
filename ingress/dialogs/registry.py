"""Find, check and make the dialog that the settings name.

A dialog is one of `DIALOGS`, the name of an entry point in the group `raymal.dialogs`, or
`package.module:Class`. Adding a built-in one is one file, one line here, one test.
"""

from __future__ import annotations

from inspect import signature

from actors.errors import ConfigurationError
from actors.plugins.lookup import Catalogue, place
from actors.plugins.mistakes import own_settings
from actors.settings import table_name
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import Dialog

DIALOGS = {
    "echo": "ingress.dialogs.echo:EchoDialog",
    "flow": "ingress.dialogs.flow.dialog:FlowDialog",
    "llm": "ingress.dialogs.llm.dialog:LlmDialog",
    "tone": "ingress.dialogs.tone:ToneDialog",
    "webhook": "ingress.dialogs.webhook.dialog:WebhookDialog",
}
CATALOGUE = Catalogue("dialog", DIALOGS, group="raymal.dialogs")


def dialog_class(name: str, where: str = "dialog") -> type[Dialog]:
    """Return the class of the dialog called `name`. Raises ConfigurationError, which names `where`."""
    found = CATALOGUE.load(name, Dialog, f"{where}.name")  # type: ignore[type-abstract]
    if not isinstance(found.needs_speech, bool):
        raise ConfigurationError(f"{where}.name: {name!r}: its needs_speech is neither True nor False")
    return found


def check(settings: DialogSettings, where: str = "dialog") -> None:
    """Raise ConfigurationError if there is no such dialog, or its own settings are wrong; a line for each."""
    chosen = dialog_class(settings.name, where)
    own_settings(chosen.Settings, settings.own_table(settings.name), f"{where}.{table_name(settings.name)}")


def pinned(settings: DialogSettings, where: str = "dialog") -> DialogSettings:
    """Return the settings with the versions of the files that they name. Raises ConfigurationError."""
    table = settings.own_table(settings.name)
    chosen = dialog_class(settings.name, where).pinned(table)
    return settings if chosen is table else settings.model_copy(update={table_name(settings.name): chosen})


def dialog(settings: DialogSettings) -> Dialog:
    """Return the configured dialog. Raises ConfigurationError, also for an error of its constructor."""
    chosen = dialog_class(settings.name)
    try:
        signature(chosen).bind(settings)
    except TypeError:
        raise ConfigurationError(
            f"dialog.name: {settings.name!r} does not take its settings: "
            "write `def __init__(self, settings)`, with `super().__init__(settings)` in it"
        ) from None
    try:
        return chosen(settings)
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:
        # Only type and place: a message may quote anything.
        raise ConfigurationError(
            f"dialog.name: {settings.name!r}: making the dialog failed with {type(error).__name__} "
            f"at {place(error, __file__)}: correct it there"
        ) from None
