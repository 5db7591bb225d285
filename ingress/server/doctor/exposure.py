"""What others can reach: binds, networks that may connect, Ray."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil

from actors.checks.hosts import is_loopback
from actors.machine.control_groups import read
from actors.machine.processes import arguments
from ingress.access.networks import public_binds
from ingress.gateway.ranks import is_of_ray
from ingress.server.binds import hosts
from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host

RAY_PARTS = ("ray/dashboard", "ray/_private", "ray/autoscaler", "ray.util.client.server", "ray/util/client")
"""In the command lines of Ray's own Python programs."""
NAMED_PORTS = 6
"""In one line."""

binds = Subject("binds")
ray = Subject("ray")


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket of a process."""

    number: int
    """Of the process."""
    address: str
    port: int


def public(host: Host) -> Iterator[Finding]:
    """Yield the binds that more than private networks can reach, and networks of all addresses."""
    found = list(public_binds(hosts(host.settings)))
    for bind in found:
        yield binds.warning(bind.problem, bind.remedy, bind.setting)
    whole = [each for each in host.settings.access.networks if ipaddress.ip_network(each).prefixlen == 0]
    if whole:
        yield binds.warning(
            f"access.networks has {', '.join(whole)}: every address may connect",
            "name the networks of your PBXs alone",
            "access.networks",
        )
    if not found and not whole:
        yield binds.ok("loopback and private addresses only")


def of_ray(host: Host) -> Iterator[Finding]:
    """Yield which ports of Ray's processes others can reach."""
    yield from judged(host, list(_listeners()))
    address = host.settings.fleet.ray_address
    if host.settings.fleet.backend == "ray" and address and host.environment.get("RAY_AUTH_MODE") != "token":
        yield ray.warning(
            f"the Ray at {address} is joined without a token: all who reach it can run programs there",
            "set RAY_AUTH_MODE=token on all its machines and for `raymal serve` (docs/security.md)",
            "RAY_AUTH_MODE",
        )


def judged(host: Host, listeners: Iterable[Listener]) -> Iterator[Finding]:
    """Yield what the listening sockets of Ray's processes mean."""
    is_ray = {number for number in host.processes if _is_of_ray(host, number)}
    open_to_others = [
        listener for listener in listeners if listener.number in is_ray and not is_loopback(listener.address)
    ]
    if not is_ray:
        yield ray.ok("no Ray runs here")
    elif not open_to_others:
        others = "" if os.geteuid() == 0 else " that this user may see"
        yield ray.ok(f"its {len(is_ray)} processes listen on loopback only, on all ports{others}")
    for has_token in (False, True):
        those = [each for each in open_to_others if _has_token(host, each.number) is has_token]
        if not those:
            continue
        ports = [f"{each.address}:{each.port}" for each in those[:NAMED_PORTS]]
        ports += [f"and {len(those) - NAMED_PORTS} more"] if len(those) > NAMED_PORTS else []
        what = f"{len(those)} ports are open beyond this machine"
        firewall = "let a firewall pass them between the cluster's machines alone"
        if has_token:
            yield ray.warning(
                f"{what}; they ask for a token, and nothing is encrypted", firewall, ", ".join(ports)
            )
        else:
            yield ray.wrong(
                f"{what}, and ask for no token: all who reach them can run programs here",
                f"start Ray with RAY_AUTH_MODE=token, and {firewall}",
                ", ".join(ports),
            )


def _listeners() -> Iterator[Listener]:
    """Yield the listening sockets whose process this user may know."""
    try:
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.pid is not None and found.laddr:
                yield Listener(found.pid, found.laddr[0], found.laddr[1])
    except (psutil.Error, OSError):
        return


def _is_of_ray(host: Host, number: int) -> bool:
    if is_of_ray(host.processes[number].name):
        return True
    written = arguments(number, host.root)
    return any(part in argument for argument in written[:3] for part in RAY_PARTS)


def _has_token(host: Host, number: int) -> bool:
    """Whether a process was started with Ray's tokens; its own may be all that is known."""
    return "RAY_AUTH_MODE=token" in read(host.root / "proc" / str(number) / "environ").split("\0")
