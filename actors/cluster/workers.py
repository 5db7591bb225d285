"""The speech workers as actors, and the way to them.

A worker's requests run in its concurrency group `infer`, which is as large as the worker has slots, as
coroutines that wait for the worker's thread; each group has an event loop of its own, so `control` answers
meanwhile. `ray.cancel` cancels the coroutine: the request ends at once, and the thread stops
after its current step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

import ray
from ray.exceptions import RayError

from actors.cluster.connection import MANAGER_NAME, border, call, cancel
from actors.machine.rank import (
    BACKGROUND_NICENESS,
    LAST_NICENESS,
    lead_session,
    rank_session,
    session_niceness,
)
from actors.messages import FurtherEngine, Lease, Synthesize, Transcribe, Transcript, WorkKind
from actors.settings import SpeechSettings
from actors.workers.worker_thread import speech_thread

UNCONSUMED_PIECES = 16
"""A synthesis pauses when its asker is this many pieces behind."""

CHECK_DEADLINE_S = 2.0
"""For a worker to say that it is there."""


class CompletionReport:
    """From a worker straight to the manager of its namespace: the work of a lease is done.

    The holder's own report says so as well, but it goes by way of the ingress; until then the slot would
    stand idle while a request waits. Nothing depends on it: one that is lost is made up for by the report.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._manager: Any = None
        self._sending: set[asyncio.Task[None]] = set()
        """As many as leases end while the manager does not answer: no more than it has granted."""

    def send(self, lease_id: str) -> None:
        """Report that the lease's work is done; never waits."""
        task = asyncio.get_running_loop().create_task(self._send(lease_id), name=f"finish {lease_id}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, lease_id: str) -> None:
        try:
            if self._manager is None:
                self._manager = await asyncio.to_thread(
                    ray.get_actor, MANAGER_NAME, namespace=self._namespace
                )
            await self._manager.finish.remote(lease_id)
        except (ValueError, RayError):  # there is none now; the next one is found anew
            self._manager = None


SESSION_NICENESS = {WorkKind.SYNTHESIS: 0, WorkKind.TRANSCRIPTION: 3}
"""Of a worker's session, beyond that of Ray's. The niceness of its engine's threads counts inside a session;
as that of the session it would leave them a thirtieth of a core beside a busy program at 0."""


class _SpeechActor:
    """What both kinds of worker have as actors."""

    kind: ClassVar[WorkKind]

    def __init__(self, worker_id: str, namespace: str, speech: SpeechSettings, slots: int) -> None:
        # In Ray's own session its niceness would not hold against the media worker's.
        niceness = max(BACKGROUND_NICENESS, session_niceness()) + SESSION_NICENESS[self.kind]
        lead_session()
        rank_session(min(LAST_NICENESS, niceness))
        self._thread = speech_thread(self.kind, speech, worker_id, slots)
        self._completion = CompletionReport(namespace)

    @ray.method(concurrency_group="control")
    async def check(self) -> None:
        """Answer, also while the model loads or works."""

    @ray.method(concurrency_group="control")
    async def idle(self) -> None:
        """Return once the model is loaded and what was asked before is done. Raises what loading raised."""
        await self._thread.idle()


class SttActor(_SpeechActor):
    """An `SttWorker` as an actor."""

    kind = WorkKind.TRANSCRIPTION

    @ray.method(concurrency_group="infer")
    async def transcribe(self, request: Transcribe, lease_id: str) -> Transcript:
        """Return the words of one utterance, transcribed together with what else waits."""
        transcript = await self._thread.transcribe(request)
        self._completion.send(lease_id)
        return transcript


class TtsActor(_SpeechActor):
    """A `TtsWorker` as an actor."""

    kind = WorkKind.SYNTHESIS

    @ray.method(concurrency_group="control")
    async def prepare(self, engines: tuple[FurtherEngine, ...]) -> dict[str, str]:
        """Load further engines; return for each that cannot be used the reason."""
        return await self._thread.prepare(engines)

    @ray.method(concurrency_group="infer")
    async def synthesize(self, request: Synthesize, lease_id: str) -> AsyncGenerator[bytes, None]:
        """Yield one sentence's pieces."""
        async with aclosing(self._thread.synthesize(request)) as pieces:
            async for piece in pieces:
                yield piece
        self._completion.send(lease_id)


class RemoteWorkers:
    """The workers' actors as `Workers`."""

    async def check_leased(self, lease: Lease) -> None:
        """Raise WorkerLostError if the leased worker does not answer at once."""
        await call(lease.worker.check, deadline_s=CHECK_DEADLINE_S)

    async def transcribe(self, lease: Lease, request: Transcribe) -> Transcript:
        """Transcribe on the leased worker. Raises EngineError or WorkerLostError."""
        transcript: Transcript = await call(lease.worker.transcribe, request, lease.lease_id)
        return transcript

    async def synthesize(self, lease: Lease, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Yield the sentence's pieces from the leased worker. Raises EngineError or WorkerLostError."""
        method = lease.worker.synthesize.options(
            num_returns="streaming", _generator_backpressure_num_objects=UNCONSUMED_PIECES
        )
        stream = None
        try:
            with border("the worker"):
                stream = method.remote(request, lease.lease_id)
                async for reference in stream:
                    yield await reference
            stream = None
        finally:
            if stream is not None:
                cancel(stream)
