"""The one who knows the whole fleet: its ingresses, their calls, the workers and who may use them.

Never on the audio path. An asker takes a lease here, does its work with the worker itself, and gives the
lease back with a report. Everything an ingress has here (its calls, requests and leases) lives by its
heartbeat; an ingress that this manager does not know, because the manager is new, is told so and
registers again with all its calls, so nothing has to be stored.

A fleet runs one set of speech settings. The first live ingress brings them; another that wants different
ones is refused while the first lives. When the last has been gone for a while the workers are stopped, so
that a cluster is not held by nobody.

A plain class for one event loop, with the clock and the launcher given to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import psutil

from actors.errors import ConfigurationError, RaymalError, WorkerLostError
from actors.fleet import Fleet, Launcher
from actors.lease_desk import LeaseDesk
from actors.leases import SlotState
from actors.messages import (
    FleetStatus,
    Lease,
    LeaseRequest,
    PoolStatus,
    SessionStarted,
    SessionSummary,
    WorkKind,
    WorkReport,
    WorkTally,
)
from actors.settings import FleetSettings, SpeechSettings
from actors.sizing import plan

logger = logging.getLogger(__name__)

INGRESS_TIMEOUT_S = 15.0
"""An ingress is gone after this long without a heartbeat: five of them missed."""

LINGER_S = 30.0
"""Workers outlive the last ingress this long: a restarted gateway finds its models loaded."""

PLAN_PERIOD_S = 2.0
"""Between two looks at the nodes. Ray offers no subscription; its own Serve polls as well."""

LOAD_PERIOD_S = 1.0
"""Between two looks at CPU and memory."""

LONGEST_NAP_S = 0.5
"""Between two ticks, when no deadline comes sooner."""


class UnknownIngressError(WorkerLostError):
    """The manager does not know the ingress: it is new, or the ingress was silent for too long."""


@dataclass(frozen=True, slots=True)
class IngressStarted:
    """A gateway wants to use the fleet."""

    ingress_id: str
    node_id: str
    """The machine it runs on; Asterisk's cores are kept free there."""
    speech: SpeechSettings
    fleet: FleetSettings


@dataclass(slots=True)
class _Ingress:
    facts: IngressStarted
    heard: float


@dataclass(slots=True)
class _Session:
    facts: SessionStarted
    since: float
    tallies: dict[WorkKind, WorkTally] = field(default_factory=lambda: dict.fromkeys(WorkKind, WorkTally()))


