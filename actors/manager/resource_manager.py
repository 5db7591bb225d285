"""Knows the whole fleet: its ingresses, their calls, the workers and who may use them.

Never on the audio path: an asker takes a lease here and does its work with the worker itself. Everything an
ingress has here (calls, requests, leases) lives by its heartbeat. Nothing is stored: an ingress that a new
manager does not know registers with all its calls and leases.

A fleet runs one set of settings. The first live ingress brings them; another with different ones is refused
while the first lives. When the last has been gone for a while the workers are stopped, so that an unused
fleet holds no machine.

Which text-to-speech engines run beside `speech.tts` is what any ingress has named since the workers were
started, up to 16: their settings are in those that all share. None of these is unloaded, and one that may use
a GPU is planned when the workers start, not while they serve: their share of a GPU cannot change.

A speech client uses the workers and has no calls, such as the cluster's HTTP door: it takes leases and has
to send heartbeats as an ingress does, and nothing else follows from it. It brings no settings, no cores are
kept for it on its machine, and workers that only speech clients could use are stopped.

A plain class for one event loop, with the clock and the launcher given to it. All its times are those of a
`RunningClock`: what an ingress sent while the manager was stopped is taken in before it counts as silent.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from actors.errors import (
    ConfigurationError,
    RaymalError,
    UnknownIngressError,
    WorkerLostError,
    described,
)
from actors.fleet.fleet import Fleet, Launcher
from actors.fleet.sizing import INGRESS_LABEL, NodeResources, may_use_gpu, plan
from actors.leases.desk import LeaseDesk
from actors.leases.queue import LOAD
from actors.liveness.running_clock import RunningClock
from actors.machine.use import CpuMeter, memory_percent
from actors.manager.admission import AdmissionBook, SlotUse
from actors.manager.decision_board import DecisionBoard
from actors.manager.lease_accounts import LeaseAccounts
from actors.manager.overload import Overload
from actors.manager.session_book import SessionBook
from actors.messages import (
    MAXIMUM_FURTHER_ENGINES,
    Admission,
    Decision,
    FurtherEngine,
    IngressReport,
    Lease,
    LeaseRequest,
    Level,
    SessionFigures,
    SessionStarted,
    SessionSummary,
    WorkKind,
    WorkOutcome,
    WorkReport,
)
from actors.percentiles import Distribution
from actors.pool.registration import HeldLease, IngressStarted, differences
from actors.settings import AdmissionSettings, SpeechSettings, ThrottleSettings, table_name
from actors.status import DecisionsStatus, FleetStatus, IngressStatus, LevelChange, PoolStatus

logger = logging.getLogger(__name__)

INGRESS_TIMEOUT_S = 4.0
"""An ingress is gone after this long without a heartbeat: three of them missed."""

KEPT_CHANGES = 64
"""Newest changes of level that the status has, over all ingresses."""

DIFFERING_BEATS = 3
"""An ingress whose number of calls differs from ours in so many heartbeats running registers anew."""

HOST_KEPT_S = 600.0
"""A node stays one with an ingress this long after its last is gone: Asterisk still runs there."""

SUCCESSION_S = 5.0
"""A manager that finds workers of another one takes every node for one with an ingress this long: ingresses
that are not registered yet are on their way."""

LINGER_S = 30.0
"""Workers outlive the last ingress this long: a restarted gateway finds its models loaded."""

PLAN_PERIOD_S = 2.0
"""Between two looks at the nodes. Ray offers no subscription; its own Serve polls as well."""

TICK_S = 0.5
"""Between two ticks: askers keep their deadlines themselves, so the book's need not be exact."""


@dataclass(slots=True)
class _Ingress:
    facts: IngressStarted
    heard: float
    differing_beats: int = 0


