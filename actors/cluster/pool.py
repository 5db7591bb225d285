"""A `SpeechPool` on a Ray cluster, and its end.

One namespace holds the resource manager, which starts and checks the workers, and the two kinds of worker,
all of them detached, named actors.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import ray

from actors.cluster.connection import CONNECT_RETRY_S, connect, leave
from actors.cluster.manager import RemoteManager
from actors.cluster.workers import RemoteWorkers
from actors.engines.registry import check_names
from actors.errors import ConfigurationError, WorkerLostError
from actors.machine.limits import physical_cores
from actors.pool.registration import IngressStarted
from actors.pool.speech_pool import SpeechPool
from actors.settings import AdmissionSettings, FleetSettings, SpeechSettings, ThrottleSettings

LEAVE_DEADLINE_S = 3.0


class ClusterPool(SpeechPool):
    """A `SpeechPool` on a Ray cluster. This process becomes a Ray driver."""

    def __init__(
        self,
        speech: SpeechSettings,
        fleet: FleetSettings,
        ingress_id: str,
        admission: AdmissionSettings | None = None,
        throttle: ThrottleSettings | None = None,
    ) -> None:
        """`fleet.ray_address` says where Ray is: `auto` or host:port."""
        rules = admission or AdmissionSettings(), throttle or ThrottleSettings()
        ingress = IngressStarted(
            ingress_id, "", speech, fleet, *rules, physical_cores=float(physical_cores())
        )
        super().__init__(RemoteManager(fleet.ray_namespace), RemoteWorkers(), ingress)
        self._speech = speech
        self._fleet = fleet
        self._connected = False

    async def start(self) -> None:
        """Connect, find or create the manager, register. Workers start in the background.

        Tries until `fleet.worker_start_deadline_s`, then raises ConfigurationError: a Ray head that is
        just starting needs some seconds. Runs `ray.init` off the main thread, where it leaves the
        process's SIGTERM handler alone.
        """
        check_names(self._speech)
        deadline = time.monotonic() + self._fleet.worker_start_deadline_s
        self._connected = await connect(self._fleet, lambda reason: self.on_wait(reason))
        node_id = ray.get_runtime_context().get_node_id()
        self._ingress = replace(self._ingress, node_id=node_id)
        while True:
            try:
                return await super().start()
            except WorkerLostError as error:
                if time.monotonic() > deadline:
                    raise ConfigurationError(f"Ray runs, but {error}") from None
                self.on_wait(str(error))
                await asyncio.sleep(CONNECT_RETRY_S)

    async def close(self) -> None:
        """Give back everything this ingress holds and disconnect. Idempotent."""
        await super().close()
        if self._connected:
            self._connected = False
            await leave(LEAVE_DEADLINE_S)
