"""Starts and stops workers as actors on the nodes that the plan names. Runs inside the manager's actor.

Workers are detached, named actors. Detached, since an owner's death takes its actors along and a loaded
model should outlive a gateway or a manager; named, so that the next manager finds them again: to ensure
a worker is to get it by its name or create it. Placement is by node affinity, decided by the plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import ray
from ray._private import state
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.cluster.connection import (
    CONNECT_RETRY_S,
    CONTROL_DEADLINE_S,
    UnavailableError,
    actor_names,
    border,
    call,
    kill_actor,
    live_nodes,
)
from actors.cluster.workers import SttActor, TtsActor
from actors.errors import CapacityError
from actors.fleet.fleet import PREFIXES, WorkerSpec
from actors.fleet.sizing import NodeResources
from actors.messages import FurtherEngine, WorkKind

CONTROL_CALLS = 8
"""Questions that a worker answers beside its work."""

PLACE_DEADLINE_S = 10.0
"""For Ray to start an actor's process; then it is asked whether it has room for one."""


class RayLauncher:
    """Starts workers as actors. Runs inside the manager's actor."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._creations: dict[str, asyncio.Task[Any]] = {}

    async def nodes(self) -> Sequence[NodeResources]:
        """Return the cluster's live nodes. Raises WorkerLostError if its head does not answer."""
        with border("the cluster's head"):
            nodes = await asyncio.to_thread(live_nodes)
            draining = await asyncio.to_thread(draining_nodes)
        return [
            NodeResources(
                node_id=node["NodeID"],
                cpus=node["Resources"].get("CPU", 0.0),
                memory_bytes=int(node["Resources"].get("memory", 0.0)),
                gpus=node["Resources"].get("GPU", 0.0),
                labels=node["Labels"],
                is_draining=node["NodeID"] in draining,
                address=node["NodeManagerAddress"],
            )
            for node in nodes
        ]

    async def ensure(self, spec: WorkerSpec) -> Any:
        """Return the handle of the worker's actor once it exists, has loaded its model and is idle."""
        while True:
            creation = asyncio.create_task(asyncio.to_thread(self._get_or_create, spec))
            self._creations[spec.worker_id] = creation
            with border("the new actor"):
                actor = await asyncio.shield(creation)
            del self._creations[spec.worker_id]
            try:
                await self._until_idle(actor, spec)
                return actor
            except UnavailableError:  # it may be dead, Ray does not know yet
                await asyncio.sleep(CONNECT_RETRY_S)

    async def prepare(self, worker: Any, engines: Sequence[FurtherEngine]) -> Mapping[str, str]:
        """Have a worker's actor load further engines. Raises WorkerLostError if it died."""
        problems: dict[str, str] = await call(worker.prepare, tuple(engines))
        return problems

    async def check(self, worker: Any) -> None:
        """Return once the worker's actor answers. Raises WorkerLostError when Ray knows that it is dead."""
        try:
            await call(worker.check)
        except UnavailableError:  # Ray does not know yet: silence decides
            await asyncio.Event().wait()

    async def _until_idle(self, actor: Any, spec: WorkerSpec) -> None:
        """Return once the actor is idle. Raises CapacityError if Ray has no room for it."""
        idle = asyncio.create_task(call(actor.idle))
        try:
            while not (await asyncio.wait({idle}, timeout=PLACE_DEADLINE_S))[0]:
                with border("the cluster's head"):
                    lack = await asyncio.to_thread(_lack, actor, spec)
                if lack is not None:
                    raise CapacityError(lack)
            await idle
        finally:
            idle.cancel()

    async def stop(self, worker_id: str) -> None:
        """Kill the worker's actor, also while it works."""
        creation = self._creations.pop(worker_id, None)
        if creation is not None:  # given up, but what it creates must not stay
            await asyncio.gather(creation, return_exceptions=True)
        await asyncio.to_thread(kill_actor, worker_id, self._namespace)

    async def running(self) -> Collection[str]:
        """Return the names of all worker actors in the namespace."""
        names = await asyncio.to_thread(actor_names, self._namespace)
        return [name for name in names if name.startswith(tuple(PREFIXES.values()))]

    def _get_or_create(self, spec: WorkerSpec) -> Any:
        actor_class = SttActor if spec.kind is WorkKind.TRANSCRIPTION else TtsActor
        # Ray's own annotations leave some of its options out.
        remote: Any = ray.remote
        return (
            remote(concurrency_groups={"infer": spec.slots, "control": CONTROL_CALLS})(actor_class)
            .options(
                name=spec.worker_id,
                namespace=self._namespace,
                get_if_exists=True,
                lifetime="detached",
                max_restarts=0,  # the fleet starts another one; requests to a dead actor fail at once
                max_task_retries=0,
                num_cpus=spec.cpus,
                num_gpus=spec.gpus,
                scheduling_strategy=NodeAffinitySchedulingStrategy(spec.node_id, soft=False),
                runtime_env={"env_vars": _environment(spec)},
            )
            .remote(spec.worker_id, self._namespace, spec.speech, spec.slots)
        )


def draining_nodes() -> Collection[str]:
    """Return the ids of the nodes that are being drained. Blocks.

    Ray lists them nowhere in public, and counts their resources as before; its own Serve asks the same.
    """
    client = GcsClient(address=ray.get_runtime_context().gcs_address)
    draining: dict[str, int] = client.get_draining_nodes(timeout=CONTROL_DEADLINE_S)
    return draining.keys()


def _lack(actor: Any, spec: WorkerSpec) -> str | None:
    """Return what its node lacks for an actor that waits for a place; None if it has one. Blocks.

    Ray lets an actor wait without a word, and says in public only what is free on all nodes together.
    """
    if state.actors(actor._actor_id.hex()).get("Pid"):
        return None
    free = state.available_resources_per_node().get(spec.node_id, {})  # type: ignore[no-untyped-call]
    for name, unit, wanted in (("CPU", "CPUs", spec.cpus), ("GPU", "GPUs", spec.gpus)):
        left = free.get(name, 0.0)
        if left < wanted:
            return (
                f"no {unit} are free on node {spec.node_id[:12]}: {left:g} are left, a worker reserves "
                f"{wanted:.2g}; other programs of this Ray, or raymal in another namespace, hold the rest"
            )
    return None


def _environment(spec: WorkerSpec) -> dict[str, str]:
    """Return what the worker's libraries read once, when they are loaded."""
    # `ray up`, and Ray itself for a fraction of a CPU, set 1 thread.
    # OpenBLAS is numpy's, whose threads spin while they wait.
    environment = {"OMP_NUM_THREADS": str(spec.threads), "OPENBLAS_NUM_THREADS": "1"}
    if not spec.gpus:
        # Ray hides GPUs only from those that have taken some: a CPU worker would take one.
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment
