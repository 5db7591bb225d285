"""The extensions that a gateway serves, each with its dialog: those of the newest book that it was given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable

from actors.errors import ConfigurationError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.extensions import DEFAULT_EXTENSION, Extension
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import Dialog
from ingress.dialogs.closing import close
from ingress.dialogs.registry import dialog

FORMER_DIALOGS = 16
"""Of older books, that are kept for their calls. With more, the one that was made first is closed: a call
that still needs it has a new one."""

log = logging.getLogger(__name__)


class ServedExtensions:
    """One dialog for each extension, for all its calls."""

    def __init__(self, book: ExtensionBook) -> None:
        """Make the dialogs. Raises ConfigurationError."""
        self.book = book
        self._dialogs = {name: dialog(extension.dialog) for name, extension in book.extensions.items()}
        self._former: list[tuple[DialogSettings, Dialog]] = []  # of older books, the first made first
        self._unknown: set[str] = set()  # those that were logged
        self._following = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def dialogs(self) -> Collection[Dialog]:
        """All of them."""
        return self._dialogs.values()

    async def follow(self, book: ExtensionBook) -> bool:
        """Serve by a newer book; dialogs whose settings are the same go on. False: it is not newer.

        Dialogs are made in a thread: they may read files, and no turn waits for that. Raises
        ConfigurationError: then nothing has changed.
        """
        async with self._following:
            if book.version <= self.book.version:
                return False
            before, former, made = self.book.extensions, self._dialogs, dict[str, Dialog]()

            def make() -> None:
                for name, extension in book.extensions.items():
                    if name not in before or before[name].dialog != extension.dialog:
                        made[name] = dialog(extension.dialog)

            try:
                await asyncio.to_thread(make)
            except ConfigurationError:
                self._close(made.values())
                raise
            self._dialogs = {name: made[name] if name in made else former[name] for name in book.extensions}
            self.book = book
            for name, each in former.items():
                if self._dialogs.get(name) is not each:
                    self._keep(before[name].dialog, each)
            return True

    def _keep(self, settings: DialogSettings, former: Dialog) -> None:
        """Have a dialog of an older book for its calls."""
        kept = [*self._former, (settings, former)]
        self._former = kept[-FORMER_DIALOGS:]
        self._close(each for _, each in kept[:-FORMER_DIALOGS])

    def _close(self, dialogs: Iterable[Dialog]) -> None:
        """Begin to close dialogs."""
        for each in dialogs:
            task = asyncio.create_task(close(each), name="close a dialog")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all dialogs, all at the same time. Idempotent."""
        self._close([*self._dialogs.values(), *(former for _, former in self._former)])
        await asyncio.gather(*self._closing)

    def find(self, name: str) -> Extension | None:
        """Return an extension by its name; None: it is not in the book."""
        return self.book.extensions.get(name)

    def extension(self, name: str) -> Extension:
        """Return an extension by its name; one that the configuration no longer has is like the default."""
        found = self.find(name)
        if found is not None:
            return found
        if name not in self._unknown:
            self._unknown.add(name)
            log.warning("extension %s is not configured: its calls are served as %s", name, DEFAULT_EXTENSION)
        return self.book.extensions[DEFAULT_EXTENSION]

    def dialog(self, extension: Extension) -> Dialog:
        """Return an extension's dialog, also if it is of an older book. Raises ConfigurationError."""
        known = self.find(extension.name)
        if known is not None and known.dialog == extension.dialog:
            return self._dialogs[extension.name]
        for settings, former in self._former:
            if settings == extension.dialog:
                return former
        made = dialog(extension.dialog)
        self._keep(extension.dialog, made)
        return made

    def in_each_language(self) -> list[Extension]:
        """Return the extensions, each in every language that its calls may have."""
        return [each for extension in self.book.extensions.values() for each in extension.in_each_language]
