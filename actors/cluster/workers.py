"""The speech workers as actors, and the way to them.

A worker's requests run in its concurrency group `infer`, which is as large as the worker has slots, as
coroutines that wait for the worker's thread; each group has an event loop of its own, so `control` answers
meanwhile. `ray.cancel` cancels the coroutine: the request ends at once, and the thread is told to stop
after its current step.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError

from actors.cluster.connection import border, call, cancel
from actors.cluster.finish_line import FinishLine
from actors.errors import WorkerLostError
from actors.messages import Lease, Synthesize, Transcribe, Transcript
from actors.settings import SpeechSettings
from actors.workers.stt_worker import SttWorker
from actors.workers.tts_worker import TtsWorker
from actors.workers.worker_thread import SYNTHESIS_NICENESS, WorkerThread

UNCONSUMED_PIECES = 16
"""A synthesis pauses when its asker is this many pieces behind."""


class SttActor:
    """An `SttWorker` as an actor."""

    def __init__(self, worker_id: str, namespace: str, speech: SpeechSettings, slots: int = 1) -> None:
        self._thread = WorkerThread(partial(SttWorker, speech), worker_id, slots)
        self._finish_line = FinishLine(namespace)

    @ray.method(concurrency_group="control")
    async def idle(self) -> None:
        """Return once the model is loaded and what was asked before is done. Raises what loading raised."""
        await self._thread.idle()

    @ray.method(concurrency_group="infer")
    async def transcribe(self, request: Transcribe, lease_id: str) -> Transcript:
        """Return the words of one utterance, transcribed together with what else waits."""
        transcript = await self._thread.transcribe(request)
        self._finish_line.tell(lease_id)
        return transcript


class TtsActor:
    """A `TtsWorker` as an actor."""

    def __init__(self, worker_id: str, namespace: str, speech: SpeechSettings, slots: int = 1) -> None:
        self._thread = WorkerThread(partial(TtsWorker, speech), worker_id, slots, SYNTHESIS_NICENESS)
        self._finish_line = FinishLine(namespace)

    @ray.method(concurrency_group="control")
    async def idle(self) -> None:
        """Return once the model is loaded and what was asked before is done. Raises what loading raised."""
        await self._thread.idle()

    @ray.method(concurrency_group="infer")
    async def synthesize(self, request: Synthesize, lease_id: str) -> AsyncGenerator[bytes, None]:
        """Yield one sentence's pieces."""
        async with aclosing(self._thread.synthesize(request)) as pieces:
            async for piece in pieces:
                yield piece
        self._finish_line.tell(lease_id)


class RemoteWorkers:
    """The workers' actors as `Workers`."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._actors: dict[str, Any] = {}

    async def transcribe(self, lease: Lease, request: Transcribe) -> Transcript:
        """Transcribe on the leased worker. Raises EngineError or WorkerLostError."""
        actor = await self._actor(lease.worker_id)
        transcript: Transcript = await call(actor.transcribe, request, lease.lease_id)
        return transcript

    async def synthesize(self, lease: Lease, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Yield the sentence's pieces from the leased worker. Raises EngineError or WorkerLostError."""
        actor = await self._actor(lease.worker_id)
        method = actor.synthesize.options(
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

    async def _actor(self, worker_id: str) -> Any:
        if worker_id not in self._actors:
            try:
                self._actors[worker_id] = await asyncio.to_thread(
                    ray.get_actor, worker_id, namespace=self._namespace
                )
            except (ValueError, RayError):
                raise WorkerLostError(f"there is no worker {worker_id}") from None
        return self._actors[worker_id]
