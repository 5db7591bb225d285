"""The life of every worker. What a worker does now is kept here and nowhere else.

| state | the worker | then |
|---|---|---|
| starting | is new, or was lost: it has to show that it has its model and is idle | serving |
| serving | is lent by the lease book | any other |
| checking | may be busy with what no one waits for, or hang; ready, but not lent until seen idle | serving |
| preparing | loads further engines; ready, but not lent meanwhile if another one is free | serving |
| retiring | gets no new lease, finishes those that are out, and stops | checking, if wanted again |

A serving worker that is idle and does not answer any more is no longer lent either: it is *starting* if it is
dead, *checking* if it is only silent (`actors.fleet.idle_checks`).

One idempotent step leads to *serving*: `Launcher.ensure`. If it fails or takes too long, the worker is
stopped and tried again after a pause that doubles; the reason stands in `problems` until it works.

A synthesis worker serves with `speech.tts` first. The further engines that extensions name are loaded by
one idle worker of each node after the other, so that the others go on; until then a request for one makes
its worker load it. One that cannot be loaded is a problem of the fleet; the worker serves on with the rest.

Which workers should exist is always derived anew (plan -> worker ids). Workers come at once and go slowly:

| a worker that the plan no longer wants | |
|---|---|
| could serve on | goes on for `scale_down_hold_s`, since resources come and go; then it retires |
| its node is being drained, or its settings are not the fleet's | retires at once |
| its node is gone | is forgotten at once, so that its leases end and their holders try elsewhere |
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol

from actors.errors import RaymalError, described
from actors.fleet.idle_checks import IdleChecks
from actors.fleet.sizing import FleetPlan, NodeResources, WorkerGroup
from actors.leases.book import Doubted
from actors.leases.desk import LeaseDesk
from actors.liveness.running_clock import within
from actors.messages import FurtherEngine, WorkKind
from actors.settings import SpeechSettings
from actors.status import EngineStatus, GroupStatus, NodeStatus

logger = logging.getLogger(__name__)

CHECK_DEADLINE_S = 30.0
"""A worker in doubt that is not idle by then is replaced: it hangs, or restarts too slowly."""

PREPARE_AGAIN_S = 300.0
"""Until a worker tries again to load engines that it could not load: what is missing may come."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
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

    async def ensure(self, spec: WorkerSpec) -> Any:
        """Return the worker itself, as leases carry it, once it exists, has loaded its model and is idle.

        Raises EngineError or ConfigurationError if it cannot load, WorkerLostError if it died, CapacityError
        if its node has no room.
        """

    async def prepare(self, worker: Any, engines: Sequence[FurtherEngine]) -> Mapping[str, str]:
        """Have a synthesis worker, as `ensure` returned it, load engines beside `speech.tts`.

        Returns for each that cannot be used the reason. Raises WorkerLostError if the worker died.
        """

    async def check(self, worker: Any) -> None:
        """Return once a worker, as `ensure` returned it, answers; also while it works.

        Raises WorkerLostError if it is dead. It need not come back from one that hangs.
        """

    async def stop(self, worker_id: str) -> None:
        """Stop a worker, also while it works. Does nothing if there is none. Bounded in time."""

    async def running(self) -> Collection[str]:
        """Return the ids of all workers there are, those of an earlier manager among them."""


class WorkerState(Enum):
    """What a worker does now: see the table of the module."""

    STARTING = "starting"
    SERVING = "serving"
    CHECKING = "checking"
    PREPARING = "preparing"
    RETIRING = "retiring"


@dataclass(slots=True)
class _Member:
    """A worker that is wanted, or was until lately."""

    spec: WorkerSpec
    state: WorkerState = WorkerState.STARTING
    task: asyncio.Task[None] | None = None
    """Leads the worker to *serving*."""
    worker: Any = None
    """What leases carry; None until it has served for the first time."""
    problem: str | None = None
    engines: tuple[FurtherEngine, ...] = ()
    """Those that it has loaded, or tried to, beside `speech.tts`."""
    engine_problems: Mapping[str, str] = field(default_factory=dict)
    """Those of them that cannot be used, and why."""
    prepared_s: float = 0.0
    """When it last began to load engines."""
    unwanted_since: float | None = None


