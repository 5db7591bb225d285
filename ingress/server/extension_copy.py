"""The last extensions that a database gave, in a file: for a start while the database is away."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from actors.checks.folders import expanded
from actors.errors import ConfigurationError, described
from actors.settings import Section, Table
from ingress.configuration.extension_tables import Tables
from ingress.configuration.settings import ExtensionsSourceSettings

LIMIT_BYTES = 8 * 1024 * 1024
"""More than any set that is taken."""

log = logging.getLogger(__name__)


class _Content(Section):
    """What is in the file."""

    source: str
    extensions: dict[str, Table]


class ExtensionCopy:
    """One file, for the extensions of one source. It is always whole, and its owner's alone."""

    def __init__(self, path: Path | None, source: str) -> None:
        self._path = path
        """None: nothing is kept."""
        self._source = source

    @classmethod
    def of(cls, settings: ExtensionsSourceSettings, port: int, source: str) -> ExtensionCopy:
        """Return the copy at the place that is set, or at the default one of the server on that port."""
        if settings.local_copy is not None:
            path = expanded(settings.local_copy, "extensions_source.local_copy")
            return cls(path if settings.local_copy else None, source)
        folder = _state_folder()
        return cls(folder / f"extensions-{port}.json" if folder is not None else None, source)

    def load(self) -> Tables:
        """Return the extensions that were kept of this source; none if there are none. Blocks."""
        if self._path is None:
            return {}
        try:
            with self._path.open("rb") as file:
                content = _Content.model_validate_json(file.read(LIMIT_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no copy of extensions"
            log.warning("the local copy %s cannot be read: %s", self._path, reason)
            return {}
        return content.extensions if content.source == self._source else {}

    def save(self, tables: Tables) -> None:
        """Keep these extensions; the file is replaced at once. Blocks. A disk error is logged, no more."""
        if self._path is None:
            return
        text = json.dumps({"source": self._source, "extensions": tables}, ensure_ascii=False, indent=1)
        written: str | None = None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, written = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
            with os.fdopen(descriptor, "w") as file:  # mkstemp's mode is 0600
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(written, self._path)
        except OSError as error:
            log.error("the local copy %s cannot be written: %s", self._path, described(error))
            if written is not None:
                Path(written).unlink(missing_ok=True)


def _state_folder() -> Path | None:
    """Return the service's state folder, or that of this user; None: this user has no home."""
    service = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if service:
        return Path(service)
    try:
        base = os.environ.get("XDG_STATE_HOME") or expanded("~/.local/state", "XDG_STATE_HOME")
    except ConfigurationError:
        return None
    return Path(base) / "raymal"
