"""A model file that is not whole is found out without being read."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from actors.engines.ctranslate2_file import damage
from actors.engines.whisper import WhisperStt
from actors.errors import ConfigurationError
from actors.settings import SpeechSettings, WhisperSettings


def text(value: bytes) -> bytes:
    """Return it as the file has it."""
    return struct.pack("<H", len(value) + 1) + value + b"\0"


def variable(name: bytes, dimensions: tuple[int, ...], data: bytes) -> bytes:
    """Return a variable of int8."""
    shape = struct.pack(f"<B{len(dimensions)}I", len(dimensions), *dimensions)
    return text(name) + shape + struct.pack("<BI", 1, len(data)) + data


MODEL = (
    struct.pack("<I", 6)
    + text(b"WhisperSpec")
    + struct.pack("<II", 3, 2)
    + variable(b"alibi", (), b"\0")
    + variable(b"weight", (3, 4), b"012345678901")
)
ALIASES = struct.pack("<I", 1) + text(b"a") + text(b"weight")


@pytest.mark.parametrize("size", range(4, len(MODEL)))
def test_each_file_that_was_cut_is_damaged(size: int, tmp_path: Path) -> None:
    """At whatever byte; whole, it is not."""
    path = tmp_path / "model.bin"
    path.write_bytes(MODEL[:size])
    assert damage(path) == f"it ends too early, after {size} bytes: copy or download it again"
    path.write_bytes(MODEL + ALIASES)
    assert damage(path) is None


@pytest.mark.parametrize("data", [b"", b"\x06", struct.pack("<I", 6) + b"\xff" * 60])
def test_what_is_no_model_is_damaged(data: bytes, tmp_path: Path) -> None:
    """Empty, nearly so, or anything."""
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    assert damage(path) is not None


def test_a_version_that_is_not_known_is_not_judged(tmp_path: Path) -> None:
    """CTranslate2 itself will."""
    path = tmp_path / "model.bin"
    path.write_bytes(struct.pack("<I", 7) + b"anything")
    assert damage(path) is None


@pytest.mark.parametrize("damaged", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_a_damaged_folder_is_found_before_a_port_opens(damaged: str, tmp_path: Path) -> None:
    """With the file that is to be copied again."""
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "model.bin").write_bytes(MODEL + ALIASES)
    settings = SpeechSettings(whisper=WhisperSettings(model=str(tmp_path)))
    WhisperStt.check(settings)
    content = (tmp_path / damaged).read_bytes()
    (tmp_path / damaged).write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigurationError, match=rf"{damaged}: it .*: copy or download it again"):
        WhisperStt.check(settings)