class ResourceManager:
    """Registers ingresses and calls, lends workers, keeps the books."""

    def __init__(self, launcher: Launcher, clock: Callable[[], float] | None = None) -> None:
        """`clock`: monotonic seconds; a `RunningClock` unless the caller has one."""
        clock = self._clock = clock or RunningClock()
        self._launcher = launcher
        self._desk = LeaseDesk(clock)
        self._desk.on_change = self._note_slots
        self._fleet = Fleet(launcher, self._desk)
        self._ingresses: dict[str, _Ingress] = {}
        self._speech_clients: dict[str, float] = {}
        """When each was last heard."""
        self._changes: deque[tuple[float, LevelChange]] = deque(maxlen=KEPT_CHANGES)
        self._sessions = SessionBook()
        self._admission = AdmissionBook(AdmissionSettings(), self._sessions)
        self._overload = Overload(ThrottleSettings())
        self._board = DecisionBoard()
        self._accounts = LeaseAccounts()
        self._answers = Distribution()
        self._unused_since: float | None = clock()
        self._settings: IngressStarted | None = None
        """Whose settings the fleet runs."""
        self._planning_problem: str | None = None
        self._hosts: dict[str, float] = {}
        """Nodes with an ingress, and when they were last seen to have one."""
        self._are_all_hosts_until: float | None = None
        """None: not known yet, whether there was another manager before."""
        self._has_stopped_leftovers = False
        self._cpu = CpuMeter()
        self._cpu_percent = 0.0
        self._memory_percent = memory_percent()
        self._physical_cores: dict[str, float] = {}
        """Of the nodes that host or hosted an ingress, as it said: Ray counts logical CPUs."""

    # Ingresses

    async def register_ingress(self, ingress: IngressStarted) -> None:
        """Take an ingress in, with all its calls and leases, and plan the fleet for it.

        Repeating it changes nothing. Raises ConfigurationError if another live ingress uses the fleet
        with other settings, or if the settings cannot work on these nodes.
        """
        others = [other for key, other in self._ingresses.items() if key != ingress.ingress_id]
        if others and (lines := differences(others[0].facts, ingress)):
            raise ConfigurationError(
                f"the fleet already serves ingress {others[0].facts.ingress_id!r} with other settings: "
                f"{'; '.join(lines)}. Make them equal, or give this one a ray_namespace of its own"
            )
        late = [it for it in self._new(ingress.engines) if may_use_gpu(ingress.speech, it.name)]
        if others and late:
            raise ConfigurationError(
                f"{late[0].setting} = {late[0].name!r}: it may use a GPU, and the workers that serve ingress "
                f"{others[0].facts.ingress_id!r} already were planned without the engine. Set "
                f"speech.{table_name(late[0].name)}.device to cpu, or start this server before the others"
            )
        now = self._clock()
        self._follow_settings(ingress)
        if not others:
            self._fleet.engines = ()
        self._take_engines(ingress.engines)
        self._ingresses[ingress.ingress_id] = _Ingress(replace(ingress, sessions=(), held=()), now)
        if ingress.physical_cores is not None:
            self._physical_cores[ingress.node_id] = ingress.physical_cores
        self._unused_since = None
        self._sessions.replace(ingress.ingress_id, ingress.sessions, now)
        for held in ingress.held:
            self._desk.adopt(held.request, held.lease)
        self._post(ingress.ingress_id)
        try:
            await self.plan_once()
        except ConfigurationError:
            self._forget(ingress.ingress_id)
            raise
        except Exception:  # the nodes could not be read now: planning goes on trying
            logger.exception("planning for ingress %s failed", ingress.ingress_id)

    async def register_speech_client(self, client_id: str, held: tuple[HeldLease, ...] = ()) -> None:
        """Take in a speech client, with its leases. Repeating it changes nothing."""
        self._speech_clients[client_id] = self._clock()
        for lease in held:
            self._desk.adopt(lease.request, lease.lease)
        self._post(client_id)

    async def unregister_ingress(self, ingress_id: str) -> None:
        """Forget an ingress, with its calls, requests and leases; or a speech client."""
        self._forget(ingress_id)

    async def heartbeat(self, report: IngressReport) -> Decision | None:
        """Keep an ingress alive and take in how it does; returns its decision.

        None: it is not known here, or its calls are not those known here, and it has to register (again).
        """
        ingress_id = report.ingress_id
        if ingress_id in self._speech_clients:
            self._speech_clients[ingress_id] = self._clock()
            self._post(ingress_id)
            return self._board.read(ingress_id)
        ingress = self._ingresses.get(ingress_id)
        if ingress is None:
            return None
        ingress.heard = self._clock()
        self._take_engines(report.engines)
        self._overload.ingress_is(ingress_id, report.signals, ingress.heard)
        for session_id, figures in report.sessions.items():
            self._sessions.update(session_id, figures)
        for answer_ms in report.answer_times_ms:
            self._answers.add(answer_ms)
        differs = report.calls != len(self._sessions.of_ingress(ingress_id))
        ingress.differing_beats = ingress.differing_beats + 1 if differs else 0
        if ingress.differing_beats >= DIFFERING_BEATS:
            return None
        self._post(ingress_id)
        return self._board.read(ingress_id)

    async def watch(self, ingress_id: str, known: tuple[str, int], wait_s: float) -> Decision:
        """Return the ingress's decision as soon as it is not `known`, or after `wait_s`.

        Raises UnknownIngressError, also when the ingress goes meanwhile.
        """
        self._check_known(ingress_id)
        decision = await self._board.wait(ingress_id, known, wait_s)
        self._check_known(ingress_id)
        return decision

    def _check_known(self, ingress_id: str) -> None:
        if ingress_id not in self._ingresses and ingress_id not in self._speech_clients:
            raise UnknownIngressError(f"ingress {ingress_id!r} is not registered with the resource manager")

    def _follow_settings(self, ingress: IngressStarted) -> None:
        """Let the rules be those of `ingress`; all others that live agree with it."""
        old, self._settings = self._settings, ingress
        self._fleet.start_deadline_s = ingress.fleet.worker_start_deadline_s
        self._fleet.scale_down_hold_s = ingress.fleet.scale_down_hold_s
        self._desk.book.queue_limit = ingress.fleet.lease_queue_limit
        self._desk.book.aging_s = ingress.fleet.aging_s
        if old is None or old.throttle != ingress.throttle:
            self._overload = Overload(ingress.throttle)
        if old is None or old.admission != ingress.admission:
            self._admission = AdmissionBook(ingress.admission, self._sessions)

    def _take_engines(self, engines: Iterable[FurtherEngine]) -> None:
        """Have the workers load engines that are new."""
        if new := self._new(engines):
            self._fleet.engines = (*self._fleet.engines, *new)[:MAXIMUM_FURTHER_ENGINES]

    def _new(self, engines: Iterable[FurtherEngine]) -> list[FurtherEngine]:
        known = {engine.name for engine in self._fleet.engines}
        if self._settings is not None:
            known.add(self._settings.speech.tts)
        return [engine for engine in engines if engine.name not in known]

    def _forget(self, ingress_id: str) -> None:
        if self._speech_clients.pop(ingress_id, None) is not None:
            self._desk.drop_ingress(ingress_id)
            self._accounts.drop_ingress(ingress_id)
            self._board.forget(ingress_id)
            return
        if self._ingresses.pop(ingress_id, None) is None:
            return
        self._sessions.replace(ingress_id, (), self._clock())
        self._desk.drop_ingress(ingress_id)
        self._accounts.drop_ingress(ingress_id)
        self._overload.forget(ingress_id)
        self._board.forget(ingress_id)
        if not self._ingresses:
            self._unused_since = self._clock()

    # Calls

    async def admit(self, session: SessionStarted) -> Admission:
        """Decide whether a new call is taken, and register it if so. Raises UnknownIngressError."""
        self._check_known(session.ingress_id)
        level, _ = self._overload.level(session.ingress_id)
        return self._admission.admit(session, level, self._use(), self._clock())

    async def register_session(self, session: SessionStarted) -> None:
        """Take in a call that was admitted before. Repeating it changes nothing. UnknownIngressError."""
        self._check_known(session.ingress_id)
        self._sessions.begin(session, self._clock())

    async def unregister_session(
        self, session_id: str, figures: SessionFigures | None = None
    ) -> SessionSummary | None:
        """Forget a call and return what it used, None if it was unknown."""
        if figures is not None:
            self._sessions.update(session_id, figures)
        return self._sessions.end(session_id, self._clock())

    # Leases

    async def acquire(self, request: LeaseRequest) -> Lease:
        """Return a lease when it is this request's turn. Raises CapacityError or UnknownIngressError."""
        self._check_known(request.ingress_id)
        now = self._clock()
        try:
            return await self._desk.acquire(request)
        finally:
            # As for the slots: what no call asked for is no load.
            if request.priority in LOAD and not request.is_ahead and request.session_id is not None:
                ended = self._clock()
                self._overload.lease_waited((ended - now) * 1000.0, ended)

    async def promote(self, lease_id: str) -> None:
        """Let ahead-of-time work be final from now on. Unknown ids do no harm."""
        self._desk.promote(lease_id)

    async def finish(self, lease_id: str) -> None:
        """Free a lease's slot: its worker says that the work is done. The holder's report comes later."""
        held = self._desk.book.held(lease_id)
        if held is not None:
            self._accounts.finish(*held)
            self._desk.give_back(lease_id, WorkOutcome.DONE)

    async def release(self, report: WorkReport) -> None:
        """End a request, waiting or granted, and enter what its work took. Unknown ids do no harm."""
        lease_id = report.lease_id
        held = self._accounts.take_unreported(lease_id) or self._desk.book.held(lease_id)
        self._desk.give_back(lease_id, report.outcome)
        if held is None:
            return
        request, lease = held
        self._accounts.enter(request, lease, report)
        if request.session_id is not None:
            self._sessions.count(request.session_id, request.kind, report, lease.wait_ms)

    def _use(self) -> Mapping[WorkKind, SlotUse]:
        """Return how full the slots are; workers may have gone since the last lease."""
        self._note_slots()
        return self._overload.use(self._clock())

    def _note_slots(self) -> None:
        now = self._clock()
        for kind in WorkKind:
            counts = self._desk.book.slots(kind)
            # What no call asked for (phrases made ahead of need) is no load: it would keep callers out.
            self._overload.slots_are(kind, counts.total, counts.busy - counts.for_no_call, now)

    # Decisions

    def _post(self, ingress_id: str) -> None:
        """Put what the ingress has to observe on the board."""
        now = self._clock()
        level, reasons = self._overload.level(ingress_id)
        old = self._board.read(ingress_id)
        if level != old.level and ingress_id in self._ingresses:
            self._changes.appendleft((now, LevelChange(ingress_id, old.level, level, reasons, 0.0)))
            what = "up" if level > old.level else "down"
            logger.warning(
                "ingress %s: %s to %s: %s", ingress_id, what, level.name.lower(), "; ".join(reasons) or "calm"
            )
        calls_alone = self._admission.calls_alone(ingress_id, self._use(), now, len(self._ingresses))
        self._board.post(ingress_id, level, reasons, calls_alone)

    # Status

    async def status(self) -> FleetStatus:
        """Return what is known now."""
        problems = self._fleet.problems()
        if self._planning_problem:
            problems = (self._planning_problem, *problems)
        return FleetStatus(
            transcription=self._pool_status(WorkKind.TRANSCRIPTION),
            synthesis=self._pool_status(WorkKind.SYNTHESIS),
            sessions=len(self._sessions),
            ingresses=len(self._ingresses),
            cpu_percent=self._cpu_percent,
            memory_percent=self._memory_percent,
            problems=problems,
            level=self._overload.cluster.level,
            reasons=self._overload.cluster.reasons,
            nodes=self._fleet.node_statuses(),
            engines=() if self._settings is None else self._fleet.engine_statuses(self._settings.speech),
            ingress=tuple(self._ingress_status(ingress) for ingress in self._ingresses.values()),
            admission=self._admission.status(self._use()),
            activities=self._sessions.activities(),
            answer=self._answers.summary(),
        )

    async def sessions(self, after: str, limit: int) -> list[SessionSummary]:
        """Return what calls have used so far: at most `limit`, by id, of those whose ids follow `after`."""
        return self._sessions.page(after, limit, self._clock())

    async def decisions(self) -> DecisionsStatus:
        """Return the decisions that the ingresses follow, and the newest changes of their levels."""
        now = self._clock()
        return DecisionsStatus(
            current={ingress_id: self._board.read(ingress_id) for ingress_id in self._ingresses},
            changes=tuple(replace(change, age_s=now - changed_s) for changed_s, change in self._changes),
        )

    async def speech(self) -> SpeechSettings | None:
        """Return the settings of the workers' engines. None: no ingress has brought any, or all are gone."""
        return self._settings.speech if self._settings is not None else None

    def _ingress_status(self, ingress: _Ingress) -> IngressStatus:
        ingress_id = ingress.facts.ingress_id
        level, reasons = self._overload.level(ingress_id)
        return IngressStatus(
            ingress_id=ingress_id,
            node_id=ingress.facts.node_id,
            sessions=len(self._sessions.of_ingress(ingress_id)),
            level=level,
            reasons=reasons,
            signals=self._overload.signals(ingress_id),
        )

    def _pool_status(self, kind: WorkKind) -> PoolStatus:
        counts = self._desk.book.slots(kind)
        return PoolStatus(
            # With an ingress there is at least one to come, planned yet or not.
            planned=max(self._fleet.plan.count(kind), 1 if self._ingresses else 0),
            ready=self._fleet.ready(kind),
            busy=counts.busy,
            waiting=self._desk.book.waiting(kind),
            tally=self._accounts.tally(kind),
            slots=counts.total,
            lease_wait=self._accounts.waits(kind),
        )

    # Life

    async def run(self) -> None:
        """Plan and tick until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_planning())
            group.create_task(self._keep_ticking())

    async def close(self) -> None:
        """Stop every worker."""
        await self._fleet.stop_all()

    async def plan_once(self) -> None:
        """Look at the nodes and make the fleet follow the plan for them; stop an unused fleet.

        Raises ConfigurationError if the settings cannot work on these nodes.
        """
        if self._unused_since is not None:
            if self._clock() - self._unused_since >= LINGER_S:
                self._unused_since = self._settings = None  # stopped until the next ingress comes
                self._fleet.engines = ()
                await self._fleet.stop_all()
            return
        if self._settings is None:
            return
        found = await self._launcher.nodes()
        if not found:  # there is at least the one that this runs on
            raise WorkerLostError("no node answers")
        if self._are_all_hosts_until is None:
            was_before = bool(await self._launcher.running())
            self._are_all_hosts_until = self._clock() + SUCCESSION_S if was_before else -math.inf
        settings, now = self._settings, self._clock()
        if settings is None or not self._ingresses:  # the last one went meanwhile: nothing is to be started
            return
        cores = self._physical_cores
        nodes = [
            replace(
                node,
                hosts_ingress=self._is_host(node, now),
                physical_cores=cores.get(node.node_id, node.physical_cores),
            )
            for node in found
        ]
        wanted = plan(nodes, settings.fleet, settings.speech, self._fleet.engines)
        self._fleet.follow(wanted, nodes, settings.speech, now)
        if not self._has_stopped_leftovers and now >= self._are_all_hosts_until:
            self._has_stopped_leftovers = True
            await self._fleet.stop_leftovers()
        if wanted.impossible:  # the rest of the fleet goes on
            raise ConfigurationError(wanted.impossible[0])

    def _is_host(self, node: NodeResources, now: float) -> bool:
        """Whether cores of the node are kept for Asterisk and an ingress, present or lately gone."""
        if any(ingress.facts.node_id == node.node_id for ingress in self._ingresses.values()):
            self._hosts[node.node_id] = now
        seen = self._hosts.get(node.node_id, -math.inf)
        is_unsure = self._are_all_hosts_until is not None and now < self._are_all_hosts_until
        return node.labels.get(INGRESS_LABEL) == "yes" or now - seen < HOST_KEPT_S or is_unsure

    def tick(self) -> None:
        """Do what has become due: drop silent ingresses, end overdue requests, look at the load."""
        now = self._clock()
        for ingress_id, ingress in list(self._ingresses.items()):
            if now - ingress.heard > INGRESS_TIMEOUT_S:
                logger.warning("ingress %s is gone: no heartbeat for %g s", ingress_id, INGRESS_TIMEOUT_S)
                self._forget(ingress_id)
        for client_id, heard in list(self._speech_clients.items()):
            if now - heard > INGRESS_TIMEOUT_S:
                logger.warning("%s is gone: no heartbeat for %g s", client_id, INGRESS_TIMEOUT_S)
                self._forget(client_id)
        self._desk.expire()
        self._fleet.stop_retired()
        self._fleet.prepare_idle(now)
        self._fleet.check_idle(now)
        self._cpu_percent = self._cpu.percent()
        self._memory_percent = memory_percent()
        self._note_slots()
        self._overload.step(1000.0 * self._desk.book.longest_wait_s(now), now)
        self._desk.hold_background(self._overload.cluster.level >= Level.LOADED)
        for ingress_id in (*self._ingresses, *self._speech_clients):
            self._post(ingress_id)

    async def _keep_planning(self) -> None:
        while True:
            try:
                await self.plan_once()
                self._planning_problem = None
            except RaymalError as error:
                self._planning_problem = f"planning: {described(error)}"
            except Exception as error:  # the fleet goes on as it is
                logger.exception("planning failed")
                self._planning_problem = f"planning: {type(error).__name__}: see the manager's log"
            await asyncio.sleep(PLAN_PERIOD_S)

    async def _keep_ticking(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_S)
