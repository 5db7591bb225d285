"""A real server that records: a full disk, a killed media worker, old recordings, and the command."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import tempfile
import wave
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from running_server import RunningServer, running_server, wait_until

from benchmarks.harness.speech_like import speech_like
from benchmarks.harness.strict_peer import Ending, StrictCall, place_calls, voice
from ingress.cli import main
from ingress.link.records import CallRecord
from ingress.recordings.folder import RecordingFolder
from ingress.recordings.names import AUDIO, RecordingName
from ingress.server import observer

DISK_BYTES = 20_000
"""The whole of a file on the full disk: 0.6 s."""
BYTES_PER_S = 32_000


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short private folder for the server's sockets and its recordings."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-test-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYMAL_RUNTIME", str(folder))
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def old(folder: Path) -> Path:
    """A recording of 31 days ago."""
    name = RecordingName(datetime.now(UTC) - timedelta(days=31), "default", str(uuid4()))
    path = RecordingFolder(folder / "kept").file(name, AUDIO)
    (folder / "kept").mkdir(mode=0o700)
    path.parent.mkdir(mode=0o700)
    path.write_bytes(bytes(1_000))
    os.utime(path, (name.started_at.timestamp(),) * 2)
    return path


@pytest.fixture(scope="module")
def server(folder: Path, old: Path) -> Iterator[RunningServer]:
    """A server that plays a tone to every call and records all of them."""
    recording = ("--set", "recording.audio=true", "--set", f"recording.folder={folder / 'kept'}")
    with running_server(folder, "--no-ray", "--dialog", "tone", *recording) as running:
        yield running


def record_of(server: RunningServer, call: StrictCall) -> CallRecord:
    """Return the record of a call that has ended."""
    record = asyncio.run(observer.call_record(server.port, str(call.call_id), wait_s=5.0))
    assert record is not None
    return record


def seconds_of(path: str | Path) -> float:
    """Return how long a recording is, as its header says; the file has no less."""
    with wave.open(str(path)) as file:
        frames = file.getnframes()
        assert len(file.readframes(frames)) == 4 * frames
        return frames / file.getframerate()


@pytest.fixture
def recordings(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs `raymal recordings … --json`; returns what it says."""

    def run(*arguments: str, code: int = 0) -> Any:
        where = ("--set", f"recording.folder={folder / 'kept'}", "--json")
        assert main(["recordings", *arguments, *where]) == code
        return json.loads(capsys.readouterr().out)

    return run


def test_old_recordings_go_when_a_server_starts(server: RunningServer, old: Path) -> None:
    """The supervisor deletes them."""
    wait_until(lambda: not old.parent.exists(), 5.0, "the deletion of an old recording")
    assert "1 old recordings" in server.log.read_text()


def test_a_recorded_call_is_listed_and_deleted(server: RunningServer, recordings: Callable[..., Any]) -> None:
    """By its UUID, with all that is kept of it."""
    call = StrictCall(server.port, outgoing=voice(1.0, audio=speech_like(1.0)), seconds=1.0)
    (report,) = place_calls([call])
    assert report.ending is Ending.CALLER
    record = record_of(server, call)
    assert record.recording_is_complete
    assert record.recording is not None
    assert seconds_of(record.recording) == pytest.approx(1.0, abs=0.3)
    (row,) = recordings("list")["recordings"]
    assert row["call_id"] == str(call.call_id)
    assert (row["recording"], row["extension"]) == (record.recording, "default")
    assert recordings("delete", str(uuid4()), code=1)["recordings"] == 0
    with pytest.raises(SystemExit):
        recordings("delete", "../../etc")
    assert recordings("delete", str(call.call_id))["recordings"] == 1
    assert recordings("list")["recordings"] == []


def test_a_full_disk_costs_the_recording_alone(server: RunningServer) -> None:
    """Calls go on with every frame; their records say that the recordings are not whole; one line is logged.

    The kernel refuses the media worker's writes as a full disk does: a limit on files' sizes.
    """
    worker = server.child("media-worker").pid
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (DISK_BYTES, before[1]))
    try:
        calls = [StrictCall(server.port, outgoing=voice(2.4), seconds=2.4) for _ in range(3)]
        reports = place_calls(calls)
        records = [record_of(server, call) for call in calls]
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)
    for report, record in zip(reports, records, strict=True):
        assert (report.ending, report.violations) == (Ending.CALLER, ())
        assert record.frames_sent == pytest.approx(120, abs=8)
        assert not record.recording_is_complete
        assert record.recording is not None
        assert seconds_of(record.recording) == pytest.approx(DISK_BYTES / BYTES_PER_S, abs=0.01)
    assert server.log.read_text().count("recordings end, their calls go on") == 1
    again = StrictCall(server.port, outgoing=voice(0.3), seconds=0.3)
    place_calls([again])
    assert record_of(server, again).recording_is_complete
    assert "recordings are written again" in server.log.read_text()


def test_a_killed_media_worker_leaves_what_was_recorded(
    server: RunningServer, recordings: Callable[..., Any]
) -> None:
    """The file can be played as it is, and only the last two seconds and a bit are missing."""
    call = StrictCall(server.port, outgoing=voice(10.0), seconds=10.0).start()
    call.until_frames(130, deadline_s=8.0)
    server.child("media-worker").kill()
    call.wait()
    (row,) = (row for row in recordings("list")["recordings"] if row["call_id"] == str(call.call_id))
    assert 0.9 < seconds_of(row["recording"]) < 3.0


def test_everything_is_purged(server: RunningServer, recordings: Callable[..., Any]) -> None:
    """By age, of which nothing here has enough, and at last all."""
    assert recordings("purge")["recordings"] == 0
    count = len(recordings("list")["recordings"])
    assert count
    assert recordings("purge", "--all")["recordings"] == count
    assert recordings("list")["recordings"] == []


def test_recording_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """Before a port opens, with the setting that asks for it."""
    asked = ("--set", "extensions.a.port=0", "--set", "extensions.a.recording.transcripts=true")
    assert main(["serve", "--check", "--no-ray", "--dialog", "tone", *asked]) == 2
    complaint = "extensions.a.recording.transcripts = true: needs recording.folder"
    assert complaint in capsys.readouterr().err


def test_a_folder_that_others_can_write_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a port opens."""
    tmp_path.chmod(0o777)
    assert (
        main(["serve", "--check", "--no-ray", "--dialog", "tone", "--set", f"recording.folder={tmp_path}"])
        == 2
    )
    assert "others could write into it" in capsys.readouterr().err
