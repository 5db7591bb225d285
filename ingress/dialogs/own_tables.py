"""Find misspelt tables among those of own dialogs and engines: `[dialog.NAME]` and `[speech.NAME]`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from actors.engines.registry import STT, TTS
from actors.errors import ConfigurationError
from actors.plugins.lookup import Catalogue
from actors.plugins.mistakes import unknown
from actors.settings import OpenSection, table_name
from ingress.configuration.settings import Settings
from ingress.dialogs.registry import CATALOGUE


def check_tables(settings: Settings) -> None:
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
