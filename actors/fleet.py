"""The life of every worker: wanted by the plan, brought up, checked after trouble, stopped.

One idempotent step does most of it. `Launcher.ensure` makes sure that a worker exists, has loaded its
model and is idle. It starts a new worker, adopts one that an earlier manager left behind, and proves
that a suspended one is idle again. If it fails or takes too long, the worker is stopped and tried again
after a pause that doubles; the reason stands in `problems` until it works.

Which workers should exist is always derived anew (plan -> worker ids); an id carries a digest of the
settings, so other settings mean other workers, and the old ones are retired like any that are not
wanted: they finish the lease that is out, then stop.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from actors.errors import RaymalError
from actors.lease_desk import LeaseDesk
from actors.leases import SlotState
from actors.messages import WorkKind
from actors.settings import SpeechSettings
from actors.sizing import FleetPlan, NodeResources

logger = logging.getLogger(__name__)

CHECK_DEADLINE_S = 30.0
"""A suspended worker that is not idle by then is replaced: it hangs, or restarts too slowly."""

LONGEST_PAUSE_S = 60.0
"""Between two attempts to start a worker that fails."""

PREFIXES = {WorkKind.TRANSCRIPTION: "raymal-stt", WorkKind.SYNTHESIS: "raymal-tts"}


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One worker that should exist."""

    worker_id: str
    kind: WorkKind
    node_id: str
    cpus: float
    gpus: float
    threads: int
    speech: SpeechSettings


class Launcher(Protocol):
    """How workers are started and reached: threads of this process, or actors of a cluster."""

    async def nodes(self) -> Sequence[NodeResources]:
        """Return the machines that are there now."""

    async def ensure(self, spec: WorkerSpec) -> None:
        """Return once the worker exists, has loaded its model and is idle.

        Raises EngineError or ConfigurationError if it cannot load, WorkerLostError if it died.
        """

    async def stop(self, worker_id: str) -> None:
        """Stop a worker, whatever it does. Does nothing if there is none. Bounded in time."""

    async def running(self) -> Collection[str]:
        """Return the ids of all workers there are, those of an earlier manager among them."""


@dataclass(slots=True)
class _Member:
    """A wanted worker; `upbringing` runs while it does not serve."""

    spec: WorkerSpec
    upbringing: asyncio.Task[None] | None = None
    problem: str | None = None


@dataclass(slots=True)
class Fleet:
    """Keeps the workers of a plan serving at a lease desk."""

    launcher: Launcher
    desk: LeaseDesk
    start_deadline_s: float = 120.0
    first_pause_s: float = 1.0
    """Before the second attempt to start a worker."""
    plan: FleetPlan = field(default_factory=FleetPlan)
    _members: dict[str, _Member] = field(default_factory=dict)
    _stopping: set[asyncio.Task[None]] = field(default_factory=set)

    def follow(self, plan: FleetPlan, nodes: Sequence[NodeResources], speech: SpeechSettings) -> None:
        """Start what `plan` wants and is missing on `nodes`, retire what it does not want."""
        self.plan = plan
        wanted = {spec.worker_id: spec for spec in worker_specs(plan, speech)}
        unpromised_cpus = {node.node_id: node.cpus for node in nodes}
        for worker_id, member in list(self._members.items()):
            node_is_gone = member.spec.node_id not in unpromised_cpus
            if worker_id not in wanted:
                self.desk.book.retire(worker_id)
                if node_is_gone or self.desk.book.state(worker_id) is not SlotState.BUSY:
                    self._dismiss(worker_id)
            if not node_is_gone:
                unpromised_cpus[member.spec.node_id] -= member.spec.cpus
        for worker_id, spec in wanted.items():
            if worker_id not in self._members:
                # Older workers keep the share they were started with: a newcomer takes what is left.
                cpus = min(spec.cpus, max(0.0, unpromised_cpus[spec.node_id]))
                unpromised_cpus[spec.node_id] -= cpus
                member = self._members[worker_id] = _Member(replace(spec, cpus=cpus))
                self._bring_up(member, self.start_deadline_s)

    def check_suspended(self) -> None:
        """Begin to check every suspended worker that nobody checks yet."""
        for worker_id in self.desk.book.suspended():
            member = self._members.get(worker_id)
            if member is not None and member.upbringing is None:
                self._bring_up(member, CHECK_DEADLINE_S)

    async def dismiss_strangers(self) -> None:
        """Stop workers that an earlier manager left behind and this plan does not want."""
        for worker_id in await self.launcher.running():
            if worker_id not in self._members:
                await self.launcher.stop(worker_id)

    async def dismiss_all(self) -> None:
        """Stop every worker, known or left behind."""
        for worker_id in list(self._members):
            self._dismiss(worker_id)
        self.plan = FleetPlan()
        await self.dismiss_strangers()
        if self._stopping:
            await asyncio.wait(self._stopping)

    def problems(self) -> tuple[str, ...]:
        """Return one line for each worker that could not be started or kept."""
        return tuple(
            f"{worker_id}: {member.problem}" for worker_id, member in self._members.items() if member.problem
        )

    def _dismiss(self, worker_id: str) -> None:
        member = self._members.pop(worker_id)
        self.desk.book.remove_worker(worker_id)
        if member.upbringing is not None:
            member.upbringing.cancel()
        stopping = asyncio.create_task(self.launcher.stop(worker_id), name=f"stop {worker_id}")
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    def _bring_up(self, member: _Member, deadline_s: float) -> None:
        member.upbringing = asyncio.create_task(
            self._until_it_serves(member, deadline_s), name=f"bring up {member.spec.worker_id}"
        )

    async def _until_it_serves(self, member: _Member, deadline_s: float) -> None:
        spec, pause_s = member.spec, self.first_pause_s
        while True:
            try:
                async with asyncio.timeout(deadline_s):
                    await self.launcher.ensure(spec)
            except TimeoutError:
                member.problem = f"not ready after {deadline_s:g} s on node {spec.node_id}"
            except RaymalError as error:
                member.problem = str(error).partition("\n")[0]
            except Exception as error:
                logger.exception("worker %s", spec.worker_id)
                member.problem = f"{type(error).__name__} while it was brought up"
            else:
                break
            logger.warning("worker %s: %s; next attempt in %g s", spec.worker_id, member.problem, pause_s)
            self.desk.book.remove_worker(spec.worker_id)
            await self.launcher.stop(spec.worker_id)
            await asyncio.sleep(pause_s)
            pause_s, deadline_s = min(2 * pause_s, LONGEST_PAUSE_S), self.start_deadline_s
        member.problem, member.upbringing = None, None
        self.desk.admit(spec.worker_id, spec.kind)


def worker_specs(plan: FleetPlan, speech: SpeechSettings) -> list[WorkerSpec]:
    """Return every worker of a plan, with the id it has as long as plan and settings want it."""
    digest = hashlib.sha256(speech.model_dump_json().encode()).hexdigest()[:8]
    return [
        WorkerSpec(
            worker_id=f"{PREFIXES[group.kind]}-{digest}-{group.node_id[:12]}-{index}",
            kind=group.kind,
            node_id=group.node_id,
            cpus=group.cpus,
            gpus=group.gpus,
            threads=group.threads,
            speech=speech,
        )
        for group in plan.groups
        for index in range(group.count)
    ]
