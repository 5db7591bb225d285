"""Being a driver of a Ray cluster, and Ray's exceptions turned into ours at one border.

A task is never repeated by Ray (`max_task_retries=0`): the pool decides. `wait_for` would leave the task
running in the actor, so giving up is always `ray.cancel`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, AuthenticationError, RayError, RayTaskError

from actors.errors import ConfigurationError, RaymalError, WorkerLostError
from actors.settings import FleetSettings

CONTROL_DEADLINE_S = 5.0
"""For a question that the other side answers from memory."""

CONNECT_RETRY_S = 0.5

MANAGER_NAME = "raymal-manager"
"""Of the resource manager's actor, in each namespace."""


async def connect(fleet: FleetSettings) -> bool:
    """Make this process a driver of the Ray at `fleet.ray_address`. False: it was one before.

    Raises ConfigurationError if no Ray answers within `fleet.worker_start_deadline_s`.
    """
    if ray.is_initialized():
        return False
    if fleet.ray_address is None:
        raise ConfigurationError("fleet.ray_address: needed to join a Ray; give `auto` or host:port")
    if fleet.ray_address.startswith("ray://"):
        raise ConfigurationError(
            f"fleet.ray_address: {fleet.ray_address!r} is a Ray Client address, whose calls are far "
            "slower; run Ray on this machine as a node of the cluster and give `auto` or host:port"
        )
    deadline = time.monotonic() + fleet.worker_start_deadline_s
    while True:
        try:
            await _probe(fleet.ray_address)
            await asyncio.to_thread(_init, fleet)
            return True
        except AuthenticationError as error:
            raise ConfigurationError(f"Ray at {fleet.ray_address} refused the token: {error}") from None
        except (OSError, RayError, RuntimeError, ValueError) as error:
            if time.monotonic() > deadline:
                # Ray reports a wrong token as it reports no Ray.
                reason = str(error).partition("\n")[0]
                raise ConfigurationError(
                    f"fleet.ray_address: no Ray answered at {fleet.ray_address!r} within "
                    f"{fleet.worker_start_deadline_s:g} s ({reason}). Start one with `ray start --head`, "
                    "or run without Ray: --no-ray. If it runs, give this process its token: "
                    "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
                ) from None
        await asyncio.sleep(CONNECT_RETRY_S)


async def _probe(address: str) -> None:
    """Raise OSError if nothing listens there: `ray.init` would try for a minute and end the process."""
    host, separator, port = address.rpartition(":")
    if not separator:
        return
    async with asyncio.timeout(CONTROL_DEADLINE_S):
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.close()


def _init(fleet: FleetSettings) -> None:
    chatter = logging.getLogger("ray")
    level = chatter.level
    chatter.setLevel(logging.ERROR)  # it would warn that it cannot set a SIGTERM handler, as intended
    try:
        ray.init(
            address=fleet.ray_address,
            namespace=fleet.ray_namespace,
            log_to_driver=False,
            configure_logging=False,
        )
    finally:
        chatter.setLevel(level)


class UnavailableError(WorkerLostError):
    """Ray is restarting the actor, or cannot reach it for the moment."""


@contextmanager
def border(who: str) -> Iterator[None]:
    """Turn Ray's exceptions into ours."""
    try:
        yield
    except RayTaskError as error:
        # What an actor raised on purpose comes out as it went in.
        if isinstance(error.cause, RaymalError):
            raise error.cause from None
        raise WorkerLostError(f"{who} failed: {type(error.cause).__name__}") from None
    except ActorUnavailableError:
        raise UnavailableError(f"{who} is not reachable for the moment") from None
    except RayError as error:
        raise WorkerLostError(f"{who} is lost: {type(error).__name__}") from None


async def call(method: Any, *arguments: Any, deadline_s: float | None = None) -> Any:
    """Call an actor's method. Given up, by deadline or cancellation, the actor's task is cancelled."""
    reference = None
    try:
        with border("the actor"):
            reference = method.remote(*arguments)
            async with asyncio.timeout(deadline_s):
                answer = await reference
        reference = None
        return answer
    except TimeoutError:
        raise WorkerLostError(f"no answer within {deadline_s:g} s") from None
    finally:
        if reference is not None:
            cancel(reference)


def cancel(task: Any) -> None:
    with suppress(RayError, ValueError, RuntimeError):  # it has ended, or Ray has
        ray.cancel(task)


def live_nodes() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]


def actor_names(namespace: str) -> list[str]:
    actors = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in actors if actor["namespace"] == namespace]


def kill_actor(name: str, namespace: str) -> None:
    with suppress(ValueError, RayError):  # there is none
        ray.kill(ray.get_actor(name, namespace=namespace), no_restart=True)
