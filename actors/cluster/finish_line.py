"""From a worker straight to the manager: the work of a lease is done.

The holder's own report says so as well, but it takes the way over the ingress; until then the slot would
stand idle while somebody waits. Told by the worker, it is lent again one hop sooner. Nothing depends on it:
a word that is lost is made up for by the report.
"""

from __future__ import annotations

import asyncio
from typing import Any

import ray
from ray.exceptions import RayError

from actors.cluster.connection import MANAGER_NAME


class FinishLine:
    """A worker's way to the manager of its namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._manager: Any = None
        self._telling: set[asyncio.Task[None]] = set()
        """As many as leases end while the manager does not answer: no more than it has granted."""

    def tell(self, lease_id: str) -> None:
        """Say that the lease's work is done; never waits."""
        task = asyncio.get_running_loop().create_task(self._tell(lease_id), name=f"finish {lease_id}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, lease_id: str) -> None:
        try:
            if self._manager is None:
                self._manager = await asyncio.to_thread(
                    ray.get_actor, MANAGER_NAME, namespace=self._namespace
                )
            await self._manager.finish.remote(lease_id)
        except (ValueError, RayError):  # there is none now; the next one is found anew
            self._manager = None
