"""Who may ask for what."""

from __future__ import annotations

import logging
import time
from itertools import count
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from web_client import AUTHORIZED, ORIGIN, TOKEN, client_of, problem, web_client, web_services

from ingress.access.log_limit import MOST_ADDRESSES
from ingress.web.app import make_app

WEBSOCKET = "ws://127.0.0.1:9093/api/none"
READ, CHANGE = ("GET", "/api/v1/calls"), ("DELETE", "/api/v1/calls/b2c0f7a4-8f0e-4d63-9f4e-0f5a3d2b1c11")
DONE, GONE = 200, 404


@pytest.mark.parametrize(
    ("token", "is_unix", "headers", "read", "change"),
    [
        (None, False, {}, DONE, 403),
        (None, False, AUTHORIZED, DONE, 403),
        (None, True, {}, DONE, GONE),
        (TOKEN, False, {}, 401, 401),
        (TOKEN, False, {"Authorization": "Bearer wrong"}, 401, 401),
        (TOKEN, False, {"Authorization": f"Basic {TOKEN}"}, 401, 401),
        (TOKEN, False, {"Authorization": "Bearer "}, 401, 401),
        (TOKEN, False, {"Authorization": "Bearer \xff"}, 401, 401),
        (TOKEN, False, AUTHORIZED, DONE, GONE),
        (TOKEN, False, {"Authorization": f"bearer  {TOKEN} "}, DONE, GONE),
        (TOKEN, True, {}, DONE, GONE),
        (TOKEN, False, {**AUTHORIZED, "Origin": ORIGIN}, DONE, GONE),
        (TOKEN, False, {**AUTHORIZED, "Origin": "https://elsewhere.example"}, DONE, 403),
        (TOKEN, False, {**AUTHORIZED, "Origin": "null"}, DONE, 403),
        (TOKEN, False, {**AUTHORIZED, "Origin": "http://127.0.0.1:9094"}, DONE, 403),
        (TOKEN, False, {**AUTHORIZED, "Host": "elsewhere.example"}, 421, 421),
        (TOKEN, False, {**AUTHORIZED, "Host": "127.0.0.1.elsewhere.example"}, 421, 421),
        (TOKEN, False, {**AUTHORIZED, "Host": "127.0.0.1@elsewhere.example"}, 421, 421),
        (TOKEN, False, {**AUTHORIZED, "Host": "[::1"}, 421, 421),
        (TOKEN, False, {**AUTHORIZED, "Host": "localhost:1"}, DONE, GONE),
        (TOKEN, False, {**AUTHORIZED, "Host": "[::1]:9093"}, DONE, GONE),
        (TOKEN, True, {"Host": "elsewhere.example", "Origin": "null"}, DONE, GONE),
    ],
)
async def test_reading_and_changing(
    token: str | None, is_unix: bool, headers: dict[str, str], read: int, change: int
) -> None:
    """The table of the guard, and what is wrong about a request's headers."""
    async with web_client(web_services(token), is_unix) as client:
        for (method, path), status in ((READ, read), (CHANGE, change)):
            raw = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = await client.request(method, path, headers=raw)
            assert answer.status_code == status, answer.text
            if status >= 400:
                assert TOKEN not in problem(answer, status)
            assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_health_and_the_page_are_open_and_nothing_else() -> None:
    """Also what does not exist is not told without the token."""
    async with web_client(web_services(TOKEN)) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json()["is_ready"] is False
        problem(await client.get("/there-is-no-such-file"), 404)
        for path in ("/openapi.json", "/metrics", "/api", "/api/v1/nothing", "/api/v1/events"):
            problem(await client.get(path), 401)
            assert (await client.get(path, headers={"Origin": "https://elsewhere.example"})).headers.get(
                "access-control-allow-origin"
            ) is None
        problem(await client.options("/api/v1/calls", headers={"Origin": ORIGIN}), 401)


async def test_a_public_address_takes_any_name() -> None:
    """There it is the token that keeps others out."""
    async with web_client(web_services(TOKEN, web={"host": "0.0.0.0"})) as client:
        headers = {"Host": "pbx.example:9093", "Origin": "https://pbx.example:9093"}
        problem(await client.request(*CHANGE, headers=headers), 401)
        problem(await client.request(*CHANGE, headers=headers | AUTHORIZED), 404)


async def test_wrong_tokens_are_slowed_and_counted_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A person may mistype; a program waits; the right token still works."""
    services = web_services(TOKEN)
    guess = "a-guess-that-is-wrong"
    with caplog.at_level(logging.DEBUG):
        async with web_client(services) as client:
            start_s = time.monotonic()
            for _ in range(5):
                answer = await client.get("/api/v1/calls", headers={"Authorization": f"Bearer {guess}"})
                assert guess not in problem(answer, 401)
            assert time.monotonic() - start_s >= 0.25
            metrics = await client.get("/metrics", headers=AUTHORIZED)
            assert "raymal_web_wrong_tokens_total 5.0" in metrics.text
    assert services.attempts.wrong == 5
    assert "a wrong token came from 127.0.0.1" in caplog.text
    assert guess not in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(services)


async def test_every_answer_has_the_headers_that_protect_a_browser() -> None:
    """Files, data, problems and mistakes."""
    services = web_services()
    async with web_client(services) as client:
        services.watch.history.columns = None  # type: ignore[assignment, method-assign]  # a mistake of ours
        for path, status in (("/healthz", 200), ("/nothing", 404), ("/api/v1/history", 500)):
            answer = await client.get(path)
            assert answer.status_code == status
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (None, {}, 404),
        (None, {"Origin": "https://elsewhere.example"}, 403),
        (None, {"Host": "elsewhere.example"}, 421),
        (TOKEN, {}, 401),
        (TOKEN, {"Sec-WebSocket-Protocol": "raymal, token.wrong"}, 401),
        (TOKEN, {"Sec-WebSocket-Protocol": f"raymal, token.{TOKEN}"}, 404),
        (TOKEN, {"Sec-WebSocket-Protocol": f"raymal, token.{TOKEN}", "Origin": ORIGIN}, 404),
        (TOKEN, AUTHORIZED, 404),
    ],
)
def test_a_websocket(token: str | None, headers: dict[str, str], status: int) -> None:
    """A browser shows the token as a subprotocol: its WebSocket has no headers of ours."""
    client = TestClient(make_app(web_services(token)))
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(WEBSOCKET, headers=headers),
    ):
        pass
    assert refused.value.status_code == status
    assert refused.value.json()["status"] == status


async def test_wrong_tokens_of_many_addresses_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """One line for an address and minute, and not too many in all; each is counted."""
    services = web_services(TOKEN)
    app = make_app(services)
    numbers = count()

    async def from_anywhere(scope: Any, receive: Any, send: Any) -> None:
        scope["client"] = f"10.0.0.{next(numbers) % 200}", 1
        await app(scope, receive, send)

    async with client_of(from_anywhere) as client:  # type: ignore[arg-type]
        for _ in range(400):
            await client.get("/api/v1/calls", headers={"Authorization": "Bearer wrong"})
    assert services.attempts.wrong == 400
    assert caplog.text.count("a wrong token came from") == MOST_ADDRESSES
