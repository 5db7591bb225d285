"""Calls of a media worker that are recorded: what files and records say of them, and what a disk may do."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import threading
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asterisk_peer import AsteriskPeer
from media_bench import Bench, bench

from benchmarks.harness.speech_like import speech_like
from ingress.configuration.extensions import Extension, RecordingChoice
from ingress.link.messages import (
    CallEnded,
    CallStarted,
    Digits,
    Greet,
    Heard,
    Refused,
    Utterance,
)
from ingress.link.records import CallRecord
from ingress.media.recording.disk_thread import DiskThread
from ingress.media.recording.recorder import Recorder
from ingress.media.tones import tone
from ingress.server.checking import extension_book

VOICE = tone(700.0, 0.4)
ANSWER = tone(500.0, 0.4)
KEPT = {"audio": True, "transcripts": True}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Bench]:
    """A media worker that records its own port, and keeps nothing of extension `quiet`."""
    quiet = {"quiet": {"recording": {"audio": False, "transcripts": False}}}
    async with bench(extensions=quiet, recording=KEPT | {"folder": str(tmp_path / "kept")}) as running:
        running.ready()
        yield running


@asynccontextmanager
async def call_to(server: Bench, extension: str = "default") -> AsyncIterator[AsteriskPeer]:
    """A call whose greeting says nothing."""
    async with AsteriskPeer(server.ports[extension]) as peer:
        peer.identify()
        count = len(server.sent_of(Greet)) + 1
        await server.until_sent(Greet, count)
        server.answer(peer.call_id, 1)
        yield peer


async def record_of(server: Bench, peer: AsteriskPeer, deadline_s: float = 2.0) -> CallRecord:
    """Return the record of a call that has ended."""
    async with asyncio.timeout(deadline_s):
        while True:
            for message in server.sent_of(CallEnded):
                if message.record.call_id == str(peer.call_id):
                    return message.record
            await asyncio.sleep(0.01)


def sides(path: str | None) -> tuple[array[int], array[int]]:
    """Return left and right of a recording."""
    assert path is not None
    with wave.open(path) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8_000)
        samples = array("h", file.readframes(file.getnframes()))
    return samples[::2], samples[1::2]


def lines_of(path: str | None) -> list[dict[str, Any]]:
    """Return a transcript."""
    assert path is not None
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def first_sound_s(side: array[int]) -> float:
    """Return when a side is loud for the first time."""
    return next(index for index, sample in enumerate(side) if abs(sample) > 300) / 8_000


async def test_both_sides_and_the_words_are_kept(server: Bench, tmp_path: Path) -> None:
    """Each sound is where it was heard; keys are masked; nobody else can read the files."""
    loop = asyncio.get_running_loop()
    async with call_to(server) as peer:
        begun_s = loop.time()
        await asyncio.sleep(0.3)
        spoken_s = loop.time() - begun_s
        await peer.speak(VOICE)
        peer.send_digit("4")
        await server.until_sent(Digits)
        server.answer(peer.call_id, 2, ANSWER)
        await peer.until(lambda: any(peer.audio))
        answered_s = loop.time() - begun_s
        await peer.until(lambda: not any(peer.audio[-1_600:]))
        duration_s = loop.time() - begun_s
    record = await record_of(server, peer)
    assert record.recording_is_complete
    heard, said = sides(record.recording)
    assert len(heard) / 8_000 == pytest.approx(duration_s, abs=0.15)
    assert first_sound_s(heard) == pytest.approx(spoken_s, abs=0.1)
    assert first_sound_s(said) == pytest.approx(answered_s, abs=0.1)
    first, greeting, keys = lines_of(record.transcript)
    assert (first["call_id"], first["extension"]) == (str(peer.call_id), "default")
    assert (greeting["kind"], greeting["answered"]) == ("greeting", "")
    assert (keys["kind"], keys["answered"]) == ("digit", "x")
    assert keys["answered_from_s"] == pytest.approx(answered_s, abs=0.1)
    assert "4" not in json.dumps({key: keys[key] for key in ("heard", "answered", "kind")})
    for path in (tmp_path / "kept", *(tmp_path / "kept").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_what_is_off_leaves_nothing(server: Bench, tmp_path: Path) -> None:
    """Neither a file nor a thread."""
    async with call_to(server, "quiet") as peer:
        await peer.speak(VOICE)
    record = await record_of(server, peer)
    assert (record.recording, record.transcript, record.recording_is_complete) == (None, None, True)
    assert not (tmp_path / "kept").exists()
    assert "recordings" not in {thread.name for thread in threading.enumerate()}


async def test_a_refused_call_leaves_no_files(server: Bench, tmp_path: Path) -> None:
    """It was never taken."""
    async with AsteriskPeer(server.port) as peer:
        peer.identify()
        await server.until_sent(CallStarted)
        server.calls.receive(Refused(call_id=str(peer.call_id), reason="full"))
    record = await record_of(server, peer)
    assert record.was_refused
    assert record.recording is None
    await server.calls.recorder.stop()
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == []


async def test_a_disk_that_hangs_costs_the_recording_alone(
    server: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What fits is queued, then recordings end; calls and their records wait for nothing but 0.25 s."""
    caplog.set_level(logging.ERROR)
    disk, answers = DiskThread(10_000), threading.Event()
    server.calls.recorder = Recorder(str(tmp_path / "kept"), disk)
    disk.release(answers.wait)
    try:
        async with call_to(server) as first, call_to(server) as second:
            await asyncio.gather(first.speak(VOICE * 2), second.speak(VOICE * 2))
            assert first.frames >= 37
        for peer in (first, second):
            record = await record_of(server, peer)
            assert not record.recording_is_complete
            assert record.longest_gap_ms < 200.0
    finally:
        answers.set()
    assert caplog.text.count("the disk takes less than is recorded") == 1
    await server.calls.recorder.stop()
    for path in (tmp_path / "kept").rglob("*.wav"):
        sides(str(path))


