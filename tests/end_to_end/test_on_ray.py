"""The program on a private Ray with the real engines: the demo, its open ports, a gateway that is killed."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import numpy as np
import openai
import pytest
from asterisk_peer import AsteriskPeer
from listening import Listener, listeners
from running_server import RunningServer, free_port, private_server, raymal, wait_until

from actors.cluster.ray_head import RayHead
from ingress.caller.wave_files import write_wave
from ingress.commands.call import speak
from ingress.server import observer
from ingress.server.runtime_directory import RuntimeDirectory

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.models,
    pytest.mark.timeout(300),
]

TOKEN = "correct-horse-battery-staple"

RAY = ("gcs_server", "raylet", "ray.util.client.server", "dashboard.py", "ray::")
"""What Ray's processes are called."""

LISTENING = (
    "gcs_server",
    "raylet",
    "DashboardAgent",
    "RuntimeEnvAgent",
    "Manager",
    "SttActor",
    "TtsActor",
    "ServeController",
    "ProxyActor",
    "ServeReplica",
)
"""Those among them that other processes connect to."""


@pytest.fixture(scope="module")
def door_port() -> int:
    """Where the cluster's door is to be."""
    return free_port()


@pytest.fixture(scope="module")
def server(door_port: int) -> Iterator[RunningServer]:
    """One server with a Ray of its own, and the cluster's door on it."""
    flags = ["--greeting", "", "--keep-transcripts", "--api", "--set", f"api.port={door_port}"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAYMAL_TOKEN", TOKEN)
        with private_server(*flags, ready_within_s=120.0) as running:
            wait_until(lambda: is_open(door_port), 60.0, "the cluster's door")
            yield running


def is_open(door_port: int) -> bool:
    """Whether the cluster's door answers."""
    url = f"http://127.0.0.1:{door_port}/healthz"
    with suppress(OSError, HTTPException), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def is_rays(listener: Listener) -> bool:
    """Whether a process of Ray, or of an actor, listens."""
    return any(name in listener.program for name in RAY)


def answers_to_anyone(listener: Listener) -> bool:
    """Whether an HTTP request without a token is answered with a page."""
    with suppress(OSError, HTTPException):
        url = f"http://{listener.address}:{listener.port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    return False


@pytest.mark.usefixtures("runtime_folder")
def test_the_demo_holds_its_conversation(tmp_path: Path) -> None:
    """Ray, raymal, a call of several turns with an interruption and keys; exit code 0, and quickly."""
    folder = tmp_path / "demo"
    start_s = time.monotonic()
    result = raymal("demo", "--json", "--folder", str(folder), timeout_s=240.0)
    elapsed_s = time.monotonic() - start_s
    assert result.returncode == 0, f"{result.stderr}\n{result.stdout}"
    summary = json.loads(result.stdout)
    assert (summary["succeeded"], summary["problems"]) == (True, [])
    greeting, first, *_ = summary["conversation"]
    assert (greeting["who"], greeting["was_interrupted"], first["who"]) == ("raymal", True, "person")
    assert [line["said"] for line in summary["conversation"]].count("keys 5551234567#") == 1
    assert summary["record"]["outcome"]["variables"]["NAME"] == "Mary Jones"
    turns = summary["record"]["turns"]
    assert sum(turn["kind"] == "utterance" for turn in turns) >= 3
    assert all(turn["underruns"] == 0 for turn in turns)
    assert max(turn["first_answer_ms"] for turn in turns) < 3_000
    assert (folder / "answer.wav").stat().st_size > 32_000
    assert elapsed_s < 120


@pytest.mark.usefixtures("runtime_folder")
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


def test_every_port_is_on_loopback(server: RunningServer) -> None:
    """Of the server, of Ray's own processes and of each worker: another machine reaches none of them."""
    found = listeners(server.process.pid)
    programs = " ".join(listener.program for listener in found)
    for name in LISTENING:
        assert name in programs, f"{name} was not looked at"
    assert {listener for listener in found if not listener.address.is_loopback} == set()
    assert [listener for listener in found if is_rays(listener) and answers_to_anyone(listener)] == []


@pytest.mark.parametrize("command", ["status", "stop"])
def test_commands_for_a_cluster_leave_it_alone(server: RunningServer, command: str) -> None:
    """At once, in one line, and with the command that is meant: by Ray's own search and by its address."""
    head = next(it for it in listeners(server.process.pid) if "gcs_server" in it.program)
    started_s = time.monotonic()
    result = raymal("cluster", command, "--ray-address", f"{head.address}:{head.port}")
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1
    assert "`raymal status` shows its workers" in result.stderr
    assert time.monotonic() - started_s < 15
    assert server.is_ready()


def test_the_token_opens_it(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables of the gateway a command for a cluster shows the same workers."""
    head = next(it for it in listeners(server.process.pid) if "gcs_server" in it.program)
    runtime = RuntimeDirectory.of_port(server.port).path
    for name, value in RayHead(runtime, runtime / "ray-token", 0, 0, 0).driver_environment.items():
        monkeypatch.setenv(name, value)
    result = raymal("cluster", "status", "--json", "--ray-address", f"{head.address}:{head.port}")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["is_ready"]


async def test_a_gateway_killed_in_mid_call_is_back_and_answers_the_next_turn(server: RunningServer) -> None:
    """SIGKILL: silence goes on without a gap, back within 15 s, the same call's next turn is answered."""
    question = speak("Please tell me something about the weather.") + bytes(11_200)
    loop = asyncio.get_running_loop()
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


@pytest.mark.usefixtures("server")
def test_openais_client_speaks_and_is_understood(door_port: int) -> None:
    """Over HTTP, through Serve, with the real engines: what is said is heard again."""
    url = f"http://127.0.0.1:{door_port}/v1"
    with openai.OpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
        stt, tts = (model.id for model in client.models.list())
        question = "Please tell me something about the weather."
        with client.audio.speech.with_streaming_response.create(
            model=tts, input=question, voice="default", response_format="wav"
        ) as answer:
            said = b"".join(answer.iter_bytes())
        assert said[:4] == b"RIFF"
        heard = client.audio.transcriptions.create(file=("said.wav", said), model=stt)
        assert "weather" in heard.text.lower()
        with pytest.raises(openai.BadRequestError, match="no such voice"):
            client.audio.speech.create(model=tts, input=question, voice="alloy", response_format="wav")
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong").models.list()


def loudest(audio: bytes) -> int:
    """Return the largest sample."""
    samples = np.frombuffer(audio, dtype="<i2")
    return int(np.max(np.abs(samples.astype(np.int32)))) if samples.size else 0
