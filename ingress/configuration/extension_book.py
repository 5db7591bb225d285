"""The set of extensions of a server: checked whole, and with a version.

The supervisor holds it. The gateway gets it from a file when it starts, and as a message when it changes; the
media workers get each extension by itself (`ingress.server.media_feed`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from actors.errors import ConfigurationError
from actors.messages import FurtherEngine
from actors.settings import Section
from ingress.configuration.extensions import (
    DEFAULT_EXTENSION,
    Extension,
    default_extension,
    named_extension,
)
from ingress.configuration.settings import DialogSettings, Settings

MAXIMUM_EXTENSION_BYTES = 64 * 1024
"""Of one extension's settings as JSON: they go to a media worker in one piece."""
MAXIMUM_BOOK_BYTES = 4 * 1024 * 1024
"""Of all together: they go to the gateway in one message, and are in the supervisor's answers."""
MAXIMUM_ENGINES = 8
"""Text-to-speech engines that extensions name: each worker has all of them in memory."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
"""Not "..", which HTTP clients take out of an address, nor what a command takes for a flag."""
NeedsSpeech = Callable[[DialogSettings, str], bool]


class ExtensionBook(Section):
    """All extensions by name, the server's own port first."""

    version: int
    extensions: dict[str, Extension]
    has_speech_workers: bool
    """Whether the server was started with speech workers: no change starts or stops them."""

    @property
    def engines(self) -> tuple[FurtherEngine, ...]:
        """The text-to-speech engines that extensions name, each by the first that does."""
        return engines_of(self.extensions.values())

    @classmethod
    def of(cls, settings: Settings, needs_speech: NeedsSpeech) -> ExtensionBook:
        """Return the first book of a server, of `extensions_of`. Raises ConfigurationError."""
        made, problems = extensions_of(settings, needs_speech)
        return _checked(1, made, any(extension.needs_speech for extension in made), problems)

    def updated(self, newer: ExtensionBook) -> tuple[ExtensionBook, list[str]]:
        """Return the book as a newer configuration has its extensions, and what waits for a restart.

        The server's own port stays as it is. Raises ConfigurationError.
        """
        own, newest = self.extensions[DEFAULT_EXTENSION], newer.extensions[DEFAULT_EXTENSION]
        waiting = [] if newest.port == own.port else [f"{_setting(own, 'port')} has changed"]
        extensions = {**newer.extensions, DEFAULT_EXTENSION: newest.model_copy(update={"port": own.port})}
        if extensions == self.extensions:
            return self, waiting
        return _checked(self.version + 1, extensions.values(), self.has_speech_workers, []), waiting


def engines_of(extensions: Iterable[Extension]) -> tuple[FurtherEngine, ...]:
    """Return the text-to-speech engines that extensions name, each by the first that does."""
    engines: dict[str, FurtherEngine] = {}
    for extension in extensions:
        if extension.needs_speech and extension.tts is not None:
            named = FurtherEngine(extension.tts, extension.language, _setting(extension, "tts"))
            engines.setdefault(named.name, named)
    return tuple(engines.values())


def extensions_of(settings: Settings, needs_speech: NeedsSpeech) -> tuple[list[Extension], list[str]]:
    """Return the extensions that settings describe, the server's own port first, and what is wrong with them.

    `needs_speech`: whether a dialog, set at that place, needs speech workers; raises ConfigurationError.
    """
    made = [default_extension(settings)]
    problems: list[str] = []
    for name, chosen in settings.extensions.items():
        if name == DEFAULT_EXTENSION:
            problems.append(
                f"extensions.{name!r}: this is the name of the server's own port; "
                "set [server], [dialog] and [speech] instead"
            )
        else:
            made.append(named_extension(name, chosen, settings))
    for number, extension in enumerate(made):
        is_shared = extension.dialog == settings.dialog
        try:
            speaks = needs_speech(
                extension.dialog, "dialog" if is_shared else f"extensions.{extension.name}.dialog"
            )
            made[number] = extension.model_copy(update={"needs_speech": speaks})
        except ConfigurationError as error:
            problems.append(str(error))
    return made, problems


def _checked(
    version: int, extensions: Collection[Extension], has_speech_workers: bool, problems: list[str]
) -> ExtensionBook:
    """Return the book. Raises ConfigurationError with these problems and those of the extensions."""
    engines = engines_of(extensions)
    if len(engines) > MAXIMUM_ENGINES:
        problems.append(
            f"extensions: {len(engines)} text-to-speech engines; each speech worker holds all of them, and "
            f"{MAXIMUM_ENGINES} at most: {', '.join(engine.name for engine in engines)}"
        )
    ports: dict[int, str] = {}
    book_bytes = 0
    for extension in extensions:
        if extension.needs_speech and not has_speech_workers:
            problems.append(
                f"{_setting(extension, 'dialog')}.name: {extension.dialog.name} needs speech workers, "
                "and this server was started without them; restart it"
            )
        if not NAME.fullmatch(extension.name):
            problems.append(
                f"extensions.{extension.name[:80]!r}: an extension's name is made of letters, digits, "
                "'_', '.' and '-', 64 at most, and does not begin with '.' or '-'"
            )
        own_bytes = len(extension.model_dump_json().encode())
        book_bytes += own_bytes
        if own_bytes > MAXIMUM_EXTENSION_BYTES:
            problems.append(
                f"extensions.{extension.name}: its settings are longer than {MAXIMUM_EXTENSION_BYTES} bytes; "
                "shorten its texts"
            )
        if extension.return_port is not None and extension.port is None:
            problems.append(
                f"extensions.{extension.name}.return_port: needs a port for callers beside it, a number or "
                '"auto": both legs of a call meet in one media worker'
            )
        for key, port in (("port", extension.port), ("return_port", extension.return_port)):
            setting = _setting(extension, key)
            if port and port in ports:
                problems.append(
                    f"{setting} = {port}: the same as {ports[port]}; every extension has a port of its own"
                )
            elif port:
                ports[port] = setting
    if book_bytes > MAXIMUM_BOOK_BYTES:
        problems.append(
            f"extensions: {len(extensions)} with {book_bytes} bytes of settings, those that they have from "
            f"[dialog] counted for each; {MAXIMUM_BOOK_BYTES} at most: shorten the texts"
        )
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    return ExtensionBook(
        version=version,
        extensions={extension.name: extension for extension in extensions},
        has_speech_workers=has_speech_workers,
    )


def _setting(extension: Extension, key: str) -> str:
    if extension.name != DEFAULT_EXTENSION:
        return f"extensions.{extension.name}.{key}"
    return "server.port" if key == "port" else key
