"""A fleet from outside: its status and its end, for commands that are none of its ingresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import ray

from actors.cluster.connection import (
    MANAGER_NAME,
    actor_names,
    border,
    call,
    join,
    kill_actor,
    leave,
)
from actors.cluster.threads import in_thread
from actors.errors import WorkerLostError
from actors.fleet.fleet import PREFIXES
from actors.settings import FleetSettings
from actors.status import FleetStatus

LEAVE_DEADLINE_S = 1.0
"""Beyond the command's own deadline."""


async def fleet_status(fleet: FleetSettings) -> FleetStatus:
    """Ask the manager of `fleet.ray_namespace` how its fleet does. Starts nothing.

    Raises ConfigurationError if no Ray answers at `fleet.ray_address`, WorkerLostError if no manager runs
    there, or all this takes longer than `fleet.worker_start_deadline_s`.
    """
    async with _connected(fleet):
        with border("the resource manager"):
            try:
                manager = await in_thread(partial(ray.get_actor, MANAGER_NAME, namespace=fleet.ray_namespace))
            except ValueError:
                raise WorkerLostError(
                    f"no resource manager runs in namespace {fleet.ray_namespace!r} of the Ray at "
                    f"{fleet.ray_address}: no server has used it yet, or one in another namespace"
                ) from None
        status: FleetStatus = await call(manager.status)
        return status


async def stop_fleet(fleet: FleetSettings) -> int:
    """Remove the manager and all workers of `fleet.ray_namespace`; return how many actors there were.

    Raises as `fleet_status`.
    """
    async with _connected(fleet):
        names = await in_thread(actor_names, fleet.ray_namespace)
        ours = [name for name in names if name.startswith((MANAGER_NAME, *PREFIXES.values()))]
        # The manager first: it would start the workers again.
        for name in sorted(ours, key=lambda name: name != MANAGER_NAME):
            await in_thread(kill_actor, name, fleet.ray_namespace)
        return len(ours)


@asynccontextmanager
async def _connected(fleet: FleetSettings) -> AsyncIterator[None]:
    """Be a driver for the block, and afterwards none if there was none before.

    Raises WorkerLostError if joining and the block together take longer than `fleet.worker_start_deadline_s`.
    """
    has_connected = False
    try:
        async with asyncio.timeout(fleet.worker_start_deadline_s):
            has_connected = await join(fleet)
            yield
    except TimeoutError:
        raise WorkerLostError(
            f"the Ray at {fleet.ray_address} did not answer within {fleet.worker_start_deadline_s:g} s"
        ) from None
    finally:
        if has_connected:
            await leave(LEAVE_DEADLINE_S)
