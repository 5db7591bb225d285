"""The pools on a Ray cluster. The only file of the speech side that imports ray.

One namespace holds the resource manager, which starts and checks the workers, and the two kinds of
worker, all of them detached, named actors. Detached, since an owner's death takes its actors along and a
loaded model should outlive a gateway or a manager; named, so that whoever comes next finds them again:
to ensure a worker is to get it by its name or create it.

A worker's requests run in its concurrency group `infer`, one at a time, as coroutines that wait for the
worker's thread; each group has an event loop of its own, so `control` answers meanwhile, and a cancelled
request ends at once although the thread goes on for a moment. The manager uses no groups: one loop for
its plain class; its queue is bounded, so waiting requests cannot fill its room for calls.

Placement is by node affinity, decided by the plan. A task is never repeated by Ray
(`max_task_retries=0`): the pool decides. `wait_for` would leave the task running in the actor, so giving
up is always `ray.cancel`. Ray's exceptions end here and become ours.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, AuthenticationError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.engines.registry import check_names
from actors.errors import ConfigurationError, RaymalError, WorkerLostError
from actors.fleet import PREFIXES, WorkerSpec
from actors.leased_pool import LeasedPool
from actors.messages import (
    FleetStatus,
    Lease,
    LeaseRequest,
    SessionStarted,
    SessionSummary,
    Synthesize,
    Transcribe,
    Transcript,
    WorkKind,
    WorkReport,
)
from actors.resource_manager import IngressStarted, ResourceManager, UnknownIngressError
from actors.settings import FleetSettings, SpeechSettings
from actors.sizing import NodeResources
from actors.stt_worker import SttWorker
from actors.tts_worker import TtsWorker
from actors.worker_thread import WorkerThread

logger = logging.getLogger(__name__)

MANAGER_NAME = "raymal-manager"

CONTROL_DEADLINE_S = 5.0
"""For a question that the other side answers from memory."""

UNCONSUMED_PIECES = 16
"""A synthesis pauses when its asker is this many pieces behind."""

CONNECT_RETRY_S = 0.5

MANAGER_CALLS = 4_000
"""Calls the manager may hold at once: far more than its queues of waiting requests."""

HEAD_RESOURCE = "node:__internal_head__"
"""Ray's own mark on the head node."""


# Actors


class SttActor:
    """An `SttWorker` as an actor."""

    def __init__(self, worker_id: str, speech: SpeechSettings) -> None:
        self._thread = WorkerThread(partial(SttWorker, speech), worker_id)

    @ray.method(concurrency_group="control")
    async def idle(self) -> None:
        """Return once the model is loaded and no work is left. Raises what loading raised."""
        await self._thread.idle()

    @ray.method(concurrency_group="infer")
    async def transcribe(self, request: Transcribe) -> Transcript:
        """Return the words of one utterance."""
        return await self._thread.transcribe(request)


