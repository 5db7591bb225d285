"""The gateway has the door opened by a program of its own, and goes on whatever becomes of it."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from actors.api.apart import Errand, do_apart
from actors.errors import WorkerLostError
from actors.settings import ApiSettings, FleetSettings
from benchmarks.harness.server import free_port
from ingress.configuration.settings import Settings, WebSettings
from ingress.gateway import cluster_door

NOWHERE = FleetSettings(ray_address=f"127.0.0.1:{free_port()}", worker_start_deadline_s=0.1)


async def test_a_ray_that_is_not_there_is_one_line() -> None:
    """The program's own words, and the program has ended."""
    with pytest.raises(WorkerLostError, match="no Ray answered at") as raised:
        await do_apart(Errand(fleet=NOWHERE, api=ApiSettings()))
    assert "\n" not in str(raised.value)


async def test_given_up_the_program_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled, as when the gateway stops, or at the deadline: it is killed."""
    patient = NOWHERE.model_copy(update={"worker_start_deadline_s": 60.0})
    errand = Errand(fleet=patient, api=ApiSettings())
    asking = asyncio.create_task(do_apart(errand))
    await asyncio.sleep(0.2)
    asking.cancel()
    started_s = time.monotonic()
    await asyncio.gather(asking, return_exceptions=True)
    assert time.monotonic() - started_s < 3.0
    monkeypatch.setattr("actors.api.apart.START_DEADLINE_S", -59.9)
    with pytest.raises(WorkerLostError, match="within"):
        await do_apart(errand)


async def test_the_gateway_tries_again_and_says_each_reason_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A token that cannot be read, then a Ray that refuses, then the door is open."""
    monkeypatch.delenv("RAYMAL_TOKEN", raising=False)
    monkeypatch.setattr(cluster_door, "FIRST_PAUSE_S", 0.0)
    outcomes = iter(["busy", "busy", None])

    async def do(errand: Errand) -> str:
        outcome = next(outcomes)
        if outcome is not None:
            raise WorkerLostError(outcome)
        return "the cluster's door has been opened"

    monkeypatch.setattr(cluster_door, "do_apart", do)
    caplog.set_level(logging.INFO)
    await cluster_door.open_door(Settings(api=ApiSettings(enabled=True)))
    assert [record.getMessage() for record in caplog.records] == [
        "the cluster's door is not open: busy",
        "the cluster's door has been opened",
    ]
    monkeypatch.setattr(cluster_door, "FIRST_PAUSE_S", 60.0)
    caplog.clear()
    waiting = asyncio.create_task(
        cluster_door.open_door(Settings(web=WebSettings(token_file="/nowhere/token")))
    )
    await asyncio.sleep(0.05)
    waiting.cancel()
    assert "web.token_file" in caplog.text


def test_the_errand_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest alone leaves the gateway."""
    monkeypatch.setenv("RAYMAL_TOKEN", "correct-horse-battery-staple")
    asked = cluster_door.errand(Settings(api=ApiSettings(enabled=True)))
    assert asked.token_digest is not None
    assert "horse" not in asked.model_dump_json()
