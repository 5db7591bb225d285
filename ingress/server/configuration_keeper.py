"""The configuration of a running server: read again, changed in its files, followed by its extensions."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from actors.errors import ConfigurationError
from actors.liveness.threads import in_thread
from actors.machine.rank import background_niceness
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extension_tables import Tables, with_extensions
from ingress.configuration.loading import is_missing
from ingress.configuration.settings import (
    AUTO_PORT,
    SHARED_PORT,
    EndpointingSettings,
    ExtensionSettings,
    Settings,
)
from ingress.server.checking import check, late_engine_problems
from ingress.server.extension_files import Draft, ExtensionFiles
from ingress.server.extension_keeper import ExtensionKeeper

if TYPE_CHECKING:
    from ingress.server.extension_database import ExtensionDatabase

READ_DEADLINE_S = 30.0
"""For a configuration to be read and checked: its disk, or a hub, may never answer."""

OF_EXTENSIONS: dict[str, Any] = {
    "extensions": True,
    "dialog": True,
    "barge_in": True,
    "endpointing": set(EndpointingSettings.model_fields) - {"confirmation"},
    "recording": {"audio", "transcripts"},
    "server": {"port"},
    "speech": {"language"},
}
"""Settings that become an extension's (`ingress.configuration.extensions`)."""

