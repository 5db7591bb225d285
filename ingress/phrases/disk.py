"""Fixed phrases on disk: one file per phrase, in a private folder that several processes may share.

A file appears whole or not at all: it is written under another name and renamed. It is not synchronised, so
after a power cut a file may be torn; one that does not agree with its header is removed, never played. There
are no locks: the same key is the same audio, so the last rename is right, and a phrase that another process
has removed is simply absent.

The folder is bounded: before a new file takes its name the longest unused ones are removed. A file's
modification time is the time of its last use: access times are not kept on most systems.

Only text that the operator or a dialog declared fixed is written here; it is readable in the header. Every
method blocks. Those that calls use never raise: if the disk is full, read-only or absent, one warning is
logged. Those for the operator raise OSError.
"""

from __future__ import annotations

import json
import logging
import os
import re
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from actors.telephone import audio_duration_ms
from ingress.configuration.settings import CacheSettings

MAGIC = b"raymalP1"
"""The last digit is the format's version; files of another one are removed when they are met."""
HEADER = struct.Struct(">8sII32s")
"""Magic, bytes of the label (JSON), bytes of audio, SHA-256 of key, lengths, label and audio.

Label and audio follow. The digest alone decides whether a file is whole."""
MAXIMUM_PHRASE_BYTES = 4 * 1024 * 1024
"""Four minutes. A sentence is 200 characters at most, some 13 s."""
ABANDONED_AFTER_S = 60.0
"""The writer of an unfinished file of this age is dead: a write takes milliseconds."""

_PHRASE_FILE = re.compile(r"[0-9a-f]{64}\.phrase")
_WRITING = ".writing-"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Label:
    """What a stored phrase says, and in which voice: only for people to read."""

    text: str
    language: str
    voice: str | None
    engine: str


@dataclass(frozen=True, slots=True)
class StoredPhrase:
    """A phrase as it lies on disk."""

    key: str
    label: Label
    audio_s: float
    file_bytes: int
    used_at_s: float
    """Last use, or making: seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was removed from the folder, and why something is still in it."""

    files: int
    bytes: int
    problems: tuple[str, ...]


