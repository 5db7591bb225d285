"""The files of a recorded call, also on a disk that takes no more: a limit on files' sizes."""

from __future__ import annotations

import json
import os
import resource
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingress.media.recording.files import TranscriptFile, WaveFile
from ingress.media.turn import without_figures
from ingress.recordings.wave_header import HEADER_BYTES, audio_s

PIECE = (b"\x01\x00" * 100, b"\x02\x00" * 100)


@contextmanager
def file_limit(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def open_files() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_a_file_that_cannot_begin_is_not_left_behind(tmp_path: Path) -> None:
    """Neither its name nor its descriptor."""
    path, before = tmp_path / "day" / "call.wav", open_files()
    with pytest.raises(OSError, match="large"), file_limit(0):
        WaveFile(path)
    assert not path.exists()
    assert open_files() == before


def test_whole_samples_of_the_last_piece_stay(tmp_path: Path) -> None:
    """The header counts them, and a piece after it could go on."""
    path = tmp_path / "day" / "call.wav"
    file = WaveFile(path)
    file.append(PIECE)
    with pytest.raises(OSError, match="large"), file_limit(HEADER_BYTES + 400 + 42):
        file.append(PIECE)
    assert file.close()
    with wave.open(str(path)) as played:
        assert played.getnframes() == 110
        assert played.readframes(110) == b"\x01\x00\x02\x00" * 110
    assert audio_s(path.stat().st_size) == pytest.approx(110 / 8_000, abs=0.001)


def test_a_line_that_is_not_whole_is_taken_away(tmp_path: Path) -> None:
    """Each line of a transcript can be read."""
    path = tmp_path / "day" / "call.jsonl"
    file = TranscriptFile(path)
    file.append({"turn": 1, "heard": "olá \ud800"})
    with pytest.raises(OSError, match="large"), file_limit(path.stat().st_size + 10):
        file.append({"turn": 2, "heard": "more than ten bytes"})
    file.append({"turn": 3})
    file.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["turn"] for line in lines] == [1, 3]


def test_a_file_is_made_once(tmp_path: Path) -> None:
    """What is there, a link too, is never written over."""
    path = tmp_path / "day" / "call.wav"
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        WaveFile(path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("answer", "kept"),
    [("You pressed 1 2 3.", "You pressed * * *."), ("PIN 1234", "PIN ****"), ("Thank you.", "Thank you.")],
)
def test_keys_are_masked_in_their_answer(answer: str, kept: str) -> None:
    """Each figure is a star."""
    assert without_figures(answer) == kept
