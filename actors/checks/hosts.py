"""Addresses to listen on."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    An IPv4 address may be in IPv6 form (`::ffff:127.0.0.1`), an IPv6 address may have a zone (`::1%lo`). Of
    names `localhost` alone counts, in any case: others are not resolved.
    """
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback
