"""A look at a fleet from outside: what its manager knows, without being one of its ingresses."""

from __future__ import annotations

import asyncio

import ray

from actors.cluster.connection import CONTROL_DEADLINE_S, MANAGER_NAME, border, call, connect
from actors.errors import WorkerLostError
from actors.settings import FleetSettings
from actors.status import FleetStatus


async def fleet_status(fleet: FleetSettings) -> FleetStatus:
    """Ask the manager of `fleet.ray_namespace` how the fleet does. Starts nothing.

    Raises ConfigurationError if no Ray answers at `fleet.ray_address`, WorkerLostError if no manager runs
    there or it does not answer.
    """
    connected = await connect(fleet)
    try:
        with border("the resource manager"):
            try:
                manager = await asyncio.to_thread(ray.get_actor, MANAGER_NAME, namespace=fleet.ray_namespace)
            except ValueError:
                raise WorkerLostError(
                    f"no resource manager runs in namespace {fleet.ray_namespace!r} of the Ray at "
                    f"{fleet.ray_address}: no server has used it yet, or one in another namespace"
                ) from None
        status: FleetStatus = await call(manager.status, deadline_s=CONTROL_DEADLINE_S)
        return status
    finally:
        if connected:
            await asyncio.to_thread(ray.shutdown)
