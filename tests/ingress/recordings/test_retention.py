"""Which recordings go, and that nothing else does."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.recordings.folder import RecordingFolder
from ingress.recordings.names import AUDIO, TRANSCRIPT, RecordingName
from ingress.recordings.retention import DAY_S, KeptRecording, Limits, due

NOW_S = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()


def kept(age_days: float, size: int = 1_000, written_s: float | None = None) -> KeptRecording:
    """Return a recording of that age."""
    started_s = NOW_S - age_days * DAY_S
    name = RecordingName(datetime.fromtimestamp(started_s, UTC), "default", str(uuid4()))
    return KeptRecording(name, size, None, started_s + 1.0 if written_s is None else written_s)


def put(
    folder: RecordingFolder, age_days: float, size: int = 1_000, extension: str = "a-b.c"
) -> RecordingName:
    """Make the files of a recording of that age."""
    started_at = datetime.fromtimestamp(NOW_S, UTC) - timedelta(days=age_days)
    name = RecordingName(started_at.replace(microsecond=123_000), extension, str(uuid4()))
    for ending in (AUDIO, TRANSCRIPT):
        path = folder.file(name, ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (started_at.timestamp(),) * 2)
    return name


@given(
    ages=st.lists(st.floats(0.001, 100.0), max_size=30),
    days=st.floats(0.0, 100.0),
    maximum=st.none() | st.integers(0, 30_000),
)
def test_what_stays_is_young_and_not_too_much(ages: list[float], days: float, maximum: int | None) -> None:
    """The oldest go, no more of them than must, and none that is still written."""
    recordings = [kept(age) for age in sorted(ages, reverse=True)]
    gone = list(due(iter(recordings), 1_000 * len(recordings), Limits(days, maximum), NOW_S))
    assert gone == recordings[: len(gone)]
    rest = recordings[len(gone) :]
    assert all(NOW_S - recording.name.started_at.timestamp() <= days * DAY_S + 1e-3 for recording in rest)
    if maximum is not None:
        assert 1_000 * len(rest) <= maximum
    if gone and NOW_S - gone[-1].name.started_at.timestamp() <= days * DAY_S:
        assert maximum is not None
        assert 1_000 * (len(rest) + 1) > maximum


def test_a_recording_that_is_written_stays() -> None:
    """A call that has lasted for two days is not cut off."""
    recordings = [kept(2.0, written_s=NOW_S - 1.0), kept(1.5)]
    assert list(due(recordings, 2_000, Limits(1.0), NOW_S)) == recordings[1:]


def test_old_recordings_are_deleted_and_other_files_are_not(tmp_path: Path) -> None:
    """Empty days go as well; a link is not followed, whatever its name."""
    folder = RecordingFolder(tmp_path / "recordings")
    old, young = put(folder, 40.0), put(folder, 3.0)
    stranger = folder.path / old.day / "notes.wav"
    stranger.write_text("mine")
    emptied = put(folder, 50.0)
    target = tmp_path / "target"
    target.write_text("not ours")
    link = folder.file(RecordingName(old.started_at, "x", str(uuid4())), AUDIO)
    link.symlink_to(target)
    deleted = folder.expire(Limits(30.0), NOW_S)
    assert (deleted.recordings, deleted.bytes, deleted.problems) == (2, 4_000, 0)
    assert [recording.name for recording in folder.recordings()] == [young]
    assert stranger.exists()
    assert target.exists()
    assert link.is_symlink()
    assert not (folder.path / emptied.day).exists()


def test_the_oldest_are_deleted_when_there_is_too_much(tmp_path: Path) -> None:
    """Both files of a call count."""
    folder = RecordingFolder(tmp_path)
    names = [put(folder, age) for age in (3.0, 2.0, 1.0)]
    assert folder.expire(Limits(30.0, 4_500.0), NOW_S).recordings == 1
    assert [recording.name for recording in folder.recordings()] == names[1:]


def test_a_pass_ends_when_its_time_is_over(tmp_path: Path) -> None:
    """What is left is for the next one."""
    folder = RecordingFolder(tmp_path)
    for _ in range(5):
        put(folder, 40.0)
    answers = iter((True, True, False))
    assert folder.expire(Limits(30.0), NOW_S, lambda: next(answers)).recordings == 2


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    """It is made by the first recording."""
    assert not list(RecordingFolder(tmp_path / "none").recordings())


def test_names_can_be_read_again() -> None:
    """Whatever an extension is called."""
    name = RecordingName(datetime(2026, 11, 27, 0, 22, 14, 123_000, UTC), "a-00-22-14.1-b", str(uuid4()))
    assert RecordingName.read(name.day, name.stem) == name


@pytest.mark.parametrize(
    ("day", "stem"),
    [
        ("2026-11-27", "notes"),
        ("2026-13-27", f"00-22-14.123-default-{uuid4()}"),
        ("2026-11-27", f"00-22-14.123-default-{uuid4()}x"),
        ("2026-11-27", f"00-22-14.123-../../x-{uuid4()}"),
        ("lost+found", f"00-22-14.123-default-{uuid4()}"),
    ],
)
def test_other_names_are_not_ours(day: str, stem: str) -> None:
    """Such files are neither listed nor deleted."""
    assert RecordingName.read(day, stem) is None