ReadAgain = Callable[[Mapping[Path, str]], Settings]
"""Return the settings as they are written now, with these texts in place of what files hold.

Raises ConfigurationError."""

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class ConfigurationKeeper:
    """Keeps the server's extensions and the operator's files the same."""

    def __init__(
        self,
        settings: Settings,
        configuration: Path | None,
        read_again: ReadAgain,
        extensions: ExtensionKeeper,
        database: ExtensionDatabase | None = None,
    ) -> None:
        """`database`: that has extensions, too, if there is one; it has been started."""
        source = settings.extensions_source.file
        self.files = ExtensionFiles(configuration, Path(source) if source else None)
        self._first = self._newest = settings
        self._had_source = self.files.source is not None and not is_missing(self.files.source)
        """Whether `extensions_source.file` was there: an editor may take it away for a moment."""
        self._database_place = database.place if database is not None else ""
        self._database_tables: Tables = database.taken if database is not None else {}
        self._read_again = read_again
        self._extensions = extensions
        self._planned_engines = {settings.speech.tts, *(it.name for it in extensions.book.engines)}
        """That the workers' places were planned for."""
        self._changing = asyncio.Lock()

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """What is set for each extension, as in its table `[extensions.NAME]`."""
        settings = with_extensions(self._newest, self._database_tables)
        return {name: _table(chosen) for name, chosen in settings.extensions.items()}

    async def reload(self, is_asked: bool = True) -> list[str]:
        """Follow the files; return what waits for a restart, and log it. Raises ConfigurationError.

        `is_asked`: by a person: the log says it, too, if nothing has changed.
        """
        async with self._changing:
            try:
                settings, book = await self._read({})
                known = self._extensions.book
                if settings == self._newest and known.updated(book)[0] is known:  # a dialog's file may differ
                    if is_asked:
                        log.info("the configuration is as it was")
                    return self._waiting(settings)
                waiting = await self._extensions.follow(book) + self._waiting(settings)
            except ConfigurationError as error:
                log.error("the configuration is not reloaded: %s", error)
                raise
            self._newest = settings
            log.info("the configuration is reloaded; new calls are served by it")
            if waiting:
                log.warning("only the next start takes this up: %s", "; ".join(waiting))
            return waiting

    async def follow_database(self, tables: Tables) -> None:
        """Follow the extensions of the database. Raises ConfigurationError: nothing has changed."""
        async with self._changing:
            _, book = await self._read({}, tables)
            await self._extensions.follow(book)
            self._database_tables = tables
        log.info("the extensions of the database are taken; new calls are served by them")

    async def put(self, name: str, extension: Mapping[str, Any]) -> list[str]:
        """Add or replace an extension, here and in its file. Raises ConfigurationError."""
        async with self._changing:
            self._check_place(name)
            is_known = name in self._extensions.book.extensions
            waiting = await self._change(partial(self.files.with_extension, name, extension, is_known))
        log.info("extension %s is %s", name, "changed" if is_known else "added")
        return waiting

    async def remove(self, name: str) -> list[str]:
        """Remove an extension, here and from its file. Raises ConfigurationError."""
        async with self._changing:
            self._check_place(name)
            if name not in self._extensions.book.extensions:
                raise ConfigurationError(f"extensions.{name}: does not exist")
            waiting = await self._change(partial(self.files.without_extension, name))
        log.info("extension %s is removed", name)
        return waiting

    def _check_source(self) -> None:
        """Raise ConfigurationError if the extensions' file is gone: that is no order to remove them."""
        source = self.files.source
        if source is None:
            return
        if not is_missing(source):
            self._had_source = True
        elif self._had_source:
            raise ConfigurationError(f"{source} is gone; to remove its extensions, put an empty file there")

    def _check_place(self, name: str) -> None:
        """Raise ConfigurationError for an extension that no file has."""
        if name in self._database_tables:
            raise ConfigurationError(
                f"extensions.{name} is in the database ({self._database_place}): change it there"
            )

    async def _change(self, make_draft: Callable[[], Draft]) -> list[str]:
        """Follow a file as it would be, then write it. Raises ConfigurationError: nothing has changed."""
        draft = await _in_time(make_draft)
        settings, book = await self._read({draft.file: draft.text})
        prepared = await _in_time(draft.prepare)
        try:
            waiting = await self._extensions.follow(book)
            try:
                async with asyncio.timeout(READ_DEADLINE_S):
                    await in_thread(prepared.commit)
            except OSError as error:  # TimeoutError is one
                reason = error.strerror or f"not within {READ_DEADLINE_S:g} s"
                lost = f"{draft.file} could not be written ({reason}): the next start undoes the change"
                log.error("%s", lost)
                waiting.append(lost)
        finally:
            prepared.discard()
        self._newest = settings
        return waiting + self._waiting(settings)

    async def _read(
        self, drafts: Mapping[Path, str], tables: Tables | None = None
    ) -> tuple[Settings, ExtensionBook]:
        """`tables`: of the database; None: as they are."""
        chosen = self._database_tables if tables is None else tables

        def read_and_check() -> tuple[Settings, ExtensionBook]:
            # This thread alone: it works for a tenth of a second, on a core that the audio clock may need.
            os.setpriority(os.PRIO_PROCESS, 0, background_niceness(self._first.server.nice))
            self._check_source()
            settings = self._read_again(drafts)
            book = check(with_extensions(settings, chosen))
            late = [engine for engine in book.engines if engine.name not in self._planned_engines]
            if problems := list(late_engine_problems(self._first, late)):
                raise ConfigurationError("\n".join(problems))
            return settings, book

        return await _in_time(read_and_check)

    def _waiting(self, settings: Settings) -> list[str]:
        return [f"{setting} has changed" for setting in _changed(self._first, settings)]


async def _in_time(work: Callable[[], Result]) -> Result:
    """Return what is read, or written, in a thread. Raises ConfigurationError."""
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            return await in_thread(work)
    except TimeoutError as error:
        raise ConfigurationError(f"reading or writing it takes longer than {READ_DEADLINE_S:g} s") from error


def _table(chosen: ExtensionSettings) -> dict[str, Any]:
    table = chosen.model_dump(mode="json", exclude_unset=True)
    return table | {"port": SHARED_PORT if chosen.port is None else chosen.port or AUTO_PORT}


def _changed(before: Settings, after: Settings) -> list[str]:
    """Return the settings that differ and are not those of extensions."""
    old, new = (_flat(settings.model_dump(exclude=OF_EXTENSIONS)) for settings in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat
