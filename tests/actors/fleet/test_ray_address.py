"""What may be written as the address of a Ray."""

from __future__ import annotations

import pytest

from actors.errors import ConfigurationError
from actors.fleet.ray_address import check_ray_address


@pytest.mark.parametrize("address", ["auto", "10.0.0.1:6379", "head.example:6379", "[fd00::1]:6379"])
def test_addresses_that_are_dialled(address: str) -> None:
    """`auto`, or a host and a port."""
    check_ray_address(address)


@pytest.mark.parametrize("address", ["local", "LOCAL", "Local"])
def test_local_is_refused(address: str) -> None:
    """Ray would start one by itself, on all addresses."""
    with pytest.raises(ConfigurationError, match=r"without the limits of a PBX; leave it unset.*RAY_ADDRESS"):
        check_ray_address(address)


def test_the_ray_client_is_refused() -> None:
    """With the reason."""
    with pytest.raises(ConfigurationError, match="is a Ray Client address"):
        check_ray_address("ray://10.0.0.1:10001")


@pytest.mark.parametrize(
    "address",
    [
        "",
        " auto",
        "AUTO",
        "auto:6379x",
        "10.0.0.1",
        "10.0.0.1:",
        ":6379",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "fd00::1:6379",
        "local://",
        "anyscale://x",
        "http://10.0.0.1:6379",
        "10.0.0.1:6379/x",
        "a b:6379",
        "10.0.0.1:6379\n",
        "h:٦٣٧٩",
    ],
)
def test_anything_else_is_refused(address: str) -> None:
    """Before Ray makes something of it."""
    with pytest.raises(
        ConfigurationError, match=r"^fleet\.ray_address: .* is no address of a Ray; give `auto`"
    ):
        check_ray_address(address)
