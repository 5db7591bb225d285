"""The pool's promise, kept on Ray, also when workers and the manager die."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace

import psutil
import pytest
from further_engines import is_settled
from ray_fixture import RayCluster

from actors.cluster.connection import actor_names, kill_actor
from actors.cluster.inspection import stop_fleet
from actors.cluster.pool import ClusterPool
from actors.errors import CapacityError, ConfigurationError, WorkerLostError
from actors.fleet.fleet import PREFIXES
from actors.machine.order import goes_before, place
from actors.messages import FurtherEngine, SessionStarted, Synthesize, Transcribe, WorkKind
from actors.settings import FleetSettings, ScriptedSettings, SpeechSettings, WhisperSettings
from actors.status import FleetStatus

pytestmark = pytest.mark.cluster

UTTERANCE = Transcribe("call", b"\0" * 16_000, "en")
SENTENCE = Synthesize("call", "one sentence that is long enough for two or more pieces of audio", "en")
LONG_SENTENCE = Synthesize("call", "so many words " * 40, "en")
SECOND = FurtherEngine("actors.engines.scripted:ScriptedTts", "en")
"""The same engine by another name."""
SPEECH = SpeechSettings(
    stt="scripted", tts="scripted", scripted=ScriptedSettings(stt_delay_s=0.5, tts_delay_s=0.05)
)


def one_of_each(ray_cluster: RayCluster) -> FleetSettings:
    """Return settings of a fleet of one worker of each kind, in a namespace of its own."""
    return FleetSettings(
        ray_address=ray_cluster.address,
        ray_namespace=ray_cluster.namespace(),
        max_concurrent_transcriptions=1,
        max_concurrent_synthesis=1,
        worker_start_deadline_s=60.0,
    )


@pytest.fixture(scope="module")
def fleet(ray_cluster: RayCluster) -> FleetSettings:
    """One fleet for most tests: its workers outlive each test's pool, as they outlive a gateway."""
    return one_of_each(ray_cluster)


@pytest.fixture
async def pool(fleet: FleetSettings) -> AsyncIterator[ClusterPool]:
    """A pool that is ready."""
    made = ClusterPool(SPEECH, fleet, "ingress")
    await made.start()
    await until(made, lambda status: status.is_ready and not status.transcription.busy)
    # Work of no call is background work, which a busy machine holds back.
    await made.register_session(SessionStarted("call", "ingress", "100"))
    yield made
    await made.close()


async def until(pool: ClusterPool, met: Callable[[FleetStatus], bool]) -> FleetStatus:
    """Return the first status that meets the condition; a manager that restarts is asked again."""
    async with asyncio.timeout(40.0):
        while True:
            with suppress(WorkerLostError):
                status = await pool.status()
                if met(status):
                    return status
            await asyncio.sleep(0.05)


def process_of(actor_class: str) -> psutil.Process:
    """Return the newest process of an actor class; this process is the parent of its whole Ray."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline()[0].startswith(f"ray::{actor_class}"):
                found.append(process)
    return max(found, key=lambda process: process.create_time())


async def test_a_turn_goes_through_and_is_counted(pool: ClusterPool) -> None:
    """An utterance becomes words, a sentence becomes audio, and the call's summary knows of both."""
    heard = await pool.transcribe(UTTERANCE, deadline_s=5.0)
    assert heard.transcript.text == "hello"
    assert heard.processing_ms >= 300.0
    chunks = [chunk async for chunk in pool.synthesize(SENTENCE, deadline_s=5.0)]
    assert len(chunks) >= 2
    await until(pool, lambda status: status.synthesis.busy == 0)
    summary = await pool.unregister_session("call")
    assert summary is not None
    assert (summary.transcription.count, summary.transcription.audio_ms) == (1, 1000.0)
    assert summary.synthesis.count == 1


async def test_a_worker_on_a_joined_ray_stands_behind_this_process(pool: ClusterPool) -> None:
    """Ray's own processes are not ours to rank; each of our workers ranks itself, in a session of its own."""
    mine = place(os.getpid())
    assert mine is not None
    for actor_class in ("SttActor", "TtsActor"):
        worker = process_of(actor_class)
        assert os.getsid(worker.pid) == os.getpgid(worker.pid) == worker.pid
        there = place(worker.pid)
        assert there is not None
        assert goes_before(mine, there), (mine, there)


