"""The resource manager as a detached, named actor, and the way to it.

Found or created by name, beside the head; asked with deadlines. It uses no concurrency groups: one loop for
its plain class. Its queue is bounded, so waiting requests cannot fill its room for calls.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.cluster.connection import CONTROL_DEADLINE_S, MANAGER_NAME, border, call, live_nodes
from actors.cluster.launcher import RayLauncher
from actors.errors import UnknownIngressError, WorkerLostError
from actors.manager.resource_manager import ResourceManager
from actors.messages import (
    Admission,
    Decision,
    IngressReport,
    Lease,
    LeaseRequest,
    SessionFigures,
    SessionStarted,
    SessionSummary,
    WorkReport,
)
from actors.pool.registration import IngressStarted
from actors.status import FleetStatus

logger = logging.getLogger(__name__)

MANAGER_CALLS = 4_000
"""Calls the manager may hold at once: far more than its queues of waiting requests."""

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

    async def heartbeat(self, report: IngressReport) -> Decision | None:
        """See `ResourceManager`."""
        decision: Decision | None = await self._ask("heartbeat", report)
        return decision

    async def watch(self, ingress_id: str, known: tuple[str, int], wait_s: float) -> Decision:
        """See `ResourceManager`."""
        decision: Decision = await self._ask("watch", ingress_id, known, wait_s, more_s=wait_s)
        return decision

    async def admit(self, session: SessionStarted) -> Admission:
        """See `ResourceManager`."""
        admission: Admission = await self._ask("admit", session)
        return admission

    async def register_session(self, session: SessionStarted) -> None:
        """See `ResourceManager`."""
        await self._ask("register_session", session)

    async def unregister_session(
        self, session_id: str, figures: SessionFigures | None
    ) -> SessionSummary | None:
        """See `ResourceManager`."""
        summary: SessionSummary | None = await self._ask("unregister_session", session_id, figures)
        return summary

    async def acquire(self, request: LeaseRequest) -> Lease:
        """See `ResourceManager`. Answers as late as the request is willing to wait."""
        lease: Lease = await self._ask("acquire", request, more_s=request.wait_s)
        return lease

    async def promote(self, lease_id: str) -> None:
        """See `ResourceManager`."""
        await self._ask("promote", lease_id)

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
