"""The life of every worker: wanted by the plan, brought up, checked after trouble, stopped.

One idempotent step does most of it. `Launcher.ensure` makes sure that a worker exists, has loaded its
model and is idle. It starts a new worker, adopts one that an earlier manager left behind, and proves
that a suspended one is idle again. If it fails or takes too long, the worker is stopped and tried again
after a pause that doubles; the reason stands in `problems` until it works.

Which workers should exist is always derived anew (plan -> worker ids). An id carries the node, a number and a
digest of the settings, the slots and the share of a GPU: another count leaves the others' ids alone, other
settings mean other workers.

Up at once, down slowly. A worker that the plan no longer wants goes on for `scale_down_hold_s`, since
resources come and go; then it is retired: it gets no new lease, finishes what is out, and stops. One that
could not serve on anyway (its node is being drained, its settings are not the fleet's) is retired at once,
and one whose node is gone is forgotten at once, so that its leases end and their holders try elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from actors.errors import RaymalError
from actors.fleet.sizing import FleetPlan, NodeResources, WorkerGroup
from actors.leases.book import SlotState
from actors.leases.desk import LeaseDesk
from actors.messages import WorkKind
from actors.settings import SpeechSettings
from actors.status import GroupStatus, NodeStatus

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
    slots: int = 1
    """Requests that it serves at a time."""


class Launcher(Protocol):
    """How workers are started and reached: threads of this process, or actors of a cluster."""

    async def nodes(self) -> Sequence[NodeResources]:
        """Return the machines that are there now, those that are being drained among them."""

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
    """A worker that is wanted, or was until lately; `upbringing` runs while it does not serve."""

    spec: WorkerSpec
    upbringing: asyncio.Task[None] | None = None
    problem: str | None = None
    unwanted_since: float | None = None
    is_retiring: bool = False
    """It gets no new lease, and stops when none is out."""


@dataclass(slots=True)
class Fleet:
    """Keeps the workers of a plan serving at a lease desk."""

    launcher: Launcher
    desk: LeaseDesk
    start_deadline_s: float = 120.0
    first_pause_s: float = 1.0
    """Before the second attempt to start a worker."""
    scale_down_hold_s: float = 30.0
    """Workers that the plan no longer wants stay this long."""
    plan: FleetPlan = field(default_factory=FleetPlan)
    _nodes: tuple[NodeResources, ...] = ()
    _members: dict[str, _Member] = field(default_factory=dict)
    _stopping: set[asyncio.Task[None]] = field(default_factory=set)

    def follow(
        self, plan: FleetPlan, nodes: Sequence[NodeResources], speech: SpeechSettings, now: float = 0.0
    ) -> None:
        """Start what `plan` wants and is missing on `nodes`, let go what it does not want."""
        self.plan, self._nodes = plan, tuple(nodes)
        wanted = {spec.worker_id: spec for spec in worker_specs(plan, speech)}
        unpromised_cpus = {node.node_id: node.cpus for node in nodes}
        for worker_id, member in list(self._members.items()):
            if member.spec.node_id not in unpromised_cpus:
                self._dismiss(worker_id)
                continue
            unpromised_cpus[member.spec.node_id] -= member.spec.cpus
            if worker_id in wanted:
                self._want_again(member)
            else:
                self._let_go(member, speech, now)
        for worker_id, spec in wanted.items():
            if worker_id not in self._members:
                # Older workers keep the share they were started with: a newcomer takes what is left.
                cpus = min(spec.cpus, max(0.0, unpromised_cpus[spec.node_id]))
                unpromised_cpus[spec.node_id] -= cpus
                member = self._members[worker_id] = _Member(replace(spec, cpus=cpus))
                self._bring_up(member, self.start_deadline_s)

    def check_suspended(self) -> None:
        """Begin to check every suspended worker that nobody checks yet; stop those that have retired."""
        for worker_id in self.desk.book.suspended():
            member = self._members.get(worker_id)
            if member is None or member.upbringing is not None:
                continue
            if member.is_retiring:
                self._stop_if_idle(member)
            else:
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
        self.plan, self._nodes = FleetPlan(), ()
        await self.dismiss_strangers()
        if self._stopping:
            await asyncio.wait(self._stopping)

    def problems(self) -> tuple[str, ...]:
        """Return one line for each thing the plan could not do, and each worker that does not work."""
        workers = (
            f"{worker_id}: {member.problem}" for worker_id, member in self._members.items() if member.problem
        )
        return (*self.plan.problems, *workers)

    def node_statuses(self) -> tuple[NodeStatus, ...]:
        """Return every node with what is planned for it and what is there."""
        planned = {(group.node_id, group.kind): group for group in self.plan.groups}
        specs: dict[tuple[str, WorkKind], list[WorkerSpec]] = defaultdict(list)
        for member in self._members.values():
            specs[member.spec.node_id, member.spec.kind].append(member.spec)
        return tuple(
            NodeStatus(
                node_id=node.node_id,
                address=node.address,
                cpus=node.cpus,
                memory_bytes=node.memory_bytes,
                gpus=node.gpus,
                labels=dict(node.labels),
                hosts_ingress=node.hosts_ingress,
                is_draining=node.is_draining,
                groups=tuple(
                    self._group_status(planned.get((node.node_id, kind)), specs[node.node_id, kind], node)
                    for kind in WorkKind
                    if (node.node_id, kind) in planned or specs[node.node_id, kind]
                ),
            )
            for node in self._nodes
        )

    def _group_status(
        self, planned: WorkerGroup | None, specs: Sequence[WorkerSpec], node: NodeResources
    ) -> GroupStatus:
        leaving = "the node is being drained" if node.is_draining else "not planned any more"
        shape = planned or specs[0]
        states = [self.desk.book.state(spec.worker_id) for spec in specs]
        slots = [self.desk.book.worker_slots(spec.worker_id) for spec in specs]
        return GroupStatus(
            kind=shape.kind,
            planned=planned.count if planned else 0,
            ready=sum(state not in (None, SlotState.QUARANTINED) for state in states),
            busy=sum(counts.busy for counts in slots),
            slots=sum(counts.total for counts in slots),
            cpus=shape.cpus,
            gpus=shape.gpus,
            threads=shape.threads,
            reason=planned.reason if planned else leaving,
        )

    def _want_again(self, member: _Member) -> None:
        member.unwanted_since = None
        if member.is_retiring:
            member.is_retiring = False
            spec = member.spec
            if spec.worker_id not in self.desk.book.suspended():  # those are checked first
                self.desk.admit(spec.worker_id, spec.kind, spec.slots)

    def _let_go(self, member: _Member, speech: SpeechSettings, now: float) -> None:
        """Retire the worker, unless it may serve on for a while."""
        if member.unwanted_since is None:
            member.unwanted_since = now
        spec = member.spec
        is_leaving = any(node.is_draining for node in self._nodes if node.node_id == spec.node_id)
        alike = (
            group for group in self.plan.groups if (group.node_id, group.kind) == (spec.node_id, spec.kind)
        )
        group = next(alike, None)
        # Another shape would stand in the way of those that have the right one.
        is_alike = spec.speech == speech and (group is None or _shape(group) == _shape(spec))
        if is_alike and not is_leaving and now - member.unwanted_since < self.scale_down_hold_s:
            return
        if not member.is_retiring:
            member.is_retiring = True
            self.desk.book.retire(spec.worker_id)
            if member.upbringing is not None:  # it would be lent again when that is done
                member.upbringing.cancel()
                member.upbringing = None
        self._stop_if_idle(member)

    def _stop_if_idle(self, member: _Member) -> None:
        if self.desk.book.state(member.spec.worker_id) is not SlotState.BUSY:
            self._dismiss(member.spec.worker_id)

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
        self.desk.admit(spec.worker_id, spec.kind, spec.slots)


def worker_specs(plan: FleetPlan, speech: SpeechSettings) -> list[WorkerSpec]:
    """Return every worker of a plan, with the id it has as long as plan and settings want it."""
    settings = speech.model_dump_json()
    return [
        WorkerSpec(
            worker_id=f"{PREFIXES[group.kind]}-{_digest(settings, group)}-{group.node_id[:12]}-{index}",
            kind=group.kind,
            node_id=group.node_id,
            cpus=group.cpus,
            gpus=group.gpus,
            threads=group.threads,
            speech=speech,
            slots=group.slots,
        )
        for group in plan.groups
        for index in range(group.count)
    ]


def _digest(settings: str, group: WorkerGroup) -> str:
    return hashlib.sha256(f"{settings} {_shape(group)}".encode()).hexdigest()[:8]


def _shape(worker: WorkerGroup | WorkerSpec) -> tuple[int, float]:
    """What cannot be changed in a worker that runs."""
    return worker.slots, worker.gpus
