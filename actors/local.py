"""The pools inside this process, without Ray: for a laptop, a small PBX, and most tests.

The same manager and the same workers as in a cluster; a worker is a thread. Engines spend their time in
native code that releases the interpreter, so threads do use the cores, but a crash in one takes the
process with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from actors.engines.registry import check_machine
from actors.fleet.fleet import WorkerSpec
from actors.fleet.sizing import NodeResources
from actors.machine.limits import limits
from actors.manager.resource_manager import ResourceManager
from actors.messages import FurtherEngine, Lease, Synthesize, Transcribe, Transcript
from actors.pool.registration import IngressStarted
from actors.pool.speech_pool import SpeechPool
from actors.settings import AdmissionSettings, FleetSettings, SpeechSettings, ThrottleSettings
from actors.workers.worker_thread import WorkerThread, speech_thread

NODE_ID = "this-machine"


def this_machine() -> NodeResources:
    """Return the cores, memory and NVIDIA GPUs that this process may use."""
    own = limits()
    return NodeResources(
        node_id=NODE_ID,
        cpus=own.cpus,
        physical_cores=own.cores,
        memory_bytes=own.memory_bytes,
        gpus=float(len(list(Path("/dev").glob("nvidia[0-9]*")))),
    )


class LocalWorkers:
    """Workers as threads: their launcher, and `Workers` for a pool."""

    def __init__(self) -> None:
        self._threads: dict[str, WorkerThread] = {}

    async def nodes(self) -> Sequence[NodeResources]:
        """Return this machine."""
        return [this_machine()]

    async def ensure(self, spec: WorkerSpec) -> WorkerThread:
        """Return the worker's thread once it has loaded its model and is idle."""
        thread = self._threads.get(spec.worker_id)
        if thread is None:
            thread = speech_thread(spec.kind, spec.speech, spec.worker_id, spec.slots)
            self._threads[spec.worker_id] = thread
        await thread.idle()
        return thread

    async def prepare(self, worker: WorkerThread, engines: Sequence[FurtherEngine]) -> Mapping[str, str]:
        """Have a text-to-speech worker load further engines; return why some cannot be used."""
        return await worker.prepare(engines)

    async def check(self, worker: WorkerThread) -> None:
        """Raise WorkerLostError if the thread was stopped: it ends in no other way."""
        worker.check()

    async def stop(self, worker_id: str) -> None:
        """End the worker's thread; one that hangs in native code stays until the process ends."""
        thread = self._threads.pop(worker_id, None)
        if thread is not None:
            thread.stop()

    async def running(self) -> Collection[str]:
        """Return the ids of all workers."""
        return list(self._threads)

    async def check_leased(self, lease: Lease) -> None:
        """Raise WorkerLostError if the leased worker's thread was stopped."""
        await self.check(lease.worker)

    async def transcribe(self, lease: Lease, request: Transcribe) -> Transcript:
        """Transcribe on the leased worker. Raises EngineError or WorkerLostError."""
        thread: WorkerThread = lease.worker
        return await thread.transcribe(request)

    def synthesize(self, lease: Lease, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Yield the sentence's pieces from the leased worker. Raises EngineError or WorkerLostError."""
        thread: WorkerThread = lease.worker
        return thread.synthesize(request)


class LocalPool(SpeechPool):
    """A `SpeechPool` in this process, with a manager of its own."""

    def __init__(
        self,
        speech: SpeechSettings,
        fleet: FleetSettings,
        ingress_id: str,
        admission: AdmissionSettings | None = None,
        throttle: ThrottleSettings | None = None,
    ) -> None:
        workers = LocalWorkers()
        self._resource_manager = ResourceManager(workers)
        self._speech = speech
        rules = admission or AdmissionSettings(), throttle or ThrottleSettings()
        ingress = IngressStarted(ingress_id, NODE_ID, speech, fleet, *rules)
        super().__init__(self._resource_manager, workers, ingress)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Plan and start the workers. Returns before they are ready; raises ConfigurationError."""
        check_machine(self._speech)
        await super().start()
        self._running = asyncio.create_task(self._resource_manager.run(), name="resource manager")

    async def close(self) -> None:
        """End all work and stop the workers. Idempotent."""
        await super().close()
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await self._resource_manager.close()
