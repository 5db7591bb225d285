"""What a gateway asks of the speech side: lease a worker, use it, give it back with a report, always.

Both backends are this class over a manager and workers that they bring: objects of this process
(`actors.local`) or actors of a cluster (`actors.cluster`). Cancelling the awaiting task, or closing the
iterator, cancels the work and frees the slot. The report is sent by a task of its own, so that neither a
cancelled asker nor a slow manager can lose it.

A lost worker costs the asker one more try on another worker, inside the same deadline; of a sentence the
second one's audio goes on where the first one's ended. Work may be what kills a worker, so it is given to two
at most; the second one is asked first whether it is there, since others may have died with the first. One
that gives nothing for a while, and does not say that it is there, counts as lost as well. A lost
manager costs waiting: the ingress, its calls and the leases in use are registered again as soon as there is a
manager, and a request that waits goes on asking.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from actors.errors import CapacityError, EngineError, UnknownIngressError, WorkerLostError
from actors.messages import (
    Lease,
    LeaseRequest,
    Priority,
    SessionStarted,
    Synthesize,
    Transcribe,
    Transcript,
    WorkKind,
    WorkOutcome,
    WorkReport,
)
from actors.pool.manager_client import MANAGER_RETRY_S, Manager, ManagerClient
from actors.pool.registration import HeldLease, IngressStarted
from actors.telephone import audio_duration_ms

logger = logging.getLogger(__name__)

HOLD_MARGIN_S = 5.0
"""How much longer than the asker's deadline a lease lives, for the report to arrive."""

ATTENTION_S = 2.0
"""A worker that has given nothing for so long is asked whether it is there, and has as long to answer."""

TRIES = 2
"""Workers that the same work may be given to."""

REPORT_ATTEMPTS = 20
"""Then the lease's time to live has to do it."""

CLOSE_DEADLINE_S = 3.0


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcript and what it cost."""

    transcript: Transcript
    lease_wait_ms: float
    """From the request to the lease, as seen by the asker."""
    processing_ms: float
    """From the lease to the transcript, as seen by the asker: dispatch and model."""


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of a sentence's audio, in order."""

    audio: bytes
    """8 kHz int16 mono, never empty."""
    lease_wait_ms: float
    """The same on every chunk of one sentence."""
    elapsed_ms: float
    """From the lease to this chunk, as seen by the asker."""


class Workers(Protocol):
    """The way to a leased worker. Cancelled or closed, the methods cancel the work."""

    async def check_leased(self, lease: Lease) -> None:
        """Raise WorkerLostError if the worker does not answer, soon."""

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

    @property
    def lease_wait_ms(self) -> float:
        return (self.granted_s - self.asked_s) * 1000.0

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.granted_s) * 1000.0


