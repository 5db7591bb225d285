"""An ingress's side of its relation with the manager: registered, heard, and with a current decision.

A heartbeat says every second how the ingress and its calls do; a long poll brings the next decision. A
manager that does not know this ingress says so in the answer to a heartbeat; then the ingress registers with
everything: the settings, all calls, all leases in use.

While the manager cannot be reached the last decision stands for `throttle.keep_s`; then the ingress decides
for itself: level busy at least, and no more calls than the manager once said it may hold alone. Calls that
are there keep everything they have. When the manager is back, its decision counts again at once. Time in
which this process was stopped is no silence of the manager.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from actors.errors import ConfigurationError, UnknownIngressError, WorkerLostError
from actors.liveness.running_clock import RunningClock
from actors.messages import (
    EXTENSION_FULL,
    Admission,
    Decision,
    FurtherEngine,
    IngressReport,
    IngressSignals,
    Lease,
    LeaseRequest,
    Level,
    Priority,
    SessionFigures,
    SessionStarted,
    SessionSummary,
    WorkReport,
)
from actors.pool.registration import HeldLease, IngressStarted
from actors.status import FleetStatus

logger = logging.getLogger(__name__)

HEARTBEAT_PERIOD_S = 1.0

WATCH_S = 30.0
"""Of one long poll."""

MANAGER_RETRY_S = 0.25
"""Before a manager that did not answer is asked again."""

ADMISSION_DEADLINE_S = 0.3
"""Then the caller has waited long enough for a manager that does not answer."""

REMEMBERED_ANSWERS = 1_000
"""Answer times that wait for the next heartbeat; more are left out."""

NO_MANAGER = "the resource manager does not answer"


class Manager(Protocol):
    """The resource manager, near or far. What does not answer raises WorkerLostError."""

    async def register_ingress(self, ingress: IngressStarted) -> None: ...
    async def unregister_ingress(self, ingress_id: str) -> None: ...
    async def heartbeat(self, report: IngressReport) -> Decision | None: ...
    async def watch(self, ingress_id: str, known: tuple[str, int], wait_s: float) -> Decision: ...
    async def admit(self, session: SessionStarted) -> Admission: ...
    async def register_session(self, session: SessionStarted) -> None: ...
    async def unregister_session(
        self, session_id: str, figures: SessionFigures | None
    ) -> SessionSummary | None: ...
    async def acquire(self, request: LeaseRequest) -> Lease: ...
    async def promote(self, lease_id: str) -> None: ...
    async def release(self, report: WorkReport) -> None: ...
    async def status(self) -> FleetStatus: ...


class ManagerClient:
    """Keeps one ingress known to the manager. For one event loop."""

    def __init__(self, manager: Manager, ingress: IngressStarted) -> None:
        self.decision = Decision()
        """The manager's current decision; without a manager the last one, then one of our own."""
        self.on_decision: Callable[[Decision], None] = lambda decision: None
        """Called after each change of level or reasons. Set by the gateway."""
        self.signals: Callable[[], IngressSignals] = IngressSignals
        """Asked once per heartbeat how the ingress does. Set by the gateway."""
        self.on_wait: Callable[[str], None] = lambda reason: None
        """Called with the reason while `start` waits for a cluster. Set by the gateway."""
        self._manager = manager
        self._ingress = ingress
        self._sessions: dict[str, SessionStarted] = {}
        self._figures: dict[str, SessionFigures] = {}
        """Newest figures of each call."""
        self._unsent: set[str] = set()
        """Calls whose newest figures the manager does not have yet."""
        self._answer_times_ms: list[float] = []
        self._clock = RunningClock()
        self._heard_s = 0.0
        """When the manager was last heard."""
        self._registering = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()

    def use_engines(self, engines: Iterable[FurtherEngine]) -> None:
        """Have the workers load these text-to-speech engines, too. None is forgotten: calls may go on."""
        known = {engine.name: engine for engine in self._ingress.engines}
        for engine in engines:
            known.setdefault(engine.name, engine)
        self._ingress = replace(self._ingress, engines=tuple(known.values()))

    async def start(self) -> None:
        """Register with the manager, which plans and starts workers. Raises ConfigurationError."""
        await self._register()
        self._heard_s = self._clock()
        self._tasks = [
            asyncio.create_task(self._clock.run(), name="running clock"),
            asyncio.create_task(self._beat(), name="fleet heartbeat"),
            asyncio.create_task(self._watch(), name="fleet decisions"),
        ]

    async def close(self) -> None:
        """Unregister. Idempotent."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        tasks.extend(self._background)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sessions.clear()
        with suppress(WorkerLostError):
            await self._manager.unregister_ingress(self._ingress.ingress_id)

    async def status(self) -> FleetStatus:
        """Return what the manager knows now. Raises WorkerLostError when it cannot be asked."""
        return await self._manager.status()

    # Calls

    async def admit(self, session: SessionStarted) -> Admission:
        """Ask whether a new call may be taken, for a third of a second; then decide alone.

        An extension's own limit holds in any case for the calls of this ingress: the manager may not answer,
        or not know of a call that was taken a moment ago.
        """
        if self._is_extension_full(session):
            return Admission(is_admitted=False, reason=EXTENSION_FULL)
        has_agreed = True
        try:
            async with asyncio.timeout(ADMISSION_DEADLINE_S):
                admission = await self._ask_to_admit(session)
        except (WorkerLostError, TimeoutError):
            admission, has_agreed = self._admit_alone(session), False
        if admission.is_admitted and self._is_extension_full(session):  # another one was quicker
            admission, has_agreed = Admission(is_admitted=False, reason=EXTENSION_FULL), False
        if admission.is_admitted:
            self._sessions[session.session_id] = session
        if not has_agreed:
            self._in_background(self._make_agree(session.session_id))
        return admission

    def _is_extension_full(self, session: SessionStarted) -> bool:
        """Whether this ingress alone has as many other calls of the extension as it may have."""
        limit = session.extension_limit
        if limit is None:
            return False
        others = (it for it in self._sessions.values() if it.session_id != session.session_id)
        return sum(other.extension == session.extension for other in others) >= limit

    async def register_session(self, session: SessionStarted) -> None:
        """Make a call known that was admitted before, now or when there is a manager again."""
        self._sessions[session.session_id] = session
        with suppress(WorkerLostError):
            await self._manager.register_session(session)

    def note(self, session_id: str, figures: SessionFigures) -> None:
        """Remember a call's newest figures for the next heartbeat. Unknown calls are ignored."""
        if session_id in self._sessions:
            self._figures[session_id] = figures
            self._unsent.add(session_id)

    def note_answer(self, answer_ms: float) -> None:
        """Count one answered turn."""
        if len(self._answer_times_ms) < REMEMBERED_ANSWERS:
            self._answer_times_ms.append(answer_ms)

    async def unregister_session(self, session_id: str) -> SessionSummary | None:
        """Report that a call ended; returns what it used, None if that is unknown."""
        self._sessions.pop(session_id, None)
        figures = self._figures.pop(session_id, None)
        self._unsent.discard(session_id)
        with suppress(WorkerLostError):
            return await self._manager.unregister_session(session_id, figures)
        return None  # the next heartbeats show that the numbers of calls differ

    async def _ask_to_admit(self, session: SessionStarted) -> Admission:
        while True:
            try:
                return await self._manager.admit(session)
            except UnknownIngressError:
                await self._make_known()

    def _admit_alone(self, session: SessionStarted) -> Admission:
        if session.priority is Priority.EMERGENCY or len(self._sessions) < self.decision.calls_alone:
            return Admission(is_admitted=True)
        return Admission(is_admitted=False, reason=NO_MANAGER)

    async def _make_agree(self, session_id: str) -> None:
        """Repeat the decision about a call: the manager may or may not have taken it."""
        with suppress(WorkerLostError):
            session = self._sessions.get(session_id)
            if session is None:
                await self._manager.unregister_session(session_id, None)
            else:
                await self._manager.register_session(session)

    # Being known

    def _held_leases(self) -> tuple[HeldLease, ...]:
        """Return the leases in use, for a manager that does not know them."""
        return ()

    async def _make_known(self) -> None:
        """Send a heartbeat; register with a manager that does not know this ingress. WorkerLostError."""
        async with self._registering:
            figures = {key: self._figures[key] for key in self._unsent if key in self._figures}
            answers, self._answer_times_ms = self._answer_times_ms, []
            self._unsent.clear()
            report = IngressReport(
                self._ingress.ingress_id,
                self.signals(),
                len(self._sessions),
                figures,
                tuple(answers),
                self._ingress.engines,
            )
            try:
                decision = await self._manager.heartbeat(report)
            except BaseException:
                self._unsent.update(key for key in figures if key in self._sessions)
                self._answer_times_ms = [*answers, *self._answer_times_ms][:REMEMBERED_ANSWERS]
                raise
            if decision is not None:
                self._hear(decision)
                return
            self._unsent.update(self._figures)
            try:
                await self._register()
            except ConfigurationError as error:
                logger.error("the fleet no longer takes this ingress: %s", error)
                await asyncio.sleep(MANAGER_RETRY_S)
                return
            logger.info("registered again with %d calls", len(self._sessions))

    async def _register(self) -> None:
        sessions = tuple(self._sessions.values())
        held = self._held_leases()
        await self._manager.register_ingress(replace(self._ingress, sessions=sessions, held=held))

    async def _beat(self) -> None:
        is_lost = False
        while True:
            try:
                await self._make_known()
                is_lost = False
            except WorkerLostError as error:
                if not is_lost:
                    logger.warning("%s; calls go on, decisions stand for now", error)
                is_lost = True
                self._decide_alone()
            await asyncio.sleep(HEARTBEAT_PERIOD_S)

    # Decisions

    async def _watch(self) -> None:
        while True:
            try:
                known = self.decision.version
                self._hear(await self._manager.watch(self._ingress.ingress_id, known, WATCH_S))
            except WorkerLostError:  # the heartbeat makes this ingress known
                await asyncio.sleep(MANAGER_RETRY_S)

    def _hear(self, decision: Decision) -> None:
        self._heard_s = self._clock()
        self._decide(decision)

    def _decide_alone(self) -> None:
        """Replace a decision that has become too old."""
        throttle = self._ingress.throttle
        if throttle.enabled and self._clock() - self._heard_s >= throttle.keep_s:
            reason = f"{NO_MANAGER} for more than {throttle.keep_s:g} s"
            level = max(self.decision.level, Level.BUSY)
            self._decide(replace(self.decision, level=level, reasons=(reason,)))

    def _decide(self, decision: Decision) -> None:
        old, self.decision = self.decision, decision
        if (old.level, old.reasons) != (decision.level, decision.reasons):
            self.on_decision(decision)

    def _in_background(self, call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(call)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