async def test_what_nobody_waits_for_frees_its_slot(pool: ClusterPool) -> None:
    """Cancelled, closed or past its deadline: the asker is free at once, the slot soon after."""
    asker = asyncio.create_task(pool.transcribe(UTTERANCE, deadline_s=5.0))
    await until(pool, lambda status: status.transcription.busy == 1)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    with pytest.raises(WorkerLostError, match="deadline"):
        await pool.transcribe(UTTERANCE, deadline_s=0.2)
    async with aclosing(pool.synthesize(LONG_SENTENCE, deadline_s=5.0)) as chunks:
        assert (await anext(chunks)).audio
    status = await until(pool, lambda status: status.transcription.busy == 0 and status.synthesis.busy == 0)
    assert (status.transcription.tally.failed, status.synthesis.tally.failed) == (2, 1)
    assert (await pool.transcribe(UTTERANCE, deadline_s=5.0)).transcript.text == "hello"


async def test_an_interrupted_sentence_frees_its_slot(pool: ClusterPool) -> None:
    """Cancelled long before its last piece, when the worker waits for its asker to catch up."""
    taken = asyncio.Event()

    async def speak() -> None:
        async for _ in pool.synthesize(LONG_SENTENCE, deadline_s=20.0):
            taken.set()
            await asyncio.Event().wait()

    failed_before = (await pool.status()).synthesis.tally.failed
    speaker = asyncio.create_task(speak())
    await taken.wait()
    await asyncio.sleep(0.5)  # 16 pieces ahead, and no further
    speaker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaker
    began = time.monotonic()
    await until(pool, lambda status: status.synthesis.busy == 0)
    assert (await pool.status()).synthesis.tally.failed == failed_before + 1
    assert [chunk async for chunk in pool.synthesize(SENTENCE, deadline_s=5.0)]
    assert time.monotonic() - began < 3.0


async def test_a_killed_worker_costs_a_try_and_comes_back(pool: ClusterPool) -> None:
    """The request it held is done by its successor inside the deadline."""
    asker = asyncio.create_task(pool.transcribe(UTTERANCE, deadline_s=40.0))
    await until(pool, lambda status: status.transcription.busy == 1)
    process_of("SttActor").kill()
    assert (await asker).transcript.text == "hello"
    await until(pool, lambda status: status.transcription.ready == 1 and status.transcription.busy == 0)
    summary = await pool.unregister_session("call")
    assert summary is not None
    assert (summary.transcription.count, summary.transcription.failed) == (2, 1)


async def test_a_worker_killed_inside_a_sentence_is_not_heard(pool: ClusterPool) -> None:
    """Its successor makes the rest: nothing is missing, nothing comes twice."""
    whole = b"".join([chunk.audio async for chunk in pool.synthesize(LONG_SENTENCE, deadline_s=20.0)])
    heard = b""
    async for chunk in pool.synthesize(LONG_SENTENCE, deadline_s=40.0):
        if not heard:
            process_of("TtsActor").kill()
        heard += chunk.audio
    assert heard == whole


async def test_a_replaced_worker_is_found(pool: ClusterPool, fleet: FleetSettings) -> None:
    """Another actor has its name afterwards: each lease brings the one that is meant."""
    assert (await pool.transcribe(UTTERANCE, deadline_s=5.0)).transcript.text == "hello"
    [name] = [
        it for it in actor_names(fleet.ray_namespace) if it.startswith(PREFIXES[WorkKind.TRANSCRIPTION])
    ]
    kill_actor(name, fleet.ray_namespace)
    for _ in range(2):
        assert (await pool.transcribe(UTTERANCE, deadline_s=40.0)).transcript.text == "hello"