class TtsActor:
    """A `TtsWorker` as an actor."""

    def __init__(self, worker_id: str, speech: SpeechSettings) -> None:
        self._thread = WorkerThread(partial(TtsWorker, speech), worker_id)

    @ray.method(concurrency_group="control")
    async def idle(self) -> None:
        """Return once the model is loaded and no work is left. Raises what loading raised."""
        await self._thread.idle()

    @ray.method(concurrency_group="infer")
    async def synthesize(self, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Yield one sentence's pieces."""
        async with aclosing(self._thread.synthesize(request)) as pieces:
            async for piece in pieces:
                yield piece


class ManagerActor(ResourceManager):
    """The `ResourceManager` as an actor: the same methods, running by itself."""

    def __init__(self, namespace: str) -> None:
        super().__init__(RayLauncher(namespace))
        self._running = asyncio.get_running_loop().create_task(self.run())
        self._running.add_done_callback(_restart_me)


def _restart_me(running: asyncio.Task[None]) -> None:
    """A manager whose loop ended would lend workers and never take them back: let Ray start a new one."""
    if running.cancelled():
        return
    logger.critical("the resource manager's loop ended", exc_info=running.exception())
    os._exit(1)


class RayLauncher:
    """Starts workers as actors. Runs inside the manager's actor."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._creations: dict[str, asyncio.Task[Any]] = {}

    async def nodes(self) -> Sequence[NodeResources]:
        """Return the cluster's live nodes."""
        return [
            NodeResources(
                node_id=node["NodeID"],
                cpus=node["Resources"].get("CPU", 0.0),
                memory_bytes=int(node["Resources"].get("memory", 0.0)),
                gpus=node["Resources"].get("GPU", 0.0),
            )
            for node in await asyncio.to_thread(_nodes)
        ]

    async def ensure(self, spec: WorkerSpec) -> None:
        """Return once the worker's actor exists, has loaded its model and is idle."""
        while True:
            creation = asyncio.create_task(asyncio.to_thread(self._get_or_create, spec))
            self._creations[spec.worker_id] = creation
            with _border("the new actor"):
                actor = await asyncio.shield(creation)
            del self._creations[spec.worker_id]
            try:
                await _call(actor.idle)
                return
            except _UnavailableError:  # Ray is restarting it
                await asyncio.sleep(CONNECT_RETRY_S)

    async def stop(self, worker_id: str) -> None:
        """Kill the worker's actor, whatever it does."""
        creation = self._creations.pop(worker_id, None)
        if creation is not None:  # given up, but what it creates must not stay
            await asyncio.gather(creation, return_exceptions=True)
        await asyncio.to_thread(_kill, worker_id, self._namespace)

    async def running(self) -> Collection[str]:
        """Return the names of all worker actors in the namespace."""
        names = await asyncio.to_thread(_names, self._namespace)
        return [name for name in names if name.startswith(tuple(PREFIXES.values()))]

    def _get_or_create(self, spec: WorkerSpec) -> Any:
        actor_class = SttActor if spec.kind is WorkKind.TRANSCRIPTION else TtsActor
        # Ray's own annotations leave some of its options out.
        remote: Any = ray.remote
        return (
            remote(concurrency_groups={"infer": 1, "control": 8})(actor_class)
            .options(
                name=spec.worker_id,
                namespace=self._namespace,
                get_if_exists=True,
                lifetime="detached",
                max_restarts=-1,
                max_task_retries=0,
                num_cpus=spec.cpus,
                num_gpus=spec.gpus,
                scheduling_strategy=NodeAffinitySchedulingStrategy(spec.node_id, soft=False),
                runtime_env={"env_vars": _environment(spec)},
            )
            .remote(spec.worker_id, spec.speech)
        )


# The gateway's side


class RemoteManager:
    """The manager's actor as a `Manager`: found or created by name, asked with deadlines."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._finding: asyncio.Task[Any] | None = None

    async def register_ingress(self, ingress: IngressStarted) -> None:
        """See `ResourceManager`."""
        await self._ask("register_ingress", ingress)

    async def unregister_ingress(self, ingress_id: str) -> None:
        """See `ResourceManager`. A manager that is not there has nothing to forget: none is created."""
        if self._finding is not None:
            await self._ask("unregister_ingress", ingress_id)

    async def heartbeat(self, ingress_id: str) -> bool:
        """See `ResourceManager`."""
        known: bool = await self._ask("heartbeat", ingress_id)
        return known

    async def register_session(self, session: SessionStarted) -> None:
        """See `ResourceManager`."""
        await self._ask("register_session", session)

    async def unregister_session(self, session_id: str) -> SessionSummary | None:
        """See `ResourceManager`."""
        summary: SessionSummary | None = await self._ask("unregister_session", session_id)
        return summary

    async def acquire(self, request: LeaseRequest) -> Lease:
        """See `ResourceManager`. Answers as late as the request is willing to wait."""
        lease: Lease = await self._ask("acquire", request, more_s=request.wait_s)
        return lease

    async def release(self, report: WorkReport) -> None:
        """See `ResourceManager`."""
        await self._ask("release", report)

    async def status(self) -> FleetStatus:
        """See `ResourceManager`."""
        status: FleetStatus = await self._ask("status")
        return status

    async def _ask(self, method: str, *arguments: Any, more_s: float = 0.0) -> Any:
        if self._finding is None:
            self._finding = asyncio.create_task(asyncio.to_thread(_manager, self._namespace))
        finding = self._finding
        try:
            with _border("the resource manager"):
                async with asyncio.timeout(CONTROL_DEADLINE_S):
                    manager = await asyncio.shield(finding)
            deadline_s = CONTROL_DEADLINE_S + more_s
            return await _call(getattr(manager, method), *arguments, deadline_s=deadline_s)
        except UnknownIngressError:
            raise
        except (WorkerLostError, TimeoutError) as error:
            # Found anew next time, unless the search itself still goes on.
            if finding.done() and self._finding is finding:
                self._finding = None
            raise WorkerLostError(f"the resource manager does not answer: {error}") from None


class RemoteWorkers:
    """The workers' actors as `Workers`."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._actors: dict[str, Any] = {}

    async def transcribe(self, worker_id: str, request: Transcribe) -> Transcript:
        """Transcribe on that worker. Raises EngineError or WorkerLostError."""
        actor = await self._actor(worker_id)
        transcript: Transcript = await _call(actor.transcribe, request)
        return transcript

    async def synthesize(self, worker_id: str, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Yield the sentence's pieces from that worker. Raises EngineError or WorkerLostError."""
        actor = await self._actor(worker_id)
        method = actor.synthesize.options(
            num_returns="streaming", _generator_backpressure_num_objects=UNCONSUMED_PIECES
        )
        stream = None
        try:
            with _border("the worker"):
                stream = method.remote(request)
                async for reference in stream:
                    yield await reference
            stream = None
        finally:
            if stream is not None:
                _cancel(stream)

    async def _actor(self, worker_id: str) -> Any:
        if worker_id not in self._actors:
            try:
                self._actors[worker_id] = await asyncio.to_thread(
                    ray.get_actor, worker_id, namespace=self._namespace
                )
            except (ValueError, RayError):
                raise WorkerLostError(f"there is no worker {worker_id}") from None
        return self._actors[worker_id]


class ClusterPool(LeasedPool):
    """A `SpeechPool` on a Ray cluster. This process becomes a Ray driver."""

    def __init__(self, speech: SpeechSettings, fleet: FleetSettings, ingress_id: str) -> None:
        """`fleet.ray_address` says where Ray is: `auto` or host:port."""
        super().__init__(
            RemoteManager(fleet.ray_namespace),
            RemoteWorkers(fleet.ray_namespace),
            IngressStarted(ingress_id, "", speech, fleet),
        )
        self._connected = False

    async def start(self) -> None:
        """Connect, find or create the manager, register. Workers start in the background.

        Tries until `fleet.worker_start_deadline_s`, then raises ConfigurationError: a Ray head that is
        just starting needs some seconds. Runs `ray.init` off the main thread, where it leaves the
        process's SIGTERM handler alone.
        """
        check_names(self._ingress.speech)
        deadline = time.monotonic() + self._ingress.fleet.worker_start_deadline_s
        self._connected = await connect(self._ingress.fleet)
        node_id = ray.get_runtime_context().get_node_id()
        self._ingress = replace(self._ingress, node_id=node_id)
        while True:
            try:
                return await super().start()
            except WorkerLostError as error:
                if time.monotonic() > deadline:
                    raise ConfigurationError(f"Ray runs, but {error}") from None
                await asyncio.sleep(CONNECT_RETRY_S)

    async def close(self) -> None:
        """Give back everything this ingress holds and disconnect. Idempotent."""
        await super().close()
        if self._connected:
            self._connected = False
            await asyncio.to_thread(ray.shutdown)


async def connect(fleet: FleetSettings) -> bool:
    """Make this process a driver of the Ray at `fleet.ray_address`. False: it was one before.

    Raises ConfigurationError if no Ray answers within `fleet.worker_start_deadline_s`.
    """
    if ray.is_initialized():
        return False
    if fleet.ray_address is None:
        raise ConfigurationError("fleet.ray_address: needed to join a Ray; give `auto` or host:port")
    if fleet.ray_address.startswith("ray://"):
        raise ConfigurationError(
            f"fleet.ray_address: {fleet.ray_address!r} is a Ray Client address, whose calls are far "
            "slower; run Ray on this machine as a node of the cluster and give `auto` or host:port"
        )
    deadline = time.monotonic() + fleet.worker_start_deadline_s
    while True:
        try:
            await _probe(fleet.ray_address)
            await asyncio.to_thread(_init, fleet)
            return True
        except AuthenticationError as error:
            raise ConfigurationError(f"Ray at {fleet.ray_address} refused the token: {error}") from None
        except (OSError, RayError, RuntimeError, ValueError) as error:
            if time.monotonic() > deadline:
                # Ray itself does not tell a wrong token from no Ray.
                reason = str(error).partition("\n")[0]
                raise ConfigurationError(
                    f"fleet.ray_address: no Ray answered at {fleet.ray_address!r} within "
                    f"{fleet.worker_start_deadline_s:g} s ({reason}). Start one with `ray start --head`, "
                    "or run without Ray: --no-ray. If it runs, give this process its token: "
                    "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
                ) from None
        await asyncio.sleep(CONNECT_RETRY_S)


async def _probe(address: str) -> None:
    """Raise OSError if nobody listens there: `ray.init` would try for a minute and end the process."""
    host, separator, port = address.rpartition(":")
    if not separator:
        return
    async with asyncio.timeout(CONTROL_DEADLINE_S):
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.close()


def _init(fleet: FleetSettings) -> None:
    chatter = logging.getLogger("ray")
    level = chatter.level
    chatter.setLevel(logging.ERROR)  # it would warn that it cannot take the SIGTERM handler: good
    try:
        ray.init(
            address=fleet.ray_address,
            namespace=fleet.ray_namespace,
            log_to_driver=False,
            configure_logging=False,
        )
    finally:
        chatter.setLevel(level)


async def stop_fleet(fleet: FleetSettings) -> int:
    """Remove the manager and all workers of `fleet.ray_namespace`; return how many actors there were."""
    connected = await connect(fleet)
    try:
        names = await asyncio.to_thread(_names, fleet.ray_namespace)
        ours = [name for name in names if name.startswith((MANAGER_NAME, *PREFIXES.values()))]
        # The manager first: it would start the workers again.
        for name in sorted(ours, key=lambda name: name != MANAGER_NAME):
            await asyncio.to_thread(_kill, name, fleet.ray_namespace)
        return len(ours)
    finally:
        if connected:
            await asyncio.to_thread(ray.shutdown)


# Ray's ways


class _UnavailableError(WorkerLostError):
    """Ray is restarting the actor, or cannot reach it for the moment."""


@contextmanager
def _border(who: str) -> Iterator[None]:
    """Turn Ray's exceptions into ours."""
    try:
        yield
    except RayTaskError as error:
        # What an actor raised on purpose comes out as it went in.
        if isinstance(error.cause, RaymalError):
            raise error.cause from None
        raise WorkerLostError(f"{who} failed: {type(error.cause).__name__}") from None
    except ActorUnavailableError:
        raise _UnavailableError(f"{who} is not reachable for the moment") from None
    except RayError as error:
        raise WorkerLostError(f"{who} is lost: {type(error).__name__}") from None


async def _call(method: Any, *arguments: Any, deadline_s: float | None = None) -> Any:
    """Call an actor's method. Given up, by deadline or cancellation, the actor's task is cancelled."""
    reference = None
    try:
        with _border("the actor"):
            reference = method.remote(*arguments)
            async with asyncio.timeout(deadline_s):
                answer = await reference
        reference = None
        return answer
    except TimeoutError:
        raise WorkerLostError(f"no answer within {deadline_s:g} s") from None
    finally:
        if reference is not None:
            _cancel(reference)


def _cancel(task: Any) -> None:
    with suppress(RayError, ValueError, RuntimeError):  # it has ended, or Ray has
        ray.cancel(task)


def _environment(spec: WorkerSpec) -> dict[str, str]:
    """Return what the worker's libraries read once, when they are loaded."""
    # `ray up`, and Ray itself for a fraction of a CPU, set 1 thread.
    environment = {"OMP_NUM_THREADS": str(spec.threads)}
    if not spec.gpus:
        # Ray hides GPUs only from those that have taken some: a CPU worker would help itself.
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


def _manager(namespace: str) -> Any:
    """Return the manager's actor; create it, beside the head, if there is none."""
    head = next((node["NodeID"] for node in _nodes() if HEAD_RESOURCE in node["Resources"]), None)
    strategy = NodeAffinitySchedulingStrategy(head, soft=True) if head else "DEFAULT"
    return (
        ray.remote(ManagerActor)
        .options(
            name=MANAGER_NAME,
            namespace=namespace,
            get_if_exists=True,
            lifetime="detached",
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=MANAGER_CALLS,
            num_cpus=0,
            scheduling_strategy=strategy,
        )
        .remote(namespace)
    )


def _nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]


def _names(namespace: str) -> list[str]:
    actors = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in actors if actor["namespace"] == namespace]


def _kill(name: str, namespace: str) -> None:
    with suppress(ValueError, RayError):  # there is none
        ray.kill(ray.get_actor(name, namespace=namespace), no_restart=True)
