"""The one way to use a worker: lease it, use it, give it back with a report, whatever happens between.

Both backends are this class over a manager and workers that they bring: objects of this process
(`actors.local`) or actors of a cluster (`actors.cluster`). The report is sent by a task of its own, so
that neither a cancelled asker nor a slow manager can lose it.

A lost worker costs the asker one more try on another worker, inside the same deadline; a sentence is
tried again only while none of it was delivered. A lost manager costs waiting: the ingress and its calls
are registered again as soon as there is a manager, and a request that waits goes on asking.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from actors.errors import CapacityError, ConfigurationError, EngineError, WorkerLostError
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
    WorkOutcome,
    WorkReport,
    audio_duration_ms,
)
from actors.pool import SpeechChunk, Transcription
from actors.resource_manager import IngressStarted, UnknownIngressError

logger = logging.getLogger(__name__)

HEARTBEAT_PERIOD_S = 3.0

MANAGER_RETRY_S = 0.25
"""Before a manager that did not answer is asked again."""

HOLD_MARGIN_S = 5.0
"""How much longer than the asker's deadline a lease lives, for the report to arrive."""

REPORT_ATTEMPTS = 20
"""Then the lease's time to live has to do it."""

CLOSE_DEADLINE_S = 3.0


class Manager(Protocol):
    """The resource manager, near or far. What does not answer raises WorkerLostError."""

    async def register_ingress(self, ingress: IngressStarted) -> None: ...
    async def unregister_ingress(self, ingress_id: str) -> None: ...
    async def heartbeat(self, ingress_id: str) -> bool: ...
    async def register_session(self, session: SessionStarted) -> None: ...
    async def unregister_session(self, session_id: str) -> SessionSummary | None: ...
    async def acquire(self, request: LeaseRequest) -> Lease: ...
    async def release(self, report: WorkReport) -> None: ...
    async def status(self) -> FleetStatus: ...