async def test_a_killed_worker_is_an_error_when_there_is_no_time(pool: ClusterPool) -> None:
    """The asker gets it within its short deadline; the worker comes back all the same."""
    worker = process_of("SttActor")
    worker.suspend()  # so that it cannot be done before it is killed, however slow this test is
    before = time.monotonic()
    asker = asyncio.create_task(pool.transcribe(UTTERANCE, deadline_s=1.0))
    await asyncio.sleep(0.3)
    worker.kill()
    with pytest.raises((WorkerLostError, CapacityError)):
        await asker
    assert time.monotonic() - before < 3.0
    await until(pool, lambda status: status.transcription.ready == 1 and status.transcription.busy == 0)


async def test_a_killed_manager_comes_back_and_knows_the_calls_again(pool: ClusterPool) -> None:
    """Work that is out goes on, new work waits for the new manager, which adopts the workers."""
    worker = process_of("SttActor")
    asker = asyncio.create_task(pool.transcribe(UTTERANCE, deadline_s=5.0))
    await until(pool, lambda status: status.transcription.busy == 1)
    process_of("ManagerActor").kill()
    assert (await asker).transcript.text == "hello"
    assert (await pool.transcribe(UTTERANCE, deadline_s=40.0)).transcript.text == "hello"
    status = await until(pool, lambda status: status.is_ready)
    assert (status.ingresses, status.sessions) == (1, 1)
    assert process_of("SttActor") == worker


async def test_a_manager_that_was_stopped_goes_on_where_it_was(pool: ClusterPool) -> None:
    """For longer than an ingress may be silent: who works keeps the slot, who waits keeps the place."""
    manager, holds, freed = process_of("ManagerActor"), asyncio.Event(), asyncio.Event()

    async def speak() -> None:
        async for _ in pool.synthesize(LONG_SENTENCE, deadline_s=30.0):
            holds.set()
            await freed.wait()

    async def wait() -> int:
        return len([chunk async for chunk in pool.synthesize(SENTENCE, deadline_s=30.0)])

    speaker = asyncio.create_task(speak())
    await holds.wait()
    waiting = asyncio.create_task(wait())
    await until(pool, lambda status: status.synthesis.waiting == 1)
    manager.suspend()
    await asyncio.sleep(5.0)
    manager.resume()
    status = await until(pool, lambda status: True)
    assert (status.ingresses, status.sessions) == (1, 1)
    assert (status.synthesis.busy, status.synthesis.waiting) == (1, 1)
    freed.set()
    await speaker
    assert await waiting


async def test_two_ingresses_share_the_fleet(pool: ClusterPool, fleet: FleetSettings) -> None:
    """With the same settings; others are refused by name, and one that closes gives its slot back.

    The engines that one names are there for all, also after it has gone.
    """
    other = ClusterPool(SPEECH.model_copy(update={"language": "pt"}), fleet, "other")
    with pytest.raises(ConfigurationError, match=r"speech\.language is 'en' there and 'pt' here"):
        await other.start()
    twin = ClusterPool(SPEECH, fleet, "twin")
    twin.use_engines([SECOND])
    await twin.start()
    await twin.register_session(SessionStarted("twin's call", "twin", "100"))
    held = asyncio.create_task(twin.transcribe(replace(UTTERANCE, call_id="twin's call"), deadline_s=5.0))
    await until(pool, lambda status: status.transcription.busy == 1)
    asker = asyncio.create_task(pool.transcribe(UTTERANCE, deadline_s=5.0))
    await until(pool, lambda status: status.transcription.waiting == 1)
    await twin.close()
    assert (await asker).transcript.text == "hello"
    assert (await until(pool, lambda status: status.ingresses == 1)).is_ready
    held.cancel()
    with suppress(asyncio.CancelledError, WorkerLostError):
        await held
    status = await until(pool, lambda status: all(is_settled(engine) for engine in status.engines))
    assert [(engine.name, engine.ready) for engine in status.engines] == [("scripted", 1), (SECOND.name, 1)]
    with_second = pool.synthesize(replace(SENTENCE, engine=SECOND.name), deadline_s=5.0)
    assert len([chunk async for chunk in with_second]) >= 2


