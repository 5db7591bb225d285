"""Who may ask the door for what."""

from __future__ import annotations

import asyncio
import time

import httpx2 as httpx
import pytest
from door_fixture import open_door

from actors.api.guard import MAXIMUM_PAUSES
from actors.settings import ApiSettings

SAY = {"model": "scripted", "input": "Good morning.", "voice": "default"}


async def test_what_needs_the_token() -> None:
    """With one configured: everything but health, whatever the path, before anything else is looked at."""
    async with open_door() as door:
        anyone = httpx.AsyncClient(transport=door.transport(), base_url=door.client.base_url)
        for path in ("/healthz", "/readyz"):
            assert (await anyone.get(path)).status_code == 200
        for path in ("/api/v1/fleet", "/v1/models", "/openapi.json", "/nothing"):
            refused = await anyone.get(path)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
        refused = await anyone.post("/v1/audio/speech", json=SAY)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert (await door.client.get("/api/v1/fleet")).status_code == 200


async def test_without_a_token_only_reading_is_open() -> None:
    """The refusal says how to get one."""
    async with open_door(token=None) as door:
        assert (await door.client.get("/api/v1/fleet")).status_code == 200
        assert (await door.client.get("/v1/models")).status_code == 200
        refused = await door.client.post("/v1/audio/speech", json=SAY)
        assert refused.status_code == 403
        assert "raymal token" in refused.json()["error"]["message"]


async def test_wrong_tokens_are_slowed_counted_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Half a second each; more than wait at a time are refused at once."""
    async with open_door() as door:
        started_s = time.monotonic()
        asked = [
            door.client.get("/v1/models", headers={"Authorization": f"Bearer wrong-{number}"})
            for number in range(MAXIMUM_PAUSES + 8)
        ]
        answers = [answer.status_code for answer in await asyncio.gather(*asked)]
        assert sorted(answers) == [401] * MAXIMUM_PAUSES + [429] * 8
        assert time.monotonic() - started_s > 0.45
        counted = (await door.client.get("/api/v1/door")).json()
        assert counted == {"in_progress": 0, "refused": 0, "wrong_tokens": MAXIMUM_PAUSES + 8}
        assert "wrong-" not in caplog.text


async def test_on_loopback_another_name_is_refused() -> None:
    """A page in a browser may have any name point to 127.0.0.1."""
    async with open_door(has_ingress=False) as door:
        for host in ("evil.example", "evil.example:8000", "[::2]:8000", "192.0.2.1", ""):
            answer = await door.client.get("/healthz", headers={"Host": host})
            assert answer.status_code == 421
        for name in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
            assert (await door.client.get("/healthz", headers={"Host": name})).status_code == 200


async def test_beyond_loopback_any_name_is_right() -> None:
    """There the operator knows the name, and a token is needed."""
    async with open_door(ApiSettings(host="192.0.2.1"), has_ingress=False) as door:
        assert (await door.client.get("/healthz", headers={"Host": "speech.example"})).status_code == 200


async def test_a_page_of_another_origin_may_not_use_the_workers() -> None:
    """A browser sends the page's origin with what is not for reading."""
    async with open_door() as door:
        for origin, status in (("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:8000", 200)):
            answer = await door.client.post("/v1/audio/speech", json=SAY, headers={"Origin": origin})
            assert answer.status_code == status
            assert "access-control-allow-origin" not in answer.headers


async def test_every_answer_has_the_security_headers() -> None:
    """Refusals as well."""
    async with open_door(has_ingress=False) as door:
        for path in ("/healthz", "/nothing"):
            headers = (await door.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert "default-src 'none'" in headers["content-security-policy"]