class Workers(Protocol):
    """The workers by their ids. Cancelled or closed, both methods cancel the work."""

    async def transcribe(self, worker_id: str, request: Transcribe) -> Transcript:
        """Raises EngineError or WorkerLostError."""

    def synthesize(self, worker_id: str, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Return an async generator of pieces. Raises EngineError or WorkerLostError."""


@dataclass(slots=True)
class _Use:
    """One lease in use."""

    lease: Lease
    lease_wait_ms: float
    since: float
    audio_ms: float = 0.0

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.since) * 1000.0


class LeasedPool:
    """A `SpeechPool` over a manager and workers. For one event loop."""

    def __init__(self, manager: Manager, workers: Workers, ingress: IngressStarted) -> None:
        self._manager = manager
        self._workers = workers
        self._ingress = ingress
        self._sessions: dict[str, SessionStarted] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._heart: asyncio.Task[None] | None = None
        self._registering = asyncio.Lock()

    async def start(self) -> None:
        """Register with the manager, which plans and starts workers. Raises ConfigurationError."""
        await self._manager.register_ingress(self._ingress)
        self._heart = asyncio.create_task(self._beat(), name="fleet heartbeat")

    async def status(self) -> FleetStatus:
        """Return what the manager knows now. Raises WorkerLostError when it cannot be asked."""
        return await self._manager.status()

    async def transcribe(self, request: Transcribe, deadline_s: float) -> Transcription:
        """Transcribe one utterance: see `SpeechPool`."""
        deadline = time.monotonic() + deadline_s
        try:
            return await self._transcribe_once(request, deadline)
        except WorkerLostError:
            if time.monotonic() >= deadline:
                raise
        return await self._transcribe_once(request, deadline)

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

    async def register_session(self, session: SessionStarted) -> None:
        """Tell the manager that a call exists; if there is no manager now, the next one is told."""
        self._sessions[session.session_id] = session
        with suppress(WorkerLostError):
            await self._manager.register_session(session)

    async def unregister_session(self, session_id: str) -> SessionSummary | None:
        """Tell the manager that a call ended; returns what it used, None if that is unknown."""
        self._sessions.pop(session_id, None)
        with suppress(WorkerLostError):
            return await self._manager.unregister_session(session_id)
        return None

    async def close(self) -> None:
        """Give back everything this asker holds. Idempotent."""
        heart, self._heart = self._heart, None
        if heart is None:
            return
        heart.cancel()
        with suppress(asyncio.CancelledError):
            await heart
        if self._background:
            await asyncio.wait(self._background, timeout=CLOSE_DEADLINE_S)
        self._sessions.clear()
        with suppress(WorkerLostError):
            await self._manager.unregister_ingress(self._ingress.ingress_id)

    # One piece of work

    async def _transcribe_once(self, request: Transcribe, deadline: float) -> Transcription:
        async with self._leased(WorkKind.TRANSCRIPTION, request.call_id, deadline) as use:
            use.audio_ms = audio_duration_ms(request.audio)
            async with _until(deadline):
                transcript = await self._workers.transcribe(use.lease.worker_id, request)
            return Transcription(transcript, use.lease_wait_ms, use.elapsed_ms())

    async def _synthesize_once(
        self, request: Synthesize, deadline: float
    ) -> AsyncGenerator[SpeechChunk, None]:
        async with (
            self._leased(WorkKind.SYNTHESIS, request.call_id, deadline) as use,
            aclosing(self._workers.synthesize(use.lease.worker_id, request)) as pieces,
        ):
            while True:
                async with _until(deadline):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                use.audio_ms += audio_duration_ms(piece)
                yield SpeechChunk(piece, use.lease_wait_ms, use.elapsed_ms())

    @asynccontextmanager
    async def _leased(self, kind: WorkKind, session_id: str, deadline: float) -> AsyncIterator[_Use]:
        """Hold a lease for the block and report what came of it."""
        asked = time.monotonic()
        lease = await self._acquire(kind, session_id, deadline)
        granted = time.monotonic()
        use = _Use(lease, (granted - asked) * 1000.0, granted)
        outcome = WorkOutcome.ABANDONED  # cancelled, closed, out of time, or a bug of ours
        try:
            yield use
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
            self._report(WorkReport(lease.lease_id, outcome, use.elapsed_ms(), use.audio_ms))

    async def _acquire(self, kind: WorkKind, session_id: str, deadline: float) -> Lease:
        """Return a lease, asking again, as the same request, while there is no manager."""
        lease_id = uuid.uuid4().hex
        try:
            while (wait_s := deadline - time.monotonic()) > 0:
                request = LeaseRequest(
                    lease_id=lease_id,
                    kind=kind,
                    ingress_id=self._ingress.ingress_id,
                    session_id=session_id,
                    wait_s=wait_s,
                    hold_s=wait_s + HOLD_MARGIN_S,
                )
                try:
                    async with asyncio.timeout(wait_s):
                        return await self._manager.acquire(request)
                except UnknownIngressError:
                    await self._make_known()
                except WorkerLostError:
                    await asyncio.sleep(min(MANAGER_RETRY_S, wait_s))
                except TimeoutError:
                    break
            raise CapacityError(f"no slot for {kind} within the deadline")
        except BaseException:
            # It may still wait, or have been granted on the way.
            self._report(WorkReport(lease_id, WorkOutcome.ABANDONED, 0.0, 0.0))
            raise

    def _report(self, report: WorkReport) -> None:
        """Give a lease back in the background."""
        task = asyncio.create_task(self._deliver(report), name=f"report {report.lease_id}")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _deliver(self, report: WorkReport) -> None:
        for _ in range(REPORT_ATTEMPTS):
            try:
                return await self._manager.release(report)
            except WorkerLostError:
                await asyncio.sleep(MANAGER_RETRY_S)
        logger.warning("no manager took the report of lease %s", report.lease_id)

    # Being known

    async def _beat(self) -> None:
        lost = False
        while True:
            await asyncio.sleep(HEARTBEAT_PERIOD_S)
            try:
                await self._make_known()
                lost = False
            except WorkerLostError as error:
                if not lost:
                    logger.warning("the resource manager does not answer: %s", error)
                lost = True

    async def _make_known(self) -> None:
        """Send a heartbeat; to a manager that does not know this ingress, introduce it and its calls."""
        async with self._registering:
            if await self._manager.heartbeat(self._ingress.ingress_id):
                return
            try:
                await self._manager.register_ingress(self._ingress)
            except ConfigurationError as error:
                logger.error("the fleet no longer takes this ingress: %s", error)
                await asyncio.sleep(MANAGER_RETRY_S)
                return
            logger.info("registered again with %d calls", len(self._sessions))
            for session in list(self._sessions.values()):
                await self._manager.register_session(session)


class _OutOfTimeError(WorkerLostError):
    """The asker's deadline passed while the worker worked: nobody knows that the worker is lost."""


@asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    """Cancel the block at `deadline` (monotonic seconds)."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            yield
    except TimeoutError:
        raise _OutOfTimeError("the deadline passed while the worker worked") from None