class SpeechPool(ManagerClient):
    """What a gateway asks of the speech side. For one event loop."""

    def __init__(self, manager: Manager, workers: Workers, ingress: IngressStarted) -> None:
        super().__init__(manager, ingress)
        self._workers = workers
        self._uses: dict[str, _Use] = {}

    async def close(self) -> None:
        """Give back everything this asker holds. Idempotent."""
        if self._tasks and self._background:  # the last reports
            await asyncio.wait(self._background, timeout=CLOSE_DEADLINE_S)
        await super().close()

    # Work

    async def transcribe(
        self,
        request: Transcribe,
        deadline_s: float,
        is_ahead: bool = False,
        priority: Priority = Priority.BACKGROUND,
    ) -> Transcription:
        """Transcribe one utterance, with the priority of its call's session; of no call, with `priority`.

        `is_ahead`: it may turn out to be for nothing. It waits behind all final work, and never takes the
        last free slot where there are several.

        Raises CapacityError (no slot in time), WorkerLostError (the worker died or the deadline
        passed while it worked) or EngineError (the engine refused).
        """
        deadline = time.monotonic() + deadline_s
        session = self._sessions.get(request.call_id)
        given = 0
        while True:
            try:
                kind = WorkKind.TRANSCRIPTION
                async with self._leased(kind, session, deadline, is_ahead, priority) as (use, lease):
                    use.audio_ms = audio_duration_ms(request.audio)
                    async with self._attended(lease, deadline):
                        if given:
                            await self._workers.check_leased(lease)
                        given += 1
                        transcript = await self._workers.transcribe(lease, request)
                    return Transcription(transcript, use.lease_wait_ms, use.elapsed_ms())
            except WorkerLostError:
                if given == TRIES or time.monotonic() >= deadline:
                    raise
            # It may have been promoted meanwhile, and nothing promotes it again.
            is_ahead = use.request.is_ahead

    def promote(self, call_id: str) -> None:
        """Let the call's ahead-of-time transcription, if one is under way, be final from now on."""
        for use in self._uses.values():
            if use.request.session_id == call_id and use.request.is_ahead:
                use.request = replace(use.request, is_ahead=False)
                if use.lease is None:
                    self._in_background(self._promote(use.request.lease_id))

    async def synthesize(
        self,
        request: Synthesize,
        deadline_s: float,
        is_ahead: bool = False,
        priority: Priority = Priority.BACKGROUND,
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Yield the audio of one sentence as it is made; asks for its lease and raises as `transcribe` does.

        The deadline is that of the last chunk.
        """
        deadline = time.monotonic() + deadline_s
        # Once for all tries: meanwhile the call may end, and others wait for the same sentence.
        session = self._sessions.get(request.call_id)
        given, delivered_bytes = 0, 0
        while True:
            try:
                kind = WorkKind.SYNTHESIS
                async with self._leased(kind, session, deadline, is_ahead, priority) as (use, lease):
                    if given:
                        async with self._attended(lease, deadline):
                            await self._workers.check_leased(lease)
                    given += 1
                    made_bytes = 0
                    async with aclosing(self._workers.synthesize(lease, request)) as pieces:
                        while True:
                            async with self._attended(lease, deadline):
                                piece = await anext(pieces, None)
                            if piece is None:
                                return
                            use.audio_ms += audio_duration_ms(piece)
                            new = piece[max(0, delivered_bytes - made_bytes) :]
                            made_bytes += len(piece)
                            if new:
                                delivered_bytes = made_bytes
                                yield SpeechChunk(new, use.lease_wait_ms, use.elapsed_ms())
            except WorkerLostError:
                if given == TRIES or time.monotonic() >= deadline:
                    raise

    # One piece of work

    @asynccontextmanager
    async def _attended(self, lease: Lease, deadline: float) -> AsyncIterator[None]:
        """Wait in the block for a worker: until `deadline` (monotonic seconds), and while it is there."""
        is_silent = False

        async def attend(limit: asyncio.Timeout) -> None:
            nonlocal is_silent
            try:
                while True:
                    await asyncio.sleep(ATTENTION_S)
                    async with asyncio.timeout(ATTENTION_S):
                        await self._workers.check_leased(lease)
            except (WorkerLostError, TimeoutError):
                is_silent = True
                if not limit.expired():
                    limit.reschedule(asyncio.get_running_loop().time())

        try:
            async with asyncio.timeout(deadline - time.monotonic()) as limit:
                attending = asyncio.create_task(attend(limit), name=f"attend to {lease.worker_id}")
                try:
                    yield
                finally:
                    attending.cancel()
        except TimeoutError:
            if is_silent:
                raise _SilentError("the worker does not answer") from None
            raise _OutOfTimeError("the deadline passed while the worker worked") from None

    @asynccontextmanager
    async def _leased(
        self,
        kind: WorkKind,
        session: SessionStarted | None,
        deadline: float,
        is_ahead: bool,
        priority: Priority,
    ) -> AsyncIterator[tuple[_Use, Lease]]:
        """Hold a lease for the block and report what came of it."""
        now = time.monotonic()
        request = LeaseRequest(
            lease_id=uuid.uuid4().hex,
            kind=kind,
            ingress_id=self._ingress.ingress_id,
            session_id=session.session_id if session else None,
            wait_s=deadline - now,
            hold_s=deadline - now + HOLD_MARGIN_S,
            priority=session.priority if session else priority,
            is_ahead=is_ahead,
        )
        use = self._uses[request.lease_id] = _Use(request, now)
        is_gone = False
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
        except _SilentError:
            is_gone = True
            raise
        except WorkerLostError:
            outcome, is_gone = WorkOutcome.LOST, True
            raise
        finally:
            # Also without a lease: it may still wait, or have been granted on the way.
            del self._uses[request.lease_id]
            elapsed_ms = use.elapsed_ms() if use.lease is not None else 0.0
            report = WorkReport(request.lease_id, outcome, elapsed_ms, use.audio_ms)
            reporting = self._in_background(self._report(report))
            if is_gone:  # to be known before the next try asks for a slot: it would get the same
                await asyncio.wait({reporting}, timeout=max(0.0, deadline - time.monotonic()))

    async def _acquire(self, use: _Use, deadline: float) -> Lease:
        """Return a lease, asking again, as the same request, while there is no manager."""
        while (wait_s := deadline - time.monotonic()) > 0:
            request = replace(use.request, wait_s=wait_s, hold_s=wait_s + HOLD_MARGIN_S)
            try:
                async with asyncio.timeout(wait_s):
                    return await self._manager.acquire(request)
            except UnknownIngressError:
                with suppress(WorkerLostError):
                    await self._make_known()
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

    async def _promote(self, lease_id: str) -> None:
        with suppress(WorkerLostError):  # the request is repeated to a new manager, as final work
            await self._manager.promote(lease_id)

    def _held_leases(self) -> tuple[HeldLease, ...]:
        return tuple(
            HeldLease(use.request, use.lease) for use in self._uses.values() if use.lease is not None
        )


class _OutOfTimeError(WorkerLostError):
    """The asker's deadline passed while the worker worked: the worker need not be lost."""


class _SilentError(WorkerLostError):
    """The worker does not answer while it works: it may hang."""
