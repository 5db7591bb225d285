"""What is found at an address, before Ray itself is asked to go there."""

from __future__ import annotations

import asyncio
import time

import pytest
import ray
from ray._private import services
from silent_listeners import silent_listener, web_server

from actors.cluster.connection import connect
from actors.cluster.finding import RayAbsentError, find_head
from actors.errors import ConfigurationError
from actors.settings import FleetSettings


async def test_nothing_there() -> None:
    """In the system's words, at once."""
    with pytest.raises(RayAbsentError, match=r"no Ray answered at '127\.0\.0\.2:9': Connection refused"):
        await find_head("127.0.0.2:9")


async def test_something_that_says_nothing() -> None:
    """Given up within seconds."""
    with silent_listener() as address:
        started_s = time.monotonic()
        with pytest.raises(RayAbsentError, match="no answer within 2 s"):
            await find_head(address)
        assert time.monotonic() - started_s < 4


async def test_something_else() -> None:
    """It answers, and not as Ray does."""
    with web_server() as address, pytest.raises(RayAbsentError, match="is not the head of a Ray"):
        await find_head(address)


async def test_a_probe_that_is_given_up_ends_at_once() -> None:
    """Its thread is left behind."""
    with silent_listener() as address:
        started_s = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await find_head(address)
        assert time.monotonic() - started_s < 1


async def test_a_gateway_learns_why_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of each try; at the deadline it is the error."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # other tests of this process may share one
    fleet = FleetSettings(ray_address="127.0.0.2:9", worker_start_deadline_s=1.2)
    reasons: list[str] = []
    with pytest.raises(ConfigurationError, match="Connection refused"):
        await connect(fleet, reasons.append)
    assert len(reasons) >= 2
    assert set(reasons) == {"Connection refused"}


@pytest.mark.parametrize(
    ("running", "recorded", "chosen"),
    [
        ({"192.0.2.1:6379"}, None, "192.0.2.1:6379"),
        ({"192.0.2.1:6379", "192.0.2.1:7000"}, "192.0.2.1:7000", "192.0.2.1:7000"),
        ({"192.0.2.1:6379", "127.0.0.1:7000"}, "127.0.0.1:7000", "192.0.2.1:6379"),
        ({"192.0.2.1:6379", "192.0.2.1:7000"}, None, "several Rays run here"),
        ({"127.0.0.1:7000"}, None, "`raymal status` shows its workers"),
        (set(), None, "no Ray runs on this machine"),
        (set(), "192.0.2.1:6379", "192.0.2.1:6379"),
    ],
)
async def test_auto_takes_the_one_ray_that_is_for_all(
    monkeypatch: pytest.MonkeyPatch, running: set[str], recorded: str | None, chosen: str
) -> None:
    """Neither a server's private one, nor what RAY_ADDRESS says: a flag has overruled it."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setattr(services, "find_gcs_addresses", lambda: running)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: recorded)
    with pytest.raises(ConfigurationError, match=chosen):  # nothing answers at these addresses
        async with asyncio.timeout(10):
            await find_head("auto")
