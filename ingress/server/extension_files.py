"""The operator's files of extensions, changed by the program: comments, order and mode stay as they are.

| a changed extension | is written to |
|---|---|
| that is in a file | that file |
| that is new | `extensions_source.file`; without one, the configuration file |
| that is set by flags, or new without any file | nowhere: the change is refused |
"""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from actors.errors import ConfigurationError
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.configuration.loading import read_text

HEAD = "# Extensions of raymal, one table [extensions.NAME] each: docs/operations.md\n"


@dataclass(frozen=True, slots=True)
class Draft:
    """The text that a file is to have."""

    file: Path
    text: str

    def prepare(self) -> Prepared:
        """Write it beside the file. Raises ConfigurationError."""
        target = Path(os.path.realpath(self.file))  # a link stays a link
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            with os.fdopen(descriptor, "w") as stream:
                with suppress(FileNotFoundError):
                    found = target.stat()
                    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
                    with suppress(PermissionError):
                        os.fchown(descriptor, found.st_uid, found.st_gid)
                stream.write(self.text)
                stream.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise ConfigurationError(
                f"{self.file}: cannot be changed ({error.strerror}): let this user write to its folder, "
                "or set extensions_source.file to a file in a folder where it may"
            ) from error
        return Prepared(Path(name), target)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text on disk that takes a file's place at once, or not at all."""

    written: Path
    target: Path

    def commit(self) -> None:
        """Put it in the file's place. Raises OSError."""
        self.written.replace(self.target)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Remove it, if it is still there."""
        self.written.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ExtensionFiles:
    """The files of one server."""

    configuration: Path | None
    source: Path | None
    """`extensions_source.file`."""

    @property
    def paths(self) -> list[Path]:
        """Those that there are, or may be."""
        return [path for path in (self.source, self.configuration) if path is not None]

    def with_extension(self, name: str, settings: Mapping[str, Any], is_known: bool) -> Draft:
        """Return the file with the extension added or replaced. Raises ConfigurationError.

        `is_known`: whether the server has an extension of that name.
        """
        _check_name(name)
        found = self._file_with(name)
        if found is None and is_known:
            raise ConfigurationError(_by_flags(name))
        file = found or next(iter(self.paths), None)
        if file is None:
            raise ConfigurationError(
                "there is no file to keep the extension in: start the server with --config, or set "
                "extensions_source.file"
            )
        return _edited(file, name, _without_nulls(settings))

    def without_extension(self, name: str) -> Draft:
        """Return the file without an extension that the server has. Raises ConfigurationError."""
        _check_name(name)
        file = self._file_with(name)
        if file is None:
            raise ConfigurationError(_by_flags(name))
        return _edited(file, name, None)

    def _file_with(self, name: str) -> Path | None:
        for path in self.paths:
            extensions = _parsed(path, _text(path)).get("extensions")
            if isinstance(extensions, dict) and name in extensions:
                return path
        return None


def _check_name(name: str) -> None:
    if name == DEFAULT_EXTENSION:
        raise ConfigurationError(
            f"{name}: this is the server's own port; set [server], [dialog] and [speech] in the configuration"
        )


def _by_flags(name: str) -> str:
    return f"extensions.{name} is in no file: it is set by flags (--set); change those and restart the server"


def _text(file: Path) -> str:
    try:
        return read_text(file)
    except FileNotFoundError:
        return HEAD
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error


def _parsed(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: cannot be read as TOML: {error}") from error


def _edited(file: Path, name: str, settings: Mapping[str, Any] | None) -> Draft:
    """Return the file's text with one extension set, or removed. Raises ConfigurationError.

    The result is compared with what it should mean: what cannot be edited so is left to the operator.
    """
    text = _text(file)
    wanted = _parsed(file, text)
    extensions = wanted.setdefault("extensions", {})
    if settings is None:
        extensions.pop(name, None)
    else:
        extensions[name] = dict(settings)
    try:
        document = tomlkit.parse(text)
        if "extensions" not in document:
            document["extensions"] = tomlkit.table(is_super_table=True)
        table: Any = document["extensions"]
        if settings is None:
            del table[name]
        elif name in table:
            _update(table[name], settings)
        else:
            table[name] = _table(settings)
        edited = tomlkit.dumps(document)
        meaning = tomllib.loads(edited)
    except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError):
        meaning, edited = {}, ""
    if meaning.setdefault("extensions", {}) != extensions or meaning != wanted:
        raise ConfigurationError(f"{file}: extensions.{name} cannot be changed in its place; edit the file")
    return Draft(file, edited)


def _update(table: Any, settings: Mapping[str, Any]) -> None:
    """Make the table say what the settings say; what is the same is not touched."""
    for key in [key for key in table if key not in settings]:
        del table[key]
    for key, value in settings.items():
        if isinstance(value, Mapping) and isinstance(table.get(key), Mapping):
            _update(table[key], value)
        elif isinstance(value, Mapping):
            table[key] = _table(value)
        elif table.get(key) != value:
            table[key] = value


def _table(settings: Mapping[str, Any]) -> Any:
    table = tomlkit.table()
    ordered = sorted(settings.items(), key=lambda item: isinstance(item[1], Mapping))
    for key, value in ordered:  # plain values first: after a sub-table they would be the sub-table's
        table[key] = _table(value) if isinstance(value, Mapping) else value
    return table


def _without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those that are null: TOML has none, and unset means the same."""
    return {
        key: _without_nulls(value) if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if value is not None
    }