class ResourceManager:
    """Registers ingresses and calls, lends workers, keeps the books."""

    def __init__(
        self,
        launcher: Launcher,
        clock: Callable[[], float] = time.monotonic,
        linger_s: float = LINGER_S,
        queue_limit: int = 256,
    ) -> None:
        self._clock = clock
        self._linger_s = linger_s
        self._launcher = launcher
        self._desk = LeaseDesk(clock, queue_limit)
        self._fleet = Fleet(launcher, self._desk)
        self._ingresses: dict[str, _Ingress] = {}
        self._sessions: dict[str, _Session] = {}
        self._tallies = dict.fromkeys(WorkKind, WorkTally())
        self._deserted_since: float | None = clock()
        self._settings: IngressStarted | None = None
        """Whose settings the fleet runs."""
        self._planning_problem: str | None = None
        self._swept = False
        """Whether workers of an earlier manager have been looked for."""
        self._hurry = asyncio.Event()
        self._load_seen = clock()
        self._cpu_percent = psutil.cpu_percent(interval=None)
        self._memory_percent = psutil.virtual_memory().percent

    # Ingresses

    async def register_ingress(self, ingress: IngressStarted) -> None:
        """Take an ingress in and plan the fleet for it. Repeating it changes nothing.

        Raises ConfigurationError if another live ingress uses the fleet with other settings, or if
        the settings cannot work on these nodes.
        """
        others = [other for key, other in self._ingresses.items() if key != ingress.ingress_id]
        if others and (differences := _differences(others[0].facts, ingress)):
            raise ConfigurationError(
                f"the fleet already serves ingress {others[0].facts.ingress_id!r} with other settings: "
                f"{'; '.join(differences)}. Make them equal, or give this one a ray_namespace of its own"
            )
        self._ingresses[ingress.ingress_id] = _Ingress(ingress, self._clock())
        self._settings, self._deserted_since = ingress, None
        self._fleet.start_deadline_s = ingress.fleet.worker_start_deadline_s
        try:
            await self.plan_once()
        except ConfigurationError:
            self._forget(ingress.ingress_id)
            raise
        except Exception:  # the nodes could not be read now: planning goes on trying
            logger.exception("planning for ingress %s failed", ingress.ingress_id)

    async def unregister_ingress(self, ingress_id: str) -> None:
        """Forget an ingress, with its calls, requests and leases."""
        self._forget(ingress_id)

    async def heartbeat(self, ingress_id: str) -> bool:
        """Keep an ingress alive. False: it is not known here and has to register again."""
        ingress = self._ingresses.get(ingress_id)
        if ingress is not None:
            ingress.heard = self._clock()
        return ingress is not None

    def _forget(self, ingress_id: str) -> None:
        if self._ingresses.pop(ingress_id, None) is None:
            return
        for session_id in [key for key, it in self._sessions.items() if it.facts.ingress_id == ingress_id]:
            del self._sessions[session_id]
        self._desk.drop_ingress(ingress_id)
        self._fleet.check_suspended()
        if not self._ingresses:
            self._deserted_since = self._clock()

    # Calls

    async def register_session(self, session: SessionStarted) -> None:
        """Take a call in. Repeating it changes nothing. Raises UnknownIngressError."""
        if session.ingress_id not in self._ingresses:
            _unknown(session.ingress_id)
        self._sessions.setdefault(session.session_id, _Session(session, self._clock()))

    async def unregister_session(self, session_id: str) -> SessionSummary | None:
        """Forget a call and return what it used, None if it was unknown."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return None
        return SessionSummary(
            session_id=session_id,
            ingress_id=session.facts.ingress_id,
            extension=session.facts.extension,
            duration_s=self._clock() - session.since,
            transcription=session.tallies[WorkKind.TRANSCRIPTION],
            synthesis=session.tallies[WorkKind.SYNTHESIS],
        )

    # Leases

    async def acquire(self, request: LeaseRequest) -> Lease:
        """Return a lease when it is this request's turn. Raises CapacityError or UnknownIngressError."""
        if request.ingress_id not in self._ingresses:
            _unknown(request.ingress_id)
        self._hurry.set()  # its deadline may be the next one
        return await self._desk.acquire(request)

    async def release(self, report: WorkReport) -> None:
        """End a request, waiting or granted, and enter what its work took. Unknown ids do no harm."""
        held = self._desk.book.held(report.lease_id)
        self._desk.give_back(report.lease_id, report.outcome)
        if held is None:
            return
        request, lease = held
        self._tallies[request.kind] = self._tallies[request.kind].plus(report, lease.wait_ms)
        session = self._sessions.get(request.session_id)
        if session is not None:
            session.tallies[request.kind] = session.tallies[request.kind].plus(report, lease.wait_ms)
        self._fleet.check_suspended()

    # Knowledge

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
        )

    def _pool_status(self, kind: WorkKind) -> PoolStatus:
        states = [state for _, state in self._desk.book.workers(kind)]
        return PoolStatus(
            # One at least is wanted as soon as there is somebody to serve, planned yet or not.
            planned=max(self._fleet.plan.count(kind), 1 if self._ingresses else 0),
            ready=sum(state is not SlotState.QUARANTINED for state in states),
            busy=sum(state in (SlotState.BUSY, SlotState.FINISHING) for state in states),
            waiting=self._desk.book.waiting(kind),
            tally=self._tallies[kind],
        )

    # Life

    async def run(self) -> None:
        """Plan and tick until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_planning())
            group.create_task(self._keep_ticking())

    async def close(self) -> None:
        """Stop every worker."""
        await self._fleet.dismiss_all()

    async def plan_once(self) -> None:
        """Look at the nodes and make the fleet follow the plan for them; stop a deserted fleet.

        Raises ConfigurationError if the settings cannot work on these nodes.
        """
        if self._deserted_since is not None:
            if self._clock() - self._deserted_since >= self._linger_s:
                self._deserted_since = None
                await self._fleet.dismiss_all()
            return
        if self._settings is None:
            return
        hosts = {ingress.facts.node_id for ingress in self._ingresses.values()}
        found = await self._launcher.nodes()
        if not found:  # there is at least the one that this runs on
            raise WorkerLostError("no node answers")
        nodes = [replace(node, hosts_ingress=node.node_id in hosts) for node in found]
        settings = self._settings
        self._fleet.follow(plan(nodes, settings.fleet, settings.speech), nodes, settings.speech)
        if not self._swept:
            self._swept = True
            await self._fleet.dismiss_strangers()

    def tick(self) -> None:
        """Do what the clock demands: end what is overdue, drop silent ingresses, look at the load."""
        now = self._clock()
        for ingress_id, ingress in list(self._ingresses.items()):
            if now - ingress.heard > INGRESS_TIMEOUT_S:
                logger.warning("ingress %s is gone: no heartbeat for %g s", ingress_id, INGRESS_TIMEOUT_S)
                self._forget(ingress_id)
        self._desk.expire()
        self._fleet.check_suspended()
        if now - self._load_seen >= LOAD_PERIOD_S:
            self._load_seen = now
            # Without an interval psutil compares with the last call and does not block.
            self._cpu_percent = psutil.cpu_percent(interval=None)
            self._memory_percent = psutil.virtual_memory().percent

    async def _keep_planning(self) -> None:
        while True:
            try:
                await self.plan_once()
                self._planning_problem = None
            except RaymalError as error:
                self._planning_problem = f"planning: {error}"
            except Exception as error:  # the fleet goes on as it is
                logger.exception("planning failed")
                self._planning_problem = f"planning: {type(error).__name__}: see the manager's log"
            await asyncio.sleep(PLAN_PERIOD_S)

    async def _keep_ticking(self) -> None:
        while True:
            self.tick()
            deadline = self._desk.book.next_deadline()
            nap_s = LONGEST_NAP_S if deadline is None else min(LONGEST_NAP_S, deadline - self._clock())
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(nap_s, 0.0)):
                    await self._hurry.wait()


def _unknown(ingress_id: str) -> NoReturn:
    raise UnknownIngressError(f"ingress {ingress_id!r} is not registered with the resource manager")


def _differences(one: IngressStarted, other: IngressStarted) -> list[str]:
    """Return a line for each setting that all ingresses of a fleet share and these two do not."""
    mine, theirs = _shared_settings(one), _shared_settings(other)
    return [
        f"{key} is {mine[key]!r} there and {theirs[key]!r} here" for key in mine if mine[key] != theirs[key]
    ]


def _shared_settings(ingress: IngressStarted) -> dict[str, Any]:
    counts = {"max_concurrent_transcriptions", "max_concurrent_synthesis"}
    tree = {
        "speech": ingress.speech.model_dump(mode="json"),
        "fleet": ingress.fleet.model_dump(mode="json", include=counts),
    }
    return dict(_flattened(tree, ""))


def _flattened(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