async def test_a_uuid_that_comes_again_at_once(server: Bench, tmp_path: Path) -> None:
    """The gateway hears of the older call's end first, though its recording is not closed yet."""
    disk, answers = DiskThread(100_000), threading.Event()
    server.calls.recorder = Recorder(str(tmp_path / "kept"), disk)
    disk.release(answers.wait)
    async with call_to(server) as older:
        pass
    try:
        async with AsteriskPeer(server.port) as newer:
            newer.call_id = older.call_id
            newer.identify()
            await server.until_sent(CallStarted, 2)
            ends = [message.kind for message in server.sent if isinstance(message, CallStarted | CallEnded)]
            assert ends == ["CallStarted", "CallEnded", "CallStarted"]
            answers.set()
    finally:
        answers.set()
    await server.until_sent(CallEnded, 2)
    first, second = (message.record for message in server.sent_of(CallEnded))
    assert not first.recording_is_complete
    assert second.recording_is_complete
    assert second.recording is not None


async def test_the_words_of_an_utterance_are_kept_also_if_the_caller_hangs_up(server: Bench) -> None:
    """What was heard, and of the answer nothing, because nothing of it was heard to its end."""
    async with call_to(server) as peer:
        await peer.speak(speech_like(0.6) + bytes(16_000))
        await server.until_sent(Utterance)
        server.calls.receive(Heard(call_id=str(peer.call_id), turn=2, text="is it open", language="pt"))
        (leg,) = server.calls._calls.values()
        assert leg.seen().language == "pt"
    *_, last = lines_of((await record_of(server, peer)).transcript)
    assert (last["kind"], last["heard"], last["answered"]) == ("utterance", "is it open", "")
    assert last["language"] == "pt"
    (ended,) = server.sent_of(CallEnded)
    assert (ended.language, [entry.text for entry in ended.history]) == ("pt", ["is it open"])
    assert last["heard_until_s"] == pytest.approx(0.6, abs=0.25)


async def test_a_recording_that_is_deleted_meanwhile_is_in_no_record(server: Bench, tmp_path: Path) -> None:
    """The call goes on, and what is said in it goes nowhere."""
    async with call_to(server) as peer:
        await asyncio.sleep(0.1)
        for path in (tmp_path / "kept").rglob("*.wav"):
            path.unlink()
    record = await record_of(server, peer)
    assert record.recording is None
    assert record.transcript is not None


async def test_a_worker_that_was_started_without_a_folder(caplog: pytest.LogCaptureFixture) -> None:
    """An extension that begins to record while the server runs without a folder says so, once."""
    async with bench() as server:
        server.ready()
        book = extension_book(server.calls.settings)
        changed: Extension = book.extensions["default"].model_copy(
            update={"recording": RecordingChoice(audio=True)}
        )
        server.calls.set_extension(changed, None)
        for _ in range(2):
            async with call_to(server) as peer:
                pass
            record = await record_of(server, peer)
            assert (record.recording, record.recording_is_complete) == (None, False)
    assert caplog.text.count("recording.folder was not set when the server started") == 1


async def test_a_stop_keeps_what_was_recorded(tmp_path: Path) -> None:
    """The last pieces are written, and the record says where."""
    async with bench(recording={"audio": True, "folder": str(tmp_path)}) as server:
        server.ready()
        async with call_to(server) as peer:
            await peer.speak(VOICE)
            stopping = asyncio.create_task(server.calls.stop(drain_deadline_s=0.0))
            await peer.has_ended.wait()
        await stopping
        record = await record_of(server, peer)
    assert record.recording_is_complete
    heard, _ = sides(record.recording)
    assert sum(abs(sample) > 300 for sample in heard) / 8_000 > 0.2
