"""Dialog names. Adding a dialog is one file, one line here, one test."""

from __future__ import annotations

from collections.abc import Callable

from actors.errors import ConfigurationError
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import Dialog
from ingress.dialogs.echo import EchoDialog
from ingress.dialogs.tone import ToneDialog

DIALOGS: dict[str, Callable[[DialogSettings], Dialog]] = {
    "echo": EchoDialog,
    "tone": ToneDialog,
}


def dialog(settings: DialogSettings) -> Dialog:
    """Return the configured dialog. Raises ConfigurationError."""
    if settings.name not in DIALOGS:
        raise ConfigurationError(
            f"dialog.name: unknown dialog {settings.name!r}; choose one of {', '.join(sorted(DIALOGS))}"
        )
    return DIALOGS[settings.name](settings)
