"""What runs on a private Ray beside the calls: its ranks, a door that is flooded, a Ray that dies."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
from recordings import wav
from running_server import RunningServer, free_port, private_server, wait_until

from actors.machine.order import Step, goes_before, place, weight
from actors.messages import Level
from actors.workers.worker_thread import SYNTHESIS_NICENESS, TRANSCRIPTION_NICENESS
from benchmarks.harness.speech_like import recorded_words
from benchmarks.harness.strict_peer import StrictCall, voice
from ingress.link.records import CallRecord
from ingress.server import observer

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

TOKEN = "correct-horse-battery-staple"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
SCRIPTED = ["--stt", "scripted", "--tts", "scripted", "--greeting", "", "--api"]
TWO_SLOTS = ["--max-transcriptions", "2", "--max-syntheses", "2"]
CONFIGURATION = """
[admission]
enabled = false
[cache]
memory_bytes = 0
disk_bytes = 0
[speech.scripted]
stt_delay_s = 0.15
tts_delay_s = 0.05
# Other programs run on this machine: its CPU and its late frames say nothing about the flood.
[throttle]
lateness_p99_ms = [1000, 2000, 3000]
loop_lag_ms = [5000, 6000, 7000]
cpu_percent = [101, 101, 101]
memory_percent = [101, 101, 101]
"""
SERVERS = ("gateway", "raylet", "gcs_server")
ACTORS = ("ray::Manager", "ray::SttActor", "ray::TtsActor", "ray::Serve", "ray::Proxy")
WORD = recorded_words(1)
RECORDING = wav(16_000, 20.0)
CALLS = 20
CALL_S = 6.0


@dataclass(frozen=True)
class Door:
    """A server with the cluster's door."""

    server: RunningServer
    url: str

    def is_open(self) -> bool:
        """Whether it answers."""
        with suppress(httpx.HTTPError):
            return bool(httpx.get(f"{self.url}/healthz", timeout=5.0).status_code == 200)
        return False

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the processes below the server that are called so."""
        found = []
        for process in psutil.Process(self.server.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if name in " ".join(process.cmdline()):
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One server for all, with a Ray of its own."""
    file: Path = tmp_path_factory.mktemp("door") / "raymal.toml"
    port = free_port()
    file.write_text(CONFIGURATION)
    flags = [*SCRIPTED, *TWO_SLOTS, "--config", str(file), "--set", f"api.port={port}"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAYMAL_TOKEN", TOKEN)
        with private_server(*flags, ready_within_s=120.0) as server:
            door = Door(server, f"http://127.0.0.1:{port}")
            wait_until(door.is_open, 60.0, "the door")
            wait_until(lambda: not door.processes("actors.api.opening"), 20.0, "the end of what opened it")
            yield door


async def test_the_audio_clock_goes_before_all_of_ray(door: Door) -> None:
    """Read from the kernel, of every process of the server: Ray's own, the manager, each speech worker."""
    server = door.server
    media = place(server.child("media-worker").pid)
    assert media is not None
    family = psutil.Process(server.process.pid).children(recursive=True)
    others = {it: there for it in family if "media-worker" not in it.cmdline() and (there := place(it.pid))}
    names = " ".join(" ".join(it.cmdline()) for it in others)
    for name in (
        "gateway",
        "raylet",
        "gcs_server",
        "ray::Manager",
        "ray::SttActor",
        "ray::TtsActor",
        "ray::Serve",
    ):
        assert name in names
    # Asterisk runs in a session of its own, at 0.
    asterisk = replace(media, steps=(Step("/autogroup-asterisk", weight(0)), Step("asterisk", weight(0))))
    for process, there in others.items():
        assert goes_before(media, there), (process, there, media)
        assert goes_before(asterisk, there), (process, there)
    # Threads of engines: synthesis before transcription, both behind the rest of Ray.
    rays = next(there for process, there in others.items() if process.name() == "raylet").niceness
    assert engine_niceness(others, "ray::TtsActor") == min(19, rays + SYNTHESIS_NICENESS)
    assert engine_niceness(others, "ray::SttActor") == min(19, rays + TRANSCRIPTION_NICENESS)
    status = await observer.status(server.port)
    assert len(status.ranks) >= 8
    assert status.rank_problem is None


def engine_niceness(processes: Collection[psutil.Process], name: str) -> int:
    """Return the niceness of the engine's thread, the highest of an actor's process."""
    process = next(it for it in processes if it.cmdline()[0].startswith(name))
    return max(os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads())


async def talking(server: RunningServer) -> list[CallRecord]:
    """Return the records of callers who say a word every two seconds."""
    beat = WORD + bytes(2 * 16_000 - len(WORD))
    calls = [
        StrictCall(
            server.port,
            outgoing=voice(CALL_S, audio=bytes(int(index * 2.0 / CALLS * 8_000) * 2) + beat * 2),
            seconds=CALL_S,
        ).start()
        for index in range(CALLS)
    ]
    reports = [await asyncio.to_thread(call.wait) for call in calls]
    assert not any(report.violations for report in reports)
    records = [await observer.call_record(server.port, str(call.call_id), 5.0) for call in calls]
    return [record for record in records if record is not None]


def answers_ms(records: Collection[CallRecord]) -> list[float]:
    """Return how long each turn took to its first answer frame."""
    turns = [turn for record in records for turn in record.turns]
    return sorted(turn.first_answer_ms for turn in turns if turn.first_answer_ms is not None)


async def flood(door: Door, answers: Counter[int]) -> None:
    """Ask for transcriptions and speech, one after the other, for ever."""
    say = {"model": "scripted", "input": "Good morning. " * 20, "voice": "default"}
    recording = {"file": ("a.wav", RECORDING)}
    async with httpx.AsyncClient(base_url=door.url, headers=HEADERS, timeout=30.0) as client:
        while True:
            for answer in (
                await client.post("/v1/audio/transcriptions", files=recording, data={"model": "scripted"}),
                await client.post("/v1/audio/speech", json=say),
                await client.get("/api/v1/calls"),
            ):
                answers[answer.status_code] += 1
            await asyncio.sleep(0.1)


async def test_a_flooded_door_harms_no_call(door: Door) -> None:
    """Twenty callers beside sixteen clients that never stop: the callers' figures stay what they were."""
    alone = await talking(door.server)
    answers: Counter[int] = Counter()
    clients = [asyncio.create_task(flood(door, answers)) for _ in range(16)]
    await asyncio.sleep(1.0)
    beside = await talking(door.server)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    assert len(alone) == len(beside) == CALLS
    for records in (alone, beside):
        assert sum(record.underruns for record in records) == 0
        assert not [turn.problem for record in records for turn in record.turns if turn.problem]
        assert len(answers_ms(records)) >= 1.5 * CALLS
    before, during = answers_ms(alone), answers_ms(beside)
    assert statistics.median(during) < statistics.median(before) * 1.25 + 100.0, (before, during)
    assert during[int(len(during) * 0.9)] < before[int(len(before) * 0.9)] * 1.5 + 250.0, (before, during)
    assert answers[200] > 20, answers
    assert answers[429] > 20, answers
    assert set(answers) <= {200, 429}, answers
    status = await observer.status(door.server.port)
    assert status.level == Level.NORMAL


def test_the_door_stays_without_a_gateway_and_comes_back_with_ray(door: Door) -> None:
    """SIGKILL of the gateway: it answers on. SIGKILL of the head: Ray, gateway and door start again."""
    replica = door.processes("ray::ServeReplica")[0]
    gateway = door.server.child("gateway")
    gateway.kill()
    gateway.wait(5.0)
    assert door.is_open()
    wait_until(door.server.is_ready, 30.0, "the next gateway")
    assert replica.is_running()
    door.processes("gcs_server")[0].kill()
    wait_until(lambda: not replica.is_running(), 40.0, "the end of the old Ray")
    wait_until(door.is_open, 60.0, "the door")
    answer = httpx.get(f"{door.url}/v1/models", headers=HEADERS, timeout=10.0)
    assert answer.status_code in (200, 503)  # the new fleet may still be starting
    wait_until(door.server.is_ready, 60.0, "the workers")
