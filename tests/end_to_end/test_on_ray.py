"""The program on a private Ray with the real engines: the demo, and a gateway that is killed."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest
from asterisk_peer import AsteriskPeer
from running_server import raymal, running_server

from ingress.caller.wave_files import write_wave
from ingress.commands.call import speak
from ingress.server import observer

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.models,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("runtime_folder"),
]


def test_the_demo_understands_its_question_and_is_heard(tmp_path: Path) -> None:
    """Ray, raymal, a call, a question in a synthesised voice, its answer; exit code 0, and quickly."""
    folder = tmp_path / "demo"
    start_s = time.monotonic()
    result = raymal("demo", "--json", "--folder", str(folder), timeout_s=240.0)
    elapsed_s = time.monotonic() - start_s
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["succeeded"]
    assert summary["word_error_rate"] <= 0.2
    assert summary["answered_text"].startswith("You said: ")
    turn = summary["record"]["turns"][-1]
    assert turn["underruns"] == 0
    assert turn["first_answer_ms"] < 3_000
    assert (folder / "answer.wav").stat().st_size > 32_000
    assert elapsed_s < 120


def test_the_demo_fails_when_other_words_were_expected(tmp_path: Path) -> None:
    """The demo judges what was heard: it can fail."""
    folder = tmp_path / "demo"
    recording = tmp_path / "recording.wav"
    write_wave(recording, speak("Please close the door."))
    expected = ["--wav", str(recording), "--expect", "seven green bottles hanging on the wall"]
    result = raymal("demo", "--no-ray", "--folder", str(folder), "--json", *expected, timeout_s=120.0)
    assert result.returncode == 1, result.stderr
    summary = json.loads(result.stdout)
    assert not summary["succeeded"]
    assert summary["answered"]
    start, is_ready, _ = (folder / "server.log").read_text().partition("gateway: ready:")
    assert is_ready
    assert "busy" not in start, "models that load are no load"


async def test_a_gateway_killed_in_mid_call_is_back_and_answers_the_next_turn(tmp_path: Path) -> None:
    """SIGKILL: silence goes on without a gap, back within 15 s, the same call's next turn is answered."""
    question = speak("Please tell me something about the weather.") + bytes(11_200)
    loop = asyncio.get_running_loop()
    flags = ("--greeting", "", "--keep-transcripts")
    with running_server(tmp_path, *flags, ready_within_s=120.0) as server:
        async with AsteriskPeer(server.port) as peer:
            peer.identify()
            await peer.until(lambda: peer.frames >= 10)
            server.child("gateway").kill()
            killed_s, before = loop.time(), len(peer.audio)
            await asyncio.sleep(2.0)
            # In bytes: frames are longer while the machine is busy.
            assert len(peer.audio) - before == pytest.approx(32_000, rel=0.05)
            await observer.wait_until_ready(server.port, 15.0 - (loop.time() - killed_s))
            start = len(peer.audio)
            await peer.speak(question)
            await peer.until(lambda: loudest(peer.audio[start:]) > 1_000, deadline_s=15.0)
            await peer.until(lambda: not any(peer.audio[-16_000:]), deadline_s=20.0)
        record = await observer.call_record(server.port, str(peer.call_id), wait_s=5.0)
        assert record is not None
        assert "weather" in (record.turns[-1].heard or "").lower()
        assert record.underruns == 0
        assert record.lateness.maximum_ms < 100


def loudest(audio: bytes) -> int:
    """Return the largest sample."""
    samples = np.frombuffer(audio, dtype="<i2")
    return int(np.max(np.abs(samples.astype(np.int32)))) if samples.size else 0
