"""Where a Ray is and whether its head lives, asked before it is joined.

`ray.init` is only called where a head has answered: it tries for a minute where none does, ends the process
then, and cannot be called again while it tries. What is asked first, and what follows from the answer:

| at the address | then |
|---|---|
| a head that lives and accepts our token | it can be joined |
| a head that refuses it; a Ray that a server started for itself | an error at once |
| nothing, something else, a head that is stopped | an error that says so; asked again if it may still start |
"""

from __future__ import annotations

import grpc
from ray._private import services
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated.gcs_service_pb2 import CheckAliveRequest  # type: ignore[attr-defined]
from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

from actors.checks.hosts import is_loopback
from actors.cluster.threads import in_thread
from actors.errors import ConfigurationError
from actors.fleet.ray_address import check_ray_address

PROBE_DEADLINE_S = 2.0
"""For a head to say that it lives; it answers from memory."""

PRIVATE_RAY = (
    "fleet.ray_address: the Ray at {address} belongs to a `raymal serve` that started it for itself; "
    "`raymal status` shows its workers. Others need a Ray of their own: README, Grow"
)
TOKEN = "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"


class RayAbsentError(ConfigurationError):
    """No Ray answers at the address, yet."""

    reason = ""
    """What is there instead."""


async def find_head(address: str) -> str:
    """Return host:port of the living head at `address`: `auto` or host:port.

    Raises ConfigurationError, as RayAbsentError where a Ray may still start; RayError for a token that cannot
    be read. At the latest after `PROBE_DEADLINE_S` and a look at this machine's processes.
    """
    check_ray_address(address)
    try:
        found = await in_thread(_locate, address)
        await in_thread(_ask, found)
    except (OSError, ValueError) as error:
        raise absent(address, str(error)) from None
    except grpc.RpcError as error:
        raise _meaning(error, address, found) from None
    return found


def absent(address: str, reason: str) -> RayAbsentError:
    """Return the error with its remedy."""
    error = RayAbsentError(
        f"fleet.ray_address: no Ray answered at {address!r}: {reason}. Start one (README, Grow), "
        "or run without Ray: --no-ray"
    )
    error.reason = reason
    return error


def _locate(address: str) -> str:
    """Return host:port as Ray itself dials it: it replaces 127.0.0.1 by an outward address. Blocks."""
    running: set[str] = services.find_gcs_addresses()  # type: ignore[no-untyped-call]
    if address != "auto":
        dialled = str(services.canonicalize_bootstrap_address(address))
        if dialled != address and address in running:
            raise ConfigurationError(PRIVATE_RAY.format(address=address))
        return dialled
    # Not by Ray's own search: it prefers what RAY_ADDRESS says, which a flag has overruled here.
    shared = sorted(found for found in running if not _is_loopback(found))
    recorded: str | None = services.find_bootstrap_address(None)
    if recorded in shared:
        return str(recorded)
    if len(shared) > 1:
        raise ConfigurationError(f"fleet.ray_address: several Rays run here: name one of {', '.join(shared)}")
    if shared:
        return shared[0]
    if running:
        raise ConfigurationError(PRIVATE_RAY.format(address=", ".join(sorted(running))))
    if recorded is None:
        raise ConnectionError("no Ray runs on this machine")
    return recorded  # its head has ended, or is starting again


def _is_loopback(address: str) -> bool:
    return is_loopback(address.rpartition(":")[0].strip("[]"))


def _ask(address: str) -> None:
    """Return if a head at host:port lives and accepts our token. Blocks; raises grpc.RpcError."""
    # As Ray itself: no proxy of the environment between two machines of a cluster.
    with init_grpc_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        head = NodeInfoGcsServiceStub(channel)  # type: ignore[no-untyped-call]
        head.CheckAlive(CheckAliveRequest(), timeout=PROBE_DEADLINE_S)


def _meaning(error: grpc.RpcError, address: str, found: str) -> ConfigurationError:
    """Return what the answer of what listens at `found` means."""
    match error.code():
        case grpc.StatusCode.UNAUTHENTICATED if _is_loopback(found):
            return ConfigurationError(PRIVATE_RAY.format(address=found))
        case grpc.StatusCode.UNAUTHENTICATED:
            return ConfigurationError(f"Ray at {address} refused the token: give this process {TOKEN}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            reason = f"no answer within {PROBE_DEADLINE_S:g} s"
        case grpc.StatusCode.UNAVAILABLE if "HTTP/2" not in error.details():
            reason = error.details().rpartition(": ")[2].strip("[]")  # the system's own words
        case _:
            reason = "what listens there is not the head of a Ray"
    return absent(address, reason if found == address else f"{found}: {reason}")
