"""Being a driver of a Ray cluster, and Ray's exceptions turned into ours at one border.

A task is never repeated by Ray (`max_task_retries=0`): the pool decides. `wait_for` would leave the task
running in the actor, so giving up is always `ray.cancel`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, AuthenticationError, RayError, RayTaskError

from actors.cluster.finding import TOKEN, RayAbsentError, absent, find_head
from actors.cluster.threads import in_thread
from actors.errors import ConfigurationError, RaymalError, WorkerLostError
from actors.settings import FleetSettings

CONTROL_DEADLINE_S = 5.0
"""For a question that the other side answers from memory."""

CONNECT_RETRY_S = 0.5

JOIN_DEADLINE_S = 10.0
"""For a head that lives to let a process join, however little time is left."""

MANAGER_NAME = "raymal-manager"
"""Of the resource manager's actor, in each namespace."""


async def connect(fleet: FleetSettings, on_wait: Callable[[str], None] = lambda reason: None) -> bool:
    """Make this process a driver of the Ray at `fleet.ray_address`. False: it was one before.

    Tries for `fleet.worker_start_deadline_s`: a head that is just starting needs some seconds. `on_wait` is
    called with the reason of each failed try. Raises ConfigurationError.
    """
    deadline = time.monotonic() + fleet.worker_start_deadline_s
    while True:
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), JOIN_DEADLINE_S)):
                return await join(fleet)
        except RayAbsentError as error:
            if time.monotonic() + CONNECT_RETRY_S > deadline:
                raise ConfigurationError(str(error)) from None
            on_wait(error.reason)
        except TimeoutError:
            raise ConfigurationError(
                f"fleet.ray_address: the head at {fleet.ray_address!r} answered, but this process could not "
                "join: does Ray run on this machine, too?"
            ) from None
        await asyncio.sleep(CONNECT_RETRY_S)


async def join(fleet: FleetSettings) -> bool:
    """Make this process a driver of the Ray at `fleet.ray_address`. False: it was one before.

    Tries once; the deadline is the caller's. Raises ConfigurationError, as RayAbsentError where a Ray may
    still start.
    """
    if ray.is_initialized():
        return False
    address = fleet.ray_address
    if address is None:
        raise ConfigurationError("fleet.ray_address: needed to join a Ray; give `auto` or host:port")
    try:
        await in_thread(_init, await find_head(address), fleet.ray_namespace)
    except AuthenticationError as error:
        raise ConfigurationError(f"Ray at {address} needs a token ({TOKEN}): {_first(error)}") from None
    except (OSError, RayError, RuntimeError, ValueError) as error:
        raise absent(address, _first(error)) from None
    return True


async def leave(deadline_s: float) -> None:
    """Stop being a driver; after the deadline, without Ray's consent."""
    with suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            await in_thread(ray.shutdown)


def _init(address: str, namespace: str) -> None:
    chatter = logging.getLogger("ray")
    level = chatter.level
    chatter.setLevel(logging.ERROR)  # it would warn that it cannot set a SIGTERM handler, as intended
    try:
        ray.init(address=address, namespace=namespace, log_to_driver=False, configure_logging=False)
    finally:
        chatter.setLevel(level)


def _first(error: Exception) -> str:
    """Return the first line of a message; all in one if that only announces the others."""
    first = str(error).partition("\n")[0]
    return " ".join(str(error).split()) if first.endswith(":") else first


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
