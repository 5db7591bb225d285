"""The file of finished calls: whole lines, across rotation, disk errors and a disk that does not answer."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

from ingress.gateway import call_log_file as module
from ingress.gateway.call_log_file import CallRecordFile


def lines(path: Path) -> list[int]:
    """Return the numbers that were written."""
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def until(met: Callable[[], bool]) -> None:
    """Wait for the thread."""
    deadline_s = monotonic() + 5.0
    while not met():
        assert monotonic() < deadline_s
        sleep(0.005)


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    """What was in the file stays; other users may not read a new one."""
    path = tmp_path / "calls.jsonl"
    path.write_text('{"n":-1}\n')
    file = CallRecordFile(path)
    for number in range(100):
        file.append({"n": number})
    file.close()
    assert lines(path) == list(range(-1, 100))
    other = CallRecordFile(tmp_path / "new.jsonl")
    other.append({"n": 0})
    other.close()
    assert (tmp_path / "new.jsonl").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_file_that_was_moved_is_made_again(tmp_path: Path, how: str) -> None:
    """logrotate moves it away; nothing is written into the old one any more."""
    path, moved = tmp_path / "calls.jsonl", tmp_path / "calls.jsonl.1"
    file = CallRecordFile(path)
    file.append({"n": 1})
    until(lambda: path.exists() and path.stat().st_size > 0)
    path.rename(moved)
    if how == "deleted":
        moved.unlink()
    file.append({"n": 2})
    file.close()
    assert lines(path) == [2]
    assert how == "deleted" or lines(moved) == [1]


def test_a_disk_error_is_logged_once_and_costs_only_its_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder is missing for a while."""
    path = tmp_path / "later" / "calls.jsonl"
    caplog.set_level("INFO")
    file = CallRecordFile(path)
    for number in range(3):
        file.append({"n": number})
    until(lambda: file.dropped == 3)
    path.parent.mkdir()
    file.append({"n": 3})
    file.close()
    assert lines(path) == [3]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "No such file" in caplog.records[0].message


def test_half_a_line_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a line; later it has room again."""
    path = tmp_path / "calls.jsonl"
    room = iter([4, None])
    write = os.write

    def crowded(descriptor: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(path):
            return write(descriptor, data)  # of another thread
        size = next(room, 1 << 20)
        if size is None:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:size])

    monkeypatch.setattr(module.os, "write", crowded)
    file = CallRecordFile(path)
    file.append({"n": 1})
    file.append({"n": 2})
    file.append({"n": 3})
    file.close()
    assert path.read_text() == '{"n"\n{"n":2}\n{"n":3}\n'
    assert file.dropped == 1


def test_a_disk_that_does_not_answer_costs_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines beyond the queue are dropped and counted, logged once; closing has a deadline."""
    answers = threading.Event()
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        answers.wait(10.0)
        return write(descriptor, data)

    monkeypatch.setattr(module.os, "write", slow)
    monkeypatch.setattr(module, "CLOSE_DEADLINE_S", 0.05)
    path = tmp_path / "calls.jsonl"
    file = CallRecordFile(path, queue_lines=2)
    file.append({"n": 0})
    until(path.exists)  # the thread writes the first line
    for number in range(1, 6):
        file.append({"n": number})
    assert file.dropped == 3
    started_s = monotonic()
    file.close()
    assert monotonic() - started_s < 2.0
    assert [record.message.split(" ", 1)[1] for record in caplog.records] == [
        "takes no more records; they are dropped until it does",
        "2 records were not written in time",
    ]
    answers.set()
    until(lambda: lines(path) == [0, 1, 2])


@pytest.mark.parametrize("bad", [object(), float("nan"), {1: {2}}])
def test_a_record_that_is_no_json_is_lost_alone(tmp_path: Path, bad: object) -> None:
    """It is counted, and the lines after it are written."""
    path = tmp_path / "calls.jsonl"
    file = CallRecordFile(path)
    file.append({"n": 1})
    file.append({"n": bad})
    file.append({"n": 3})
    file.close()
    assert lines(path) == [1, 3]
    assert file.dropped == 1


def test_text_that_is_no_unicode_stays_json(tmp_path: Path) -> None:
    """A lone surrogate is escaped."""
    path = tmp_path / "calls.jsonl"
    file = CallRecordFile(path)
    file.append({"n": 1, "reason": "lost: \udcff"})
    file.close()
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["reason"] == "lost: \udcff"


def test_a_path_that_can_be_none_costs_records_and_not_the_thread(tmp_path: Path) -> None:
    """The operating system refuses a zero byte before it looks at the disk."""
    file = CallRecordFile(tmp_path / "calls\0.jsonl")
    file.append({"n": 1})
    file.append({"n": 2})
    file.close()
    assert file.dropped == 2
