"""The resource manager as a detached, named actor, and the way to it.

Found or created by name, beside the head; asked with deadlines. It uses no concurrency groups: one loop for
its plain class. Its queue is bounded, so waiting requests cannot fill its room for calls.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.cluster.connection import CONTROL_DEADLINE_S, MANAGER_NAME, border, call, live_nodes
from actors.cluster.launcher import RayLauncher
from actors.cluster.threads import in_thread
from actors.errors import UnknownIngressError, WorkerLostError
from actors.manager.resource_manager import ResourceManager
from actors.messages import Decision, Lease, LeaseRequest
from actors.pool.manager_client import Manager
from actors.pool.speech_client import SpeechClientManager

logger = logging.getLogger(__name__)

MANAGER_CALLS = 4_000
"""Calls the manager may hold at once: more than the requests in its queues, by default 2,560."""

HEAD_RESOURCE = "node:__internal_head__"
"""Ray's own mark on the head node."""


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


Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def _remote(
    method: Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Answer]],
) -> Callable[Concatenate[RemoteManager, Parameters], Coroutine[Any, Any, Answer]]:
    """Return a method of `RemoteManager` that calls `method` of the manager's actor."""

    async def ask(manager: RemoteManager, /, *arguments: Parameters.args, **_: Parameters.kwargs) -> Answer:
        answer: Answer = await manager.ask(method.__name__, *arguments)
        return answer

    return ask


class RemoteManager:
    """The manager's actor as a `Manager`: found or created by name, asked with deadlines."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._finding: asyncio.Task[Any] | None = None

    register_ingress = _remote(Manager.register_ingress)
    heartbeat = _remote(Manager.heartbeat)
    admit = _remote(Manager.admit)
    register_session = _remote(Manager.register_session)
    unregister_session = _remote(Manager.unregister_session)
    promote = _remote(Manager.promote)
    release = _remote(Manager.release)
    status = _remote(Manager.status)
    register_speech_client = _remote(SpeechClientManager.register_speech_client)
    sessions = _remote(SpeechClientManager.sessions)
    decisions = _remote(SpeechClientManager.decisions)
    speech = _remote(SpeechClientManager.speech)

    async def watch(self, ingress_id: str, known: tuple[str, int], wait_s: float) -> Decision:
        """See `ResourceManager`. Answers after `wait_s` at the latest."""
        decision: Decision = await self.ask("watch", ingress_id, known, wait_s, more_s=wait_s)
        return decision

    async def acquire(self, request: LeaseRequest) -> Lease:
        """See `ResourceManager`. Answers as late as the request is willing to wait."""
        lease: Lease = await self.ask("acquire", request, more_s=request.wait_s)
        return lease

    async def unregister_ingress(self, ingress_id: str) -> None:
        """See `ResourceManager`. A manager that is not there has nothing to forget: none is created."""
        if self._finding is not None:
            await self.ask("unregister_ingress", ingress_id)

    async def ask(self, method: str, *arguments: Any, more_s: float = 0.0) -> Any:
        """Call a method of the manager. Raises WorkerLostError when it does not answer."""
        if self._finding is None:
            self._finding = asyncio.create_task(in_thread(_manager, self._namespace))
        finding = self._finding
        try:
            with border("the resource manager"):
                async with asyncio.timeout(CONTROL_DEADLINE_S):
                    manager = await asyncio.shield(finding)
            deadline_s = CONTROL_DEADLINE_S + more_s
            return await call(getattr(manager, method), *arguments, deadline_s=deadline_s)
        except UnknownIngressError:
            raise
        except (WorkerLostError, TimeoutError) as error:
            # Found anew next time, unless the search itself still goes on.
            if finding.done() and self._finding is finding:
                self._finding = None
            raise WorkerLostError(f"the resource manager does not answer: {error}") from None


def _manager(namespace: str) -> Any:
    """Return the manager's actor; create it, beside the head, if there is none."""
    head = next((node["NodeID"] for node in live_nodes() if HEAD_RESOURCE in node["Resources"]), None)
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