async def test_an_idle_worker_that_is_gone_costs_no_turn(ray_cluster: RayCluster) -> None:
    """Killed or stopped, one of two: the next request goes to the other at once, and none finds it later."""
    fleet = one_of_each(ray_cluster).model_copy(update={"max_concurrent_transcriptions": 2})
    pool = ClusterPool(SPEECH, fleet, "ingress")
    await pool.start()
    await until(pool, lambda status: status.transcription.ready == 2 and status.is_ready)
    await pool.register_session(SessionStarted("call", "ingress", "100"))

    async def answer_s() -> float:
        began_s = time.monotonic()
        assert (await pool.transcribe(UTTERANCE, deadline_s=10.0)).transcript.text == "hello"
        return time.monotonic() - began_s

    process_of("SttActor").kill()
    assert max([await answer_s(), await answer_s()]) < 3.0  # also the one that is given the dead worker
    await until(pool, lambda status: status.transcription.slots == 2 and status.transcription.busy == 0)
    await asyncio.sleep(1.0)
    process_of("SttActor").kill()
    killed_s = time.monotonic()
    await until(pool, lambda status: status.transcription.slots == 1)
    assert time.monotonic() - killed_s < 4.0
    await until(pool, lambda status: status.transcription.slots == 2)
    stopped = process_of("SttActor")
    stopped.suspend()
    assert max([await answer_s(), await answer_s()]) < 8.0  # one of them was given to it
    await until(pool, lambda status: status.transcription.busy == 1)
    assert max([await answer_s(), await answer_s()]) < 3.0
    stopped.resume()
    await until(pool, lambda status: status.transcription.busy == 0)
    assert (await pool.status()).transcription.slots == 2
    await pool.close()
    await stop_fleet(fleet)


async def test_a_worker_that_cannot_load_is_in_the_status(ray_cluster: RayCluster) -> None:
    """With the engine's own message."""
    fleet = one_of_each(ray_cluster)
    speech = SPEECH.model_copy(update={"stt": "whisper", "whisper": WhisperSettings(model="/no/such/folder")})
    pool = ClusterPool(speech, fleet, "ingress")
    await pool.start()
    status = await until(pool, lambda status: bool(status.problems))
    assert "/no/such/folder" in status.problems[0]
    assert not status.is_ready
    await pool.close()
    await stop_fleet(fleet)


async def test_a_full_ray_is_named_and_used_once_it_has_room(ray_cluster: RayCluster) -> None:
    """Other programs hold all its CPUs: the status says so; when they have gone, the workers start."""
    import ray

    @ray.remote
    class Holder:
        def held(self) -> bool:
            return True

    def free_cpus() -> float:
        return float(ray.available_resources().get("CPU", 0.0))

    async with asyncio.timeout(40.0):
        while free_cpus() < ray.cluster_resources()["CPU"]:  # a fleet that was stopped gives them back later
            await asyncio.sleep(0.1)
    holder = Holder.options(num_cpus=free_cpus()).remote()
    ray.get(holder.held.remote(), timeout=60)
    fleet = one_of_each(ray_cluster)
    pool = ClusterPool(SPEECH, fleet, "late")
    await pool.start()
    status = await until(pool, lambda status: " and 1 more: no CPUs are free on " in str(status.problems))
    assert "raymal in another namespace" in str(status.problems)
    assert not status.is_ready
    ray.kill(holder)
    await until(pool, lambda status: status.is_ready and not status.problems)
    await pool.close()
    await stop_fleet(fleet)


async def test_stopping_a_fleet_leaves_no_actor(pool: ClusterPool, fleet: FleetSettings) -> None:
    """The manager and both workers go, once."""
    await pool.close()
    assert await stop_fleet(fleet) == 3
    assert await stop_fleet(fleet) == 0


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("127.0.0.2:9", "no Ray answered at '127.0.0.2:9'"),
        ("ray://127.0.0.2:10001", "'ray://127.0.0.2:10001' is a Ray Client address"),
    ],
)
def test_an_address_without_a_ray_is_a_configuration_error(address: str, complaint: str) -> None:
    """In one line: where it looked and what to do."""
    program = (
        "import asyncio; from actors.cluster.connection import connect; "
        "from actors.settings import FleetSettings; "
        f"asyncio.run(connect(FleetSettings(ray_address={address!r}, worker_start_deadline_s=1.0)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert f"ConfigurationError: fleet.ray_address: {complaint}" in result.stderr
