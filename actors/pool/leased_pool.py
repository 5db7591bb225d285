"""The one way to use a worker: lease it, use it, give it back with a report, whatever happens between.

Both backends are this class over a manager and workers that they bring: objects of this process
(`actors.local`) or actors of a cluster (`actors.cluster`). The report is sent by a task of its own, so
that neither a cancelled asker nor a slow manager can lose it.

A lost worker costs the asker one more try on another worker, inside the same deadline; a sentence is
tried again only while none of it was delivered. A lost manager costs waiting: the ingress, its calls and the
leases in use are registered again as soon as there is a manager, and a request that waits goes on asking.

Work ahead of time may be revoked while it runs, because somebody waits who is more urgent; until its turn
comes and it is promoted.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from actors.errors import CapacityError, EngineError, UnknownIngressError, WorkerLostError
from actors.messages import (
    Admission,
    Decision,
    IngressSignals,
    Lease,
    LeaseRequest,
    SessionFigures,
    SessionStarted,
    SessionSummary,
    Synthesize,
    Transcribe,
    Transcript,
    WorkKind,
    WorkOutcome,
    WorkReport,
)
from actors.pool.manager_client import MANAGER_RETRY_S, Liaison, Manager
from actors.pool.speech_pool import SpeechChunk, Transcription
from actors.registration import HeldLease, IngressStarted
from actors.status import FleetStatus
from actors.telephone import audio_duration_ms

logger = logging.getLogger(__name__)

HOLD_MARGIN_S = 5.0
"""How much longer than the asker's deadline a lease lives, for the report to arrive."""

REPORT_ATTEMPTS = 20
"""Then the lease's time to live has to do it."""

CLOSE_DEADLINE_S = 3.0


