"""Which addresses may connect, what limits count as one address, and which binds the public can reach.

| written or seen | taken as |
|---|---|
| an IPv4 address in IPv6 form (`::ffff:192.0.2.1`), as a dual-stack socket reports it | `192.0.2.1` |
| a network in that form (`::ffff:10.0.0.0/104`) | `10.0.0.0/8` |
| an IPv6 address with a zone (`fe80::1%eth0`) | the address without the zone |
| an address without a prefix, as a network | that address alone |
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "169.254.0.0/16",
    "fe80::/10",
)
"""Loopback, private (RFC 1918, RFC 4193) and link local (RFC 3927, RFC 4291)."""
MAPPED_BITS = 96
"""Of the 128 of an IPv4 address in IPv6 form, those before the 32 of its own (RFC 4291, 2.5.5.2)."""
HOST_NETWORK_BITS = 64
"""An IPv6 machine may use any address of its network of so many bits (RFC 4291, 2.5.1)."""


class Networks:
    """A set of networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network(written)) for written in networks)

    def __repr__(self) -> str:
        return f"<Networks {', '.join(map(str, self._networks))}>"

    def holds(self, address: str) -> bool:
        """Return whether an address is in one of the networks; what is no address is in none."""
        found = parsed(address)
        return found is not None and any(
            found in network for network in self._networks if network.version == found.version
        )


def network(written: str) -> str:
    """Return a network as it is kept. Raises ValueError that says what would be right."""
    try:
        found = ipaddress.ip_network(written, strict=False)
    except ValueError:
        raise ValueError(
            f"{written!r} is no network; write an address and its prefix, such as 10.0.0.0/8 or fd00::/8"
        ) from None
    if ipaddress.ip_address(written.partition("/")[0]) != found.network_address:
        raise ValueError(f"{written!r} is an address inside a network; write {found} for the network")
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is not None and found.prefixlen >= MAPPED_BITS:
        found = ipaddress.IPv4Network((mapped, found.prefixlen - MAPPED_BITS))
    return str(found)


def plain(address: str) -> str:
    """Return an address as it is compared and logged; text that is no address stays as it is."""
    found = parsed(address)
    return address if found is None else str(found)


def origin(address: str) -> str:
    """Return what the limits of one address count by: the address; of IPv6 its network of 64 bits."""
    found = parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, HOST_NETWORK_BITS), strict=False))
    return address if found is None else str(found)


@dataclass(frozen=True, slots=True)
class PublicBind:
    """A setting that opens a port to more than private networks."""

    setting: str
    host: str

    remedy: ClassVar[str] = (
        "set 127.0.0.1 or a private interface's address, or have a firewall let only your machines through"
    )

    @property
    def problem(self) -> str:
        """What is open."""
        whole = parsed(self.host)
        reach = "every network of this machine" if whole and whole.is_unspecified else "the public"
        return f"{self.setting} = {self.host}: {reach} can reach this port, which has no encryption"

    def describe(self) -> str:
        """Return what is open and what to do, on one line."""
        return f"{self.problem}; {self.remedy}"


def public_binds(hosts: Mapping[str, str]) -> Iterator[PublicBind]:
    """Yield the binds that are not private. `hosts`: the address that each setting binds.

    A name is not judged: resolve it first.
    """
    private = Networks(PRIVATE_NETWORKS)
    for setting, host in hosts.items():
        if parsed(host) is not None and not private.holds(host):
            yield PublicBind(setting, host)


def parsed(text: str) -> Address | None:
    """Return an address as it is compared; None: the text is no address."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