def phrase_directory(settings: CacheSettings, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the setting, else $RAYMAL_CACHE, else one in the cache folder; None: there is no home.

    The latter is $XDG_CACHE_HOME, if that is an absolute path, else `~/.cache` (XDG Base Directory
    Specification).
    """
    chosen = settings.directory or environment.get("RAYMAL_CACHE")
    try:
        if chosen:
            return Path(chosen).expanduser()
        base = Path(environment.get("XDG_CACHE_HOME", ""))
        return (base if base.is_absolute() else Path.home() / ".cache") / "raymal" / "phrases"
    except RuntimeError:  # a service may have no home
        return None


def phrase_store(settings: CacheSettings) -> PhraseStore | None:
    """Return the store of the settings; None: nothing is to be written, or there is no place for it."""
    if settings.disk_bytes == 0:
        return None
    directory = phrase_directory(settings)
    if directory is None:
        log.warning("no place for the phrase cache: this user has no home; set cache.directory")
        return None
    return PhraseStore(directory, settings.disk_bytes)


class PhraseStore:
    """The folder of stored phrases. For one thread at a time, and any number of processes."""

    def __init__(self, directory: Path, capacity_bytes: int) -> None:
        """`capacity_bytes` bounds the sum of all files' lengths."""
        self.directory = directory
        self._capacity_bytes = capacity_bytes
        self._has_warned = False

    def read(self, key: str) -> bytes | None:
        """Return the phrase's audio, and note the use; None if it is not there whole."""
        if not self._is_usable():
            return None
        path = self._path(key)
        try:
            _, audio = _load(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(error)
            return None
        except ValueError:
            log.warning("%s is damaged and was removed", path)
            with suppress(OSError):
                path.unlink()
            return None
        _note_use(path)
        return audio

    def keep(self, key: str) -> bool:
        """Whether the phrase is there; if so, that is a use of it."""
        path = self._path(key)
        if not self._is_usable() or not os.access(path, os.R_OK):
            return False
        _note_use(path)
        return True

    def write(self, key: str, label: Label, audio: bytes) -> bool:
        """Store the phrase, whose text is fixed; return whether that worked."""
        head = json.dumps(asdict(label)).encode("ascii")
        body = head + audio
        data = HEADER.pack(MAGIC, len(head), len(audio), _digest(key, len(head), len(audio), body)) + body
        if len(data) > min(self._capacity_bytes, MAXIMUM_PHRASE_BYTES) or not self._is_usable(create=True):
            return False
        try:
            # Created with mode 0600.
            descriptor, name = tempfile.mkstemp(prefix=_WRITING, dir=self.directory)
            writing = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                has_room = self._make_room(writing, self._path(key))
                if has_room:
                    writing.replace(self._path(key))
            finally:
                writing.unlink(missing_ok=True)
        except OSError as error:
            self._warn(error)
            return False
        self._has_warned = False
        return has_room

    def phrases(self) -> list[StoredPhrase]:
        """Return the phrases that are there, the last used first; damaged files are left out.

        Raises OSError if the folder or a file may not be read.
        """
        found: list[StoredPhrase] = []
        for path, _ in self._files():
            with suppress(FileNotFoundError, ValueError):  # unfinished, damaged, or removed meanwhile
                found.append(_load(path)[0])
        return sorted(found, key=lambda phrase: phrase.used_at_s, reverse=True)

    def size(self) -> tuple[int, int]:
        """Return how many files there are, and their bytes. Raises OSError if the folder may not be read."""
        sizes = [status.st_size for _, status in self._files()]
        return len(sizes), sum(sizes)

    def clear(self) -> Cleared:
        """Remove all phrases. Raises OSError if the folder may not be read."""
        files = removed_bytes = 0
        problems: list[str] = []
        for path, status in self._files():
            try:
                path.unlink(missing_ok=True)
                files += 1
                removed_bytes += status.st_size
            except OSError as error:
                problems.append(f"{path}: {error.strerror or type(error).__name__}")
        return Cleared(files, removed_bytes, tuple(problems))

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.phrase"

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the files of phrases, finished or not, that another process does not remove meanwhile.

        Raises OSError.
        """
        try:
            with os.scandir(self.directory) as entries:
                for entry in entries:
                    if _PHRASE_FILE.fullmatch(entry.name) or entry.name.startswith(_WRITING):
                        with suppress(FileNotFoundError):
                            yield Path(entry.path), entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return

    def _make_room(self, writing: Path, replaced: Path) -> bool:
        """Remove the longest unused phrases until all is within the capacity, `writing` included."""
        abandoned_s = writing.stat().st_mtime - ABANDONED_AFTER_S  # by the file system's own clock
        finished: list[tuple[float, int, Path]] = []
        total_bytes = 0
        for path, status in self._files():
            if path == replaced:
                continue
            if not path.name.startswith(_WRITING):
                finished.append((status.st_mtime, status.st_size, path))
            elif status.st_mtime < abandoned_s:
                path.unlink(missing_ok=True)
                continue
            total_bytes += status.st_size
        for _, size, path in sorted(finished):
            if total_bytes <= self._capacity_bytes:
                break
            path.unlink(missing_ok=True)  # removed by another process: its bytes are free all the same
            total_bytes -= size
        return total_bytes <= self._capacity_bytes

    def _is_usable(self, create: bool = False) -> bool:
        """Whether the folder is there and only this user can put audio into it."""
        try:
            if create:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.directory.stat()
        except FileNotFoundError:
            return False
        except OSError as error:
            self._warn(error)
            return False
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            self._warn("it is not this user's alone: others could put audio into it")
            return False
        return True

    def _warn(self, problem: OSError | str) -> None:
        """Log why phrases are not stored: once, until a write succeeds."""
        if not self._has_warned:
            self._has_warned = True
            reason = problem if isinstance(problem, str) else problem.strerror or type(problem).__name__
            log.warning("the phrase cache in %s cannot be used, going on without: %s", self.directory, reason)


def _note_use(path: Path) -> None:
    with suppress(OSError):  # removed meanwhile, or another user's
        os.utime(path)


def _load(path: Path) -> tuple[StoredPhrase, bytes]:
    """Return a file's phrase and audio. Raises OSError, and ValueError if the file is damaged."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        data = file.read(MAXIMUM_PHRASE_BYTES)
    header, body = data[: HEADER.size].ljust(HEADER.size), data[HEADER.size :]
    magic, label_bytes, audio_bytes, digest = HEADER.unpack(header)
    if magic != MAGIC or digest != _digest(path.stem, label_bytes, audio_bytes, body):
        raise ValueError("damaged")
    label = Label(**json.loads(body[:label_bytes]))
    audio = body[label_bytes:]
    audio_s = audio_duration_ms(audio) / 1000
    return StoredPhrase(path.stem, label, audio_s, status.st_size, status.st_mtime), audio


def _digest(key: str, label_bytes: int, audio_bytes: int, body: bytes) -> bytes:
    return sha256(f"{key} {label_bytes} {audio_bytes} ".encode("ascii") + body).digest()
