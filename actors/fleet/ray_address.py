"""Which addresses of a Ray may be written: `auto` or host:port, and nothing that Ray takes for a command."""

from __future__ import annotations

import re

from actors.errors import ConfigurationError

HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
GIVE = "give `auto` or host:port of a Ray that runs on this machine, too"


def check_ray_address(address: str) -> None:
    """Raise ConfigurationError unless `address` is `auto` or host:port.

    `local` would have Ray start one by itself: open to the network, a third of the memory for its store.
    """
    if address == "auto":
        return
    written = HOST_AND_PORT.fullmatch(address)
    if written and 0 < int(written[2]) < 65_536:
        return
    if address.startswith("ray://"):
        reason = f"is a Ray Client address, whose calls are far slower; {GIVE}"
    elif address.lower() == "local":
        reason = f"would start a Ray without the limits of a PBX; leave it unset for a private Ray, or {GIVE}"
    else:
        reason = f"is no address of a Ray; {GIVE}"
    raise ConfigurationError(
        f"fleet.ray_address: {address!r} {reason} (--ray-address and the variable RAY_ADDRESS set it)"
    )
