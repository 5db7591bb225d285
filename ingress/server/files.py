"""Files and folders that the settings name, tried before a port opens; nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from actors.checks.folders import expanded, file_obstacle, obstacle, shortage
from actors.errors import ConfigurationError
from ingress.configuration.settings import CacheSettings, RecordingSettings, RecordSettings, Settings
from ingress.phrases.disk import phrase_directory


def records_problems(settings: RecordSettings) -> Iterator[str]:
    """Yield why calls' records could not be written."""
    if settings.file is None:
        return
    try:
        path = expanded(settings.file, "records.file")
    except ConfigurationError as error:
        yield str(error)
        return
    problem = file_obstacle(path)
    if problem is not None:
        yield f"records.file = {settings.file!r}: {problem}"


def recording_problems(settings: RecordingSettings) -> Iterator[str]:
    """Yield why calls could not be recorded."""
    if settings.folder is None:
        return
    try:
        problem = folder_obstacle(expanded(settings.folder, "recording.folder"))
    except ConfigurationError as error:
        yield str(error)
        return
    if problem is not None:
        yield f"recording.folder = {settings.folder!r}: {problem}"


def audio_problems(settings: Settings) -> Iterator[str]:
    """Yield which folders of files to be played cannot be read."""
    chosen = {"dialog": settings.dialog} | {
        f"extensions.{name}.dialog": extension.dialog
        for name, extension in settings.extensions.items()
        if extension.dialog is not None
    }
    for place, dialog in chosen.items():
        if dialog.audio_folder is None:
            continue
        setting = f"{place}.audio_folder"
        try:
            folder = expanded(dialog.audio_folder, setting)
        except ConfigurationError as error:
            yield str(error)
            continue
        if not os.path.isdir(folder) or not os.access(folder, os.R_OK | os.X_OK):
            yield f"{setting} = {dialog.audio_folder!r}: there is no such folder that this user may read"


def shortages(settings: Settings) -> Iterator[str]:
    """Yield which of the files that a server can do without would not fit on their disks."""
    with suppress(ConfigurationError):  # of a home that is not there: the others say it
        if settings.records.file is not None:
            path = expanded(settings.records.file, "records.file")
            # A device has a folder of its own kind.
            problem = None if os.path.exists(path) and not os.path.isfile(path) else shortage(path.parent)
            if problem is not None:
                yield f"records.file = {settings.records.file!r}: {problem}"
        if settings.recording.folder is not None:
            problem = shortage(expanded(settings.recording.folder, "recording.folder"))
            if problem is not None:
                yield f"recording.folder = {settings.recording.folder!r}: {problem}"
    directory = phrase_directory(settings.cache) if settings.cache.disk_bytes else None
    if directory is not None and (problem := shortage(directory)) is not None:
        yield f"cache.directory: {problem}"


def cache_problems(settings: CacheSettings) -> Iterator[str]:
    """Yield why phrases could not be kept in a folder that the operator chose."""
    chosen, setting = settings.directory, "cache.directory"
    if not chosen:
        chosen, setting = os.environ.get("RAYMAL_CACHE"), "environment variable RAYMAL_CACHE"
    if not chosen or settings.disk_bytes == 0:
        return
    try:
        problem = folder_obstacle(expanded(chosen, setting))
    except ConfigurationError as error:
        yield str(error)
        return
    if problem is not None:
        yield f"{setting} = {chosen!r}: {problem}; name another folder, or cache.disk_bytes = 0 for none"


def default_cache_problem(settings: CacheSettings) -> str | None:
    """Return why phrases cannot be kept in the user's own cache folder, where no other was chosen."""
    if settings.directory or os.environ.get("RAYMAL_CACHE") or settings.disk_bytes == 0:
        return None
    directory = phrase_directory(settings)
    if directory is None:
        return "this user has no home"
    return folder_obstacle(directory)


def folder_obstacle(folder: Path) -> str | None:
    """Return why a folder of our own cannot be made there, or cannot be used; None: it can be."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return obstacle(folder)
    except OSError as error:
        return f"{folder}: {error.strerror or type(error).__name__}"
    if folder.is_dir() and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        return f"{folder} is not this user's alone: others could write into it"
    return obstacle(folder)