class Workers(Protocol):
    """The way to a leased worker. Cancelled or closed, both methods cancel the work."""

    async def transcribe(self, lease: Lease, request: Transcribe) -> Transcript:
        """Raises EngineError or WorkerLostError."""

    def synthesize(self, lease: Lease, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Return an async generator of pieces. Raises EngineError or WorkerLostError."""


@dataclass(slots=True)
class _Use:
    """One request, from asking for its lease to its end."""

    request: LeaseRequest
    asked_s: float
    lease: Lease | None = None
    granted_s: float = 0.0
    audio_ms: float = 0.0
    scope: asyncio.Timeout | None = None
    """Around the work; made to expire when the lease is revoked."""
    is_revoked: bool = False

    @property
    def lease_wait_ms(self) -> float:
        return (self.granted_s - self.asked_s) * 1000.0

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.granted_s) * 1000.0

    def revoke(self) -> None:
        """Stop the work, if it has begun."""
        if self.is_revoked or not self.request.is_ahead:
            return
        self.is_revoked = True
        if self.scope is not None:
            self.scope.reschedule(asyncio.get_running_loop().time())


class LeasedPool:
    """A `SpeechPool` over a manager and workers. For one event loop."""

    def __init__(self, manager: Manager, workers: Workers, ingress: IngressStarted) -> None:
        self._manager = manager
        self._workers = workers
        self._liaison = Liaison(manager, ingress, self._held)
        self._liaison.on_decision = self._obey
        self._uses: dict[str, _Use] = {}
        self._background: set[asyncio.Task[None]] = set()
        self.on_decision: Callable[[Decision], None] = lambda decision: None

    # Relations with the manager: see `SpeechPool`

    @property
    def decision(self) -> Decision:
        """The manager's current orders; without a manager, the last ones, then careful ones."""
        return self._liaison.decision

    @property
    def signals(self) -> Callable[[], IngressSignals]:
        """Asked once per heartbeat how the ingress does."""
        return self._liaison.signals

    @signals.setter
    def signals(self, signals: Callable[[], IngressSignals]) -> None:
        self._liaison.signals = signals

    def _runs_on(self, node_id: str) -> None:
        """Say on which node this ingress runs, before `start`."""
        self._liaison.ingress = replace(self._liaison.ingress, node_id=node_id)

    async def start(self) -> None:
        """Register with the manager, which plans and starts workers. Raises ConfigurationError."""
        await self._liaison.start()

    async def status(self) -> FleetStatus:
        """Return what the manager knows now. Raises WorkerLostError when it cannot be asked."""
        return await self._manager.status()

    async def admit(self, session: SessionStarted) -> Admission:
        """Ask whether a new call may be taken; if so it is registered."""
        return await self._liaison.admit(session)

    async def register_session(self, session: SessionStarted) -> None:
        """Tell the manager of a call that was admitted before."""
        await self._liaison.register(session)

    def note(self, session_id: str, figures: SessionFigures) -> None:
        """Remember a call's newest figures for the next heartbeat."""
        self._liaison.note(session_id, figures)

    def note_answer(self, answer_ms: float) -> None:
        """Count one answered turn."""
        self._liaison.note_answer(answer_ms)

    async def unregister_session(self, session_id: str) -> SessionSummary | None:
        """Tell the manager that a call ended; returns what it used, None if that is unknown."""
        return await self._liaison.unregister(session_id)

    async def close(self) -> None:
        """Give back everything this asker holds. Idempotent."""
        if self._liaison.is_started and self._background:
            await asyncio.wait(self._background, timeout=CLOSE_DEADLINE_S)
        await self._liaison.close()

    # Work

    async def transcribe(
        self, request: Transcribe, deadline_s: float, is_ahead: bool = False
    ) -> Transcription:
        """Transcribe one utterance: see `SpeechPool`."""
        deadline = time.monotonic() + deadline_s
        try:
            return await self._transcribe_once(request, deadline, is_ahead)
        except WorkerLostError:
            if time.monotonic() >= deadline:
                raise
        return await self._transcribe_once(request, deadline, is_ahead)

    def promote(self, call_id: str) -> None:
        """The call's transcription ahead of time, if one is under way, is final from now on."""
        for use in self._uses.values():
            if use.request.session_id == call_id and use.request.is_ahead and not use.is_revoked:
                use.request = replace(use.request, is_ahead=False)
                self._beside(self._tell_promotion(use.request.lease_id))

    async def synthesize(self, request: Synthesize, deadline_s: float) -> AsyncGenerator[SpeechChunk, None]:
        """Yield one sentence's audio: see `SpeechPool`. The deadline is that of the last chunk."""
        deadline = time.monotonic() + deadline_s
        delivered = False
        try:
            async with aclosing(self._synthesize_once(request, deadline)) as chunks:
                async for chunk in chunks:
                    delivered = True
                    yield chunk
            return
        except WorkerLostError:
            if delivered or time.monotonic() >= deadline:
                raise
        async with aclosing(self._synthesize_once(request, deadline)) as chunks:
            async for chunk in chunks:
                yield chunk

    # One piece of work

    async def _transcribe_once(self, request: Transcribe, deadline: float, is_ahead: bool) -> Transcription:
        async with self._leased(WorkKind.TRANSCRIPTION, request.call_id, deadline, is_ahead) as (use, lease):
            use.audio_ms = audio_duration_ms(request.audio)
            async with _until(deadline, use):
                transcript = await self._workers.transcribe(lease, request)
            return Transcription(transcript, use.lease_wait_ms, use.elapsed_ms())

    async def _synthesize_once(
        self, request: Synthesize, deadline: float
    ) -> AsyncGenerator[SpeechChunk, None]:
        async with (
            self._leased(WorkKind.SYNTHESIS, request.call_id, deadline) as (use, lease),
            aclosing(self._workers.synthesize(lease, request)) as pieces,
        ):
            while True:
                async with _until(deadline, use):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                use.audio_ms += audio_duration_ms(piece)
                yield SpeechChunk(piece, use.lease_wait_ms, use.elapsed_ms())

    @asynccontextmanager
    async def _leased(
        self, kind: WorkKind, session_id: str, deadline: float, is_ahead: bool = False
    ) -> AsyncIterator[tuple[_Use, Lease]]:
        """Hold a lease for the block and report what came of it."""
        now = time.monotonic()
        request = LeaseRequest(
            lease_id=uuid.uuid4().hex,
            kind=kind,
            ingress_id=self._liaison.ingress.ingress_id,
            session_id=session_id,
            wait_s=deadline - now,
            hold_s=deadline - now + HOLD_MARGIN_S,
            priority=self._liaison.priority(session_id),
            is_ahead=is_ahead,
        )
        use = self._uses[request.lease_id] = _Use(request, now)
        outcome = WorkOutcome.ABANDONED  # cancelled, closed, out of time, or a bug of ours
        try:
            use.lease = lease = await self._acquire(use, deadline)
            use.granted_s = time.monotonic()
            yield use, lease
            outcome = WorkOutcome.DONE
        except EngineError:
            outcome = WorkOutcome.FAILED
            raise
        except _OutOfTimeError:
            raise
        except WorkerLostError:
            outcome = WorkOutcome.LOST
            raise
        finally:
            # Also without a lease: it may still wait, or have been granted on the way.
            del self._uses[request.lease_id]
            elapsed_ms = use.elapsed_ms() if use.lease is not None else 0.0
            self._beside(self._report(WorkReport(request.lease_id, outcome, elapsed_ms, use.audio_ms)))

    async def _acquire(self, use: _Use, deadline: float) -> Lease:
        """Return a lease, asking again, as the same request, while there is no manager."""
        while (wait_s := deadline - time.monotonic()) > 0:
            request = replace(use.request, wait_s=wait_s, hold_s=wait_s + HOLD_MARGIN_S)
            try:
                async with asyncio.timeout(wait_s):
                    return await self._manager.acquire(request)
            except UnknownIngressError:
                with suppress(WorkerLostError):
                    await self._liaison.make_known()
            except WorkerLostError:
                await asyncio.sleep(min(MANAGER_RETRY_S, wait_s))
            except TimeoutError:
                break
        raise CapacityError(f"no slot for {use.request.kind} within the deadline")

    async def _report(self, report: WorkReport) -> None:
        for _ in range(REPORT_ATTEMPTS):
            try:
                return await self._manager.release(report)
            except WorkerLostError:
                await asyncio.sleep(MANAGER_RETRY_S)
        logger.warning("no manager took the report of lease %s", report.lease_id)

    async def _tell_promotion(self, lease_id: str) -> None:
        with suppress(WorkerLostError):  # a new manager is told with the lease
            await self._manager.promote(lease_id)

    def _beside(self, call: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(call)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # What the manager may ask and order

    def _held(self) -> tuple[HeldLease, ...]:
        return tuple(
            HeldLease(use.request, use.lease) for use in self._uses.values() if use.lease is not None
        )

    def _obey(self, decision: Decision) -> None:
        for lease_id in decision.revoked:
            if lease_id in self._uses:
                self._uses[lease_id].revoke()
        self.on_decision(decision)


class _OutOfTimeError(WorkerLostError):
    """The asker's deadline passed while the worker worked: nobody knows that the worker is lost."""


@asynccontextmanager
async def _until(deadline: float, use: _Use) -> AsyncIterator[None]:
    """Cancel the block at `deadline` (monotonic seconds), or when the lease is revoked."""
    if use.is_revoked:
        raise CapacityError("revoked before it began: somebody more urgent waits")
    try:
        async with asyncio.timeout(deadline - time.monotonic()) as use.scope:
            yield
    except TimeoutError:
        if use.is_revoked:
            raise CapacityError("revoked: somebody more urgent waits") from None
        raise _OutOfTimeError("the deadline passed while the worker worked") from None
    finally:
        use.scope = None