@dataclass(slots=True)
class Fleet:
    """Keeps the workers of a plan serving at a lease desk."""

    launcher: Launcher
    desk: LeaseDesk
    start_deadline_s: float = 120.0
    scale_down_hold_s: float = 30.0
    """Workers that the plan no longer wants stay this long."""
    plan: FleetPlan = field(default_factory=FleetPlan)
    engines: tuple[FurtherEngine, ...] = ()
    """That every synthesis worker is to have beside `speech.tts`."""
    _nodes: tuple[NodeResources, ...] = ()
    _members: dict[str, _Member] = field(default_factory=dict)
    _stopping: set[asyncio.Task[None]] = field(default_factory=set)
    _checks: IdleChecks = field(init=False)

    def __post_init__(self) -> None:
        self.desk.on_doubt = self._doubt
        self._checks = IdleChecks(self.launcher.check)

    def follow(
        self, plan: FleetPlan, nodes: Sequence[NodeResources], speech: SpeechSettings, now: float = 0.0
    ) -> None:
        """Start what `plan` wants and is missing on `nodes`, retire what it does not want."""
        self.plan, self._nodes = plan, tuple(nodes)
        wanted = {spec.worker_id: spec for spec in worker_specs(plan, speech)}
        unpromised_cpus = {node.node_id: node.cpus for node in nodes}
        for worker_id, member in list(self._members.items()):
            if member.spec.node_id not in unpromised_cpus:
                self._stop(worker_id)
                continue
            unpromised_cpus[member.spec.node_id] -= member.spec.cpus
            if worker_id not in wanted:
                self._retire(member, speech, now)
                continue
            member.unwanted_since = None
            if member.state is WorkerState.RETIRING:
                self._bring_up(member, WorkerState.CHECKING, CHECK_DEADLINE_S)
        for worker_id, spec in wanted.items():
            if worker_id not in self._members:
                # Older workers keep the share they were started with: a newcomer takes what is left.
                cpus = min(spec.cpus, max(0.0, unpromised_cpus[spec.node_id]))
                unpromised_cpus[spec.node_id] -= cpus
                member = self._members[worker_id] = _Member(replace(spec, cpus=cpus))
                self._bring_up(member, WorkerState.STARTING, self.start_deadline_s)

    def stop_retired(self) -> None:
        """Stop the retiring workers whose last lease has ended."""
        for worker_id, member in list(self._members.items()):
            if member.state is WorkerState.RETIRING and not self.desk.book.is_used(worker_id):
                self._stop(worker_id)

    def prepare_idle(self, now: float) -> None:
        """Have one idle synthesis worker of each node load the engines that it does not have yet."""
        at_it = {it.spec.node_id for it in self._members.values() if it.state is WorkerState.PREPARING}
        for worker_id, member in self._members.items():
            if (
                member.state is WorkerState.SERVING
                and member.spec.kind is WorkKind.SYNTHESIS
                and self._lacks_engines(member, now)
                and member.spec.node_id not in at_it
                and not self.desk.book.is_used(worker_id)
            ):
                at_it.add(member.spec.node_id)
                member.prepared_s = now
                slots = self.desk.book.slots(WorkKind.SYNTHESIS)
                if (
                    slots.total - slots.busy > member.spec.slots
                ):  # else requests wait for it, and not for none
                    self.desk.book.rest(worker_id)
                self._bring_up(member, WorkerState.PREPARING, self.start_deadline_s)

    def _lacks_engines(self, member: _Member, now: float) -> bool:
        is_to_try_again = bool(member.engine_problems) and now - member.prepared_s >= PREPARE_AGAIN_S
        return member.engines != self.engines or is_to_try_again

    def check_idle(self, now: float) -> None:
        """See that the idle workers are there. To be called about twice a second, with running time."""
        idle = {
            worker_id: member.worker
            for worker_id, member in self._members.items()
            if member.state is WorkerState.SERVING and not self.desk.book.is_used(worker_id)
        }
        for worker_id, is_dead in self._checks.step(idle, now):
            logger.warning("worker %s %s", worker_id, "is dead" if is_dead else "does not answer")
            self.desk.doubt(worker_id, is_dead)

    async def stop_leftovers(self) -> None:
        """Stop workers that an earlier manager left behind and this plan does not want."""
        for worker_id in await self.launcher.running():
            if worker_id not in self._members:
                await self.launcher.stop(worker_id)

    async def stop_all(self) -> None:
        """Stop every worker, known or left behind."""
        for worker_id in list(self._members):
            self._stop(worker_id)
        self.plan, self._nodes = FleetPlan(), ()
        await self.stop_leftovers()
        if self._stopping:
            await asyncio.wait(self._stopping)

    def ready(self, kind: WorkKind) -> int:
        """Return how many workers of a kind have their model loaded and answer."""
        return sum(_is_ready(it) for it in self._members.values() if it.spec.kind is kind)

    def problems(self) -> tuple[str, ...]:
        """Return one line for each thing the plan could not do, and each reason why workers do not work."""
        alike: dict[str, list[str]] = defaultdict(list)
        for worker_id, member in self._members.items():
            if member.problem:
                alike[member.problem].append(worker_id)
            for problem in member.engine_problems.values():
                alike[problem].append(worker_id)
        workers = (f"{_and_more(workers)}: {problem}" for problem, workers in alike.items())
        return (*self.plan.problems, *workers)

    def engine_statuses(self, speech: SpeechSettings) -> tuple[EngineStatus, ...]:
        """Return the text-to-speech engines, `speech.tts` first, and how many workers have each."""
        ready = [it for it in self._members.values() if it.spec.kind is WorkKind.SYNTHESIS and _is_ready(it)]
        loading = sum(it.state is WorkerState.PREPARING for it in ready)
        further = (
            EngineStatus(
                name=engine.name,
                workers=len(ready),
                ready=sum(engine in it.engines and engine.name not in it.engine_problems for it in ready),
                loading=loading,
                problem=next(
                    (it.engine_problems[engine.name] for it in ready if engine.name in it.engine_problems),
                    None,
                ),
            )
            for engine in self.engines
        )
        return (EngineStatus(name=speech.tts, workers=len(ready), ready=len(ready)), *further)

    def node_statuses(self) -> tuple[NodeStatus, ...]:
        """Return every node with what is planned for it and what is there."""
        planned = {(group.node_id, group.kind): group for group in self.plan.groups}
        members: dict[tuple[str, WorkKind], list[_Member]] = defaultdict(list)
        for member in self._members.values():
            members[member.spec.node_id, member.spec.kind].append(member)
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
                    self._group_status(planned.get((node.node_id, kind)), members[node.node_id, kind], node)
                    for kind in WorkKind
                    if (node.node_id, kind) in planned or members[node.node_id, kind]
                ),
            )
            for node in self._nodes
        )

    def _group_status(
        self, planned: WorkerGroup | None, members: Sequence[_Member], node: NodeResources
    ) -> GroupStatus:
        leaving = "the node is being drained" if node.is_draining else "not planned any more"
        shape = planned or members[0].spec
        slots = [self.desk.book.worker_slots(member.spec.worker_id) for member in members]
        return GroupStatus(
            kind=shape.kind,
            planned=planned.count if planned else 0,
            ready=sum(_is_ready(member) for member in members),
            busy=sum(counts.busy for counts in slots),
            slots=sum(counts.total for counts in slots),
            cpus=shape.cpus,
            gpus=shape.gpus,
            threads=shape.threads,
            reason=planned.reason if planned else leaving,
        )

    def _doubt(self, doubted: Doubted) -> None:
        """Look at a worker that served until now. One that does not is looked at already, or stops."""
        member = self._members.get(doubted.worker_id)
        if member is not None and member.state in (WorkerState.SERVING, WorkerState.CHECKING):
            state = WorkerState.STARTING if doubted.is_lost else WorkerState.CHECKING
            if doubted.is_lost:
                member.engines, member.engine_problems = (), {}
            # A dead worker has to load its model again.
            self._bring_up(member, state, self.start_deadline_s if doubted.is_lost else CHECK_DEADLINE_S)

    def _retire(self, member: _Member, speech: SpeechSettings, now: float) -> None:
        """Retire a worker that the plan does not want, unless it may serve on for a while."""
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
        member.state = WorkerState.RETIRING
        self.desk.book.rest(spec.worker_id)
        if member.task is not None:  # it would be lent again when that is done
            member.task.cancel()
            member.task = None
        if not self.desk.book.is_used(spec.worker_id):
            self._stop(spec.worker_id)

    def _stop(self, worker_id: str) -> None:
        member = self._members.pop(worker_id)
        self.desk.book.remove_worker(worker_id)
        if member.task is not None:
            member.task.cancel()
        stopping = asyncio.create_task(self.launcher.stop(worker_id), name=f"stop {worker_id}")
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    def _bring_up(self, member: _Member, state: WorkerState, deadline_s: float) -> None:
        member.state = state
        if member.task is None:
            member.task = asyncio.create_task(
                self._until_it_serves(member, deadline_s), name=f"worker {member.spec.worker_id}"
            )

    async def _prepare(self, member: _Member, worker: Any) -> None:
        """Have a worker load the further engines. If it hangs or dies, its successor tries later."""
        engines = self.engines
        names = [engine.name for engine in engines]
        problems: Mapping[str, str] = dict.fromkeys(names, f"its engines did not load: {', '.join(names)}")
        try:
            problems = await self.launcher.prepare(worker, engines)
        finally:
            member.engines, member.engine_problems = engines, problems

    async def _until_it_serves(self, member: _Member, deadline_s: float) -> None:
        spec, pause_s = member.spec, FIRST_PAUSE_S
        while True:
            try:
                worker = await within(deadline_s, self.launcher.ensure(spec))
                if member.state is WorkerState.PREPARING:
                    await within(deadline_s, self._prepare(member, worker))
            except TimeoutError:
                member.problem = f"not ready after {deadline_s:g} s on node {spec.node_id}"
            except RaymalError as error:
                member.problem = described(error).partition("\n")[0]
            except Exception as error:
                logger.exception("worker %s", spec.worker_id)
                member.problem = f"{type(error).__name__} while it was started"
            else:
                break
            logger.warning("worker %s: %s; next attempt in %g s", spec.worker_id, member.problem, pause_s)
            member.state = WorkerState.STARTING
            self.desk.book.remove_worker(spec.worker_id)
            await self.launcher.stop(spec.worker_id)
            await asyncio.sleep(pause_s)
            pause_s, deadline_s = min(2 * pause_s, LONGEST_PAUSE_S), self.start_deadline_s
        member.state, member.problem, member.task = WorkerState.SERVING, None, None
        member.worker = worker
        self.desk.lend(spec.worker_id, spec.kind, spec.slots, worker)


def _and_more(workers: Sequence[str]) -> str:
    return workers[0] if len(workers) == 1 else f"{workers[0]} and {len(workers) - 1} more"


def _is_ready(member: _Member) -> bool:
    return member.state is not WorkerState.STARTING


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
