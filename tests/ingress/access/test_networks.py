"""Networks that may connect, and binds that the public can reach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress.access.networks import (
    PRIVATE_NETWORKS,
    Networks,
    network,
    origin,
    plain,
    public_binds,
)


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.255.0.1", True),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.1.1", True),
        ("169.254.0.1", True),
        ("fe80::1%eth0", True),
        ("fd12::1", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("::ffff:192.168.1.1", True),
        ("::ffff:8.8.8.8", False),
        ("0.0.0.0", False),
        ("", False),
        ("pbx.example", False),
    ],
)
def test_private_networks_may_connect_by_default(address: str, is_in: bool) -> None:
    """The public may not, nor what is no address."""
    assert Networks(PRIVATE_NETWORKS).holds(address) is is_in


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("10.1.2.0/24", "10.1.2.0/24"),
        ("203.0.113.7", "203.0.113.7/32"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_networks_are_kept_in_one_form(written: str, kept: str) -> None:
    """IPv4 in IPv6 form is IPv4."""
    assert network(written) == kept


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("10.1.2.3/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("pbx.example", "no network"),
        ("10.0.0.0/33", "no network"),
        ("", "no network"),
    ],
)
def test_what_is_no_network_is_explained(written: str, said: str) -> None:
    """With what would be right."""
    with pytest.raises(ValueError, match=said):
        network(written)


@given(st.ip_addresses(v=4))
def test_an_address_in_ipv6_form_is_the_same_address(address: object) -> None:
    """For every rule."""
    mapped = f"::ffff:{address}"
    assert plain(mapped) == origin(mapped) == str(address)
    assert Networks(PRIVATE_NETWORKS).holds(mapped) == Networks(PRIVATE_NETWORKS).holds(str(address))


def test_limits_count_an_ipv6_machine_by_its_network() -> None:
    """It may use any address of it."""
    assert origin("2001:db8::1") == origin("2001:db8::ffff") == "2001:db8::/64"
    assert origin("2001:db8:0:1::1") != origin("2001:db8::1")
    assert origin("a name") == "a name"


def test_public_binds_are_named() -> None:
    """Names are not judged, private addresses are fine."""
    hosts = {
        "server.host": "0.0.0.0",
        "web.host": "127.0.0.1",
        "agi.host": "203.0.113.7",
        "extensions.sales.host": "192.168.0.2",
        "extensions.help.host": "::",
        "other.host": "localhost",
    }
    found = {bind.setting: bind.describe() for bind in public_binds(hosts)}
    assert set(found) == {"server.host", "agi.host", "extensions.help.host"}
    assert "every network of this machine" in found["server.host"]
    assert "the public can reach" in found["agi.host"]
