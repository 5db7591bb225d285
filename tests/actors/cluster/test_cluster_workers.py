"""The workers as actors: several requests at a time, and work that ends when Ray cancels its task."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import ray
from ray.exceptions import RayTaskError, TaskCancelledError
from ray_fixture import RayCluster

from actors.cluster.workers import SttActor
from actors.messages import Transcribe
from actors.settings import ScriptedSettings, SpeechSettings

pytestmark = pytest.mark.cluster

UTTERANCE = Transcribe("call", b"\0" * 16_000, "en")
SLOTS = 3
DELAY_S = 2.0


@pytest.fixture(scope="module")
def worker(ray_cluster: RayCluster) -> Iterator[Any]:
    """A transcriber of three slots that takes two seconds over at most two utterances together."""
    speech = SpeechSettings(stt="scripted", scripted=ScriptedSettings(stt_delay_s=DELAY_S, batch_size=2))
    remote: Any = ray.remote
    actor_class = remote(concurrency_groups={"infer": SLOTS, "control": 2}, num_cpus=0)(SttActor)
    actor = actor_class.remote("stt-test", "without-a-manager", speech, SLOTS)
    ray.get(actor.idle.remote(), timeout=60.0)
    yield actor
    ray.kill(actor)


def begun(worker: Any) -> Any:
    """Return a question for idleness that waits behind work: one that is put too early overtakes it."""
    for _ in range(20):
        idle = worker.idle.remote()
        if not ray.wait([idle], timeout=0.3)[0]:
            return idle
    raise AssertionError("the worker is idle although it was given work")


def test_cancelling_a_task_stops_its_engine(worker: Any) -> None:
    """The thread is free at once, where the engine alone would have taken two delays for the three."""
    tasks = [worker.transcribe.remote(UTTERANCE, "lease") for _ in range(SLOTS)]
    busy = begun(worker)
    began = time.monotonic()
    for task in tasks:
        ray.cancel(task)
    ray.get([busy, worker.idle.remote()], timeout=10.0)
    assert time.monotonic() - began < 1.0
    for task in tasks:
        with pytest.raises((TaskCancelledError, RayTaskError)):
            ray.get(task, timeout=1.0)


def test_requests_of_several_leases_are_worked_on_together(worker: Any) -> None:
    """Three at a time, two of them in one batch: two delays, not three; and no cancelled work before them."""
    began = time.monotonic()
    answers = ray.get([worker.transcribe.remote(UTTERANCE, "lease") for _ in range(SLOTS)], timeout=20.0)
    assert [answer.text for answer in answers] == ["hello"] * SLOTS
    assert 2 * DELAY_S <= time.monotonic() - began < 2.7 * DELAY_S
