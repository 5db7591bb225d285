"""The routes under /api/v1, with the gateway and the supervisor there or away."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from web_client import AUTHORIZED, TOKEN, client_of, problem, web_client, web_services

from actors.messages import Level, Priority
from ingress.configuration.settings import Settings
from ingress.link.link import Link
from ingress.link.listener import serve
from ingress.link.live import Activity, LiveCall
from ingress.link.messages import (
    CallEnded,
    CallReply,
    CallRequest,
    ControlReply,
    DrainRequest,
    EndCall,
    ExtensionsRequest,
    Message,
    PutExtension,
    ReloadRequest,
    RemoveExtension,
    StatusReply,
    TurnFinished,
)
from ingress.link.records import CallOutcome, CallRecord, CallResult, TurnRecord
from ingress.link.status import DecisionStatus, ServerStatus
from ingress.server.checking import extension_book
from ingress.web import dialplan
from ingress.web.app import make_app
from ingress.web.status import UNKNOWN

EXTENSION = {"port": 9200, "priority": "high", "dialog": {"name": "tone"}}


def live_call(number: int, **changes: Any) -> LiveCall:
    """Return a call that listens."""
    call = LiveCall(
        call_id=str(UUID(int=number)),
        extension="sales",
        language="en",
        priority=Priority.NORMAL,
        peer="127.0.0.1:5000",
        started_at_s=float(number),
        activity=Activity.LISTENING,
    )
    return call.model_copy(update=changes)


def finished(number: int) -> CallRecord:
    """Return a call's record with a word in it."""
    turn = TurnRecord(turn=1, kind="utterance", heard="my secret", answered="your secret")
    return CallRecord(
        call_id=str(UUID(int=number)), extension="sales", end_reason="done", turns=(turn,), unfinished=turn
    )


@pytest.fixture
async def links() -> AsyncIterator[tuple[Link, Link]]:
    """Both ends of a media worker's link."""
    near, far = socket.socketpair()
    ends = [Link(*await asyncio.open_connection(sock=end)) for end in (near, far)]
    yield ends[0], ends[1]
    for end in ends:
        await end.close()


class Supervisor:
    """The other end of the control socket: says yes, or what is wrong."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.asked: list[Message] = []
        self._book = extension_book(Settings(extensions={"sales": EXTENSION}))  # type: ignore[arg-type]

    async def handle(self, link: Link) -> None:
        """Answer until the link breaks."""
        while True:
            self.asked.append(await link.receive())
            is_read = isinstance(self.asked[-1], ExtensionsRequest)
            found = None if is_read else self.problem
            link.send(
                ControlReply(
                    problem=found,
                    waiting=("web.port",),
                    book=self._book,
                    ports={"sales": 9200},
                    tables={"sales": EXTENSION},
                )
            )


@pytest.fixture
async def supervisor(runtime_folder: Path) -> AsyncIterator[Supervisor]:
    """A supervisor at `runtime_folder`/control.sock."""
    made = Supervisor()
    server = await serve(runtime_folder / "control.sock", made.handle, "supervisor")
    yield made
    server.close()


# Calls


async def test_calls_in_pages(links: tuple[Link, Link]) -> None:
    """Of all extensions or of one; one by itself."""
    services = web_services()
    for number in range(7):
        services.live.seen(live_call(number, extension="sales" if number % 2 else "help"), links[0])
    async with web_client(services) as client:
        numbers, after = list[int](), None
        while True:
            query = {"limit": 3} | ({"after": after} if after else {})
            page = (await client.get("/api/v1/calls", params=query)).json()
            numbers += [int(UUID(item["call_id"])) for item in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert numbers == list(range(7))
        sales = (await client.get("/api/v1/calls", params={"extension": "sales"})).json()["items"]
        assert [int(call["started_at_s"]) for call in sales] == [1, 3, 5]
        one = await client.get(f"/api/v1/calls/{UUID(int=3)}")
        assert LiveCall.model_validate(one.json()) == live_call(3)
        assert (await client.get(f"/api/v1/calls/{UUID(int=3).hex.upper()}")).json() == one.json()
        problem(await client.get(f"/api/v1/calls/{uuid4()}"), 404)


async def test_hanging_up(links: tuple[Link, Link]) -> None:
    """The call's own media worker is told; a call that is over is not there."""
    services = web_services(TOKEN)
    services.live.seen(live_call(1), links[0])
    async with web_client(services) as client:
        answer = await client.delete(f"/api/v1/calls/{UUID(int=1)}", headers=AUTHORIZED)
        assert answer.status_code == 202
        assert await links[1].receive() == EndCall(call_id=str(UUID(int=1)))
        services.live.gone(str(UUID(int=1)))
        services.live.take(CallEnded(record=finished(1)))
        ended = await client.delete(f"/api/v1/calls/{UUID(int=1)}", headers=AUTHORIZED)
        assert problem(ended, 404).endswith("does not run any more")


async def test_words_are_for_the_operator(runtime_folder: Path) -> None:
    """Records from this process or the gateway; what was said is there with the token alone."""

    async def gateway(link: Link) -> None:
        while isinstance(asked := await link.receive(), CallRequest):
            known = asked.call_id == str(UUID(int=9))
            link.send(CallReply(record=finished(9) if known else None))

    server = await serve(runtime_folder / "gateway.sock", gateway, "gateway")
    for token, words in ((None, 0), (TOKEN, 4)):
        services = web_services(token, gateway=runtime_folder / "gateway.sock")
        services.live.take(CallEnded(record=finished(1)))
        async with web_client(services) as client:
            for path in (f"records/{UUID(int=1)}", f"records/{UUID(int=9)}", "records"):
                answer = await client.get(f"/api/v1/{path}", headers=AUTHORIZED)
                assert answer.status_code == 200
                assert answer.text.count("secret") == words
            problem(await client.get(f"/api/v1/records/{UUID(int=2)}", headers=AUTHORIZED), 404)
    server.close()
    async with web_client(web_services()) as client:
        assert "does not answer" in problem(await client.get(f"/api/v1/records/{UUID(int=2)}"), 503)


async def test_a_result_is_asked_for_sparingly(runtime_folder: Path) -> None:
    """The gateway has calls to serve; the dialog's variables, as words, are for the operator."""
    asked: list[Message] = []

    async def gateway(link: Link) -> None:
        asked.append(await link.receive())
        link.send(CallReply(record=None))

    server = await serve(runtime_folder / "gateway.sock", gateway, "gateway")
    services = web_services(TOKEN, gateway=runtime_folder / "gateway.sock")
    none = await dialplan.outcome(services, str(UUID(int=1)), wait_s=0.6)
    assert (none.result, none.reason) == (CallResult.FAILED, dialplan.NO_SUCH_CALL)
    assert len(asked) <= 3
    server.close()
    told = CallOutcome(result=CallResult.TRANSFER, target="22", variables={"NAME": "secret"})
    for token, words in ((None, {}), (TOKEN, {"NAME": "secret"})):
        services = web_services(token)
        services.live.gone(str(UUID(int=1)), told)
        async with web_client(services) as client:
            answer = (await client.get(f"/api/v1/calls/{UUID(int=1)}/result", headers=AUTHORIZED)).json()
        assert (answer["target"], answer["variables"]) == ("22", words)


# Status


def decided(level: Level) -> ServerStatus:
    """Return a status at a level."""
    decision = DecisionStatus(epoch="e", number=1, level=level, reasons=("busy",), frame_ms=20, calls_alone=4)
    return UNKNOWN.model_copy(
        update={"is_ready": True, "detail": "all well", "calls": 5, "decision": decision}
    )


async def test_the_status_says_whether_it_is_of_now() -> None:
    """Never seen, up, away."""
    services = web_services()
    watching = asyncio.create_task(services.watch.run(services.live))
    async with web_client(services) as client:
        first = (await client.get("/api/v1/status")).json()
        assert (first["gateway"], first["as_of_s"], first["is_ready"]) == ("away", None, False)
        await asyncio.sleep(0)
        services.live.take(StatusReply(status=decided(Level.BUSY)))
        services.live.take(TurnFinished(call_id="a", record=TurnRecord(turn=1, kind="digit")))
        await asyncio.sleep(0.01)
        up = (await client.get("/api/v1/status")).json()
        assert (up["gateway"], up["calls"], up["is_ready"]) == ("up", 5, True)
        assert (await client.get("/readyz")).status_code == 200
        services.live.gateway_gone()
        away = (await client.get("/api/v1/status")).json()
        assert (away["gateway"], away["calls"], away["is_ready"]) == ("away", 5, False)
        assert away["as_of_s"] == up["as_of_s"] > 0
        assert (await client.get("/readyz")).status_code == 503
        decisions = (await client.get("/api/v1/decisions")).json()
        assert (decisions["now"]["level"], decisions["history"]) == (1, [])
        assert (await client.get("/api/v1/history")).json()["series"]["calls"] == [0]
    watching.cancel()


async def test_the_cache_is_shown_and_cleared(tmp_path: Path) -> None:
    """As `raymal cache` does it."""
    folder = tmp_path / "phrases"
    folder.mkdir(mode=0o700)
    (folder / f"{'0' * 64}.phrase").write_bytes(b"12345")
    (folder / "of somebody else").write_bytes(b"12345")
    async with web_client(web_services(TOKEN, cache={"directory": str(folder)})) as client:
        shown = (await client.get("/api/v1/cache", headers=AUTHORIZED)).json()
        assert (shown["files"], shown["bytes"], shown["directory"]) == (1, 5, str(folder))
        cleared = (await client.delete("/api/v1/cache", headers=AUTHORIZED)).json()
        assert cleared == {"files": 1, "bytes": 5, "problems": []}
        assert (await client.get("/api/v1/cache", headers=AUTHORIZED)).json()["files"] == 0


# The supervisor's part


async def test_extensions_and_what_is_done_to_the_server(
    runtime_folder: Path, supervisor: Supervisor
) -> None:
    """Everything is passed on; what it refuses is a problem with its reason."""
    services = web_services(TOKEN, control=runtime_folder / "control.sock")
    async with web_client(services) as client:
        client.headers.update(AUTHORIZED)
        page = (await client.get("/api/v1/extensions")).json()
        assert [item["extension"]["name"] for item in page["items"]] == ["default", "sales"]
        assert [item["port"] for item in page["items"]] == [None, 9200]
        assert [item["settings"] for item in page["items"]] == [None, EXTENSION]
        assert (await client.get("/api/v1/extensions/sales")).json() == page["items"][1]
        for method in ("GET", "DELETE"):
            problem(await client.request(method, "/api/v1/extensions/nobody"), 404)
        for request, sent in (
            (
                client.put("/api/v1/extensions/new", json=EXTENSION),
                PutExtension(name="new", settings=EXTENSION),
            ),
            (client.delete("/api/v1/extensions/sales"), RemoveExtension(name="sales")),
            (client.post("/api/v1/reload"), ReloadRequest()),
        ):
            assert (await request).json() == {"version": 1, "waiting": ["web.port"]}
            assert supervisor.asked[-1] == sent
        assert (await client.post("/api/v1/drain")).json() == {"deadline_s": 30.0}
        assert supervisor.asked[-1] == DrainRequest()
        assert (await client.post("/api/v1/drain", json={"deadline_s": 2})).json() == {"deadline_s": 2.0}
        assert supervisor.asked[-1] == DrainRequest(deadline_s=2.0)
        supervisor.problem = "extensions.new.port = 9200: the same as extensions.sales.port"
        answer = await client.put("/api/v1/extensions/new", json=EXTENSION)
        assert problem(answer, 422) == supervisor.problem


async def test_without_the_supervisor() -> None:
    """What it owns is not there now, and the answer says so."""
    async with web_client(web_services(), is_unix=True) as client:
        for method, path in (("GET", "extensions"), ("POST", "reload"), ("POST", "drain")):
            assert "supervisor does not answer" in problem(
                await client.request(method, f"/api/v1/{path}"), 503
            )


# Bad input

DEEP = b'{"dialog":{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}}"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 422, "body"),
        (b"{", 422, "JSON"),
        (b"\xff\xfe", 422, "JSON"),
        (b"null", 422, "body"),
        (b"[]", 422, "body"),
        (b"{}", 422, "body.port"),
        (b'{"port": 99999}', 422, "less than or equal to 65535"),
        (b'{"port": NaN}', 422, "body.port"),
        (b'{"port": 9000, "prot": 1}', 422, "body.prot"),
        (b'{"port": 9000, "priority": "urgent"}', 422, "body.priority"),
        (b'{"port": 9000, "dialog": {"x": {"big": 99999999999999999999999}}}', 422, ""),
        (DEEP, 400, "body"),
        (b'{"port": 9000, "dialog": {"x": {"y": ' + b"[" * 600 + b"]" * 600 + b"}}}", 422, ""),
        (json.dumps({f"key {number}": 1 for number in range(3_000)}).encode(), 422, "more"),
        (b" " * 70_000 + b"{}", 413, "65536"),
    ],
)
async def test_a_body_that_is_wrong(
    body: bytes, status: int, says: str, runtime_folder: Path, supervisor: Supervisor
) -> None:
    """Says where; nothing reaches the supervisor; the answer is short."""
    services = web_services(control=runtime_folder / "control.sock")
    async with web_client(services, is_unix=True) as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.put("/api/v1/extensions/new", content=body, headers=headers)
        assert says in problem(answer, status)
        assert len(answer.content) < 8_000
    assert supervisor.asked == []


async def test_a_body_of_another_kind() -> None:
    """Only JSON is a body here: a browser's form of another site is none."""
    async with web_client(web_services(), is_unix=True) as client:
        answer = await client.put("/api/v1/extensions/new", data={"port": "9000"})
        assert "Content-Type: application/json" in problem(answer, 422)


@pytest.fixture(scope="module")
def fuzzed() -> FastAPI:
    """One application for many requests."""
    return make_app(web_services(TOKEN))


PATHS = (
    "", "/", "/api/v1/calls", "/api/v1/calls/", "/api/v1/records/", "/api/v1/extensions/", "/api/v1/drain",
    "/api/v1/status", "/api/v1/history", "/healthz", "/openapi.json", "/../", "/%2e%2e/", "/%00", "//",
)  # fmt: skip
ANY_TEXT = some.text(max_size=40)


@pytest.mark.parametrize("written", ["", "bytes=9-1", "bytes=999999-", "bytes=0-1"])
async def test_the_pages_files_are_sent_whole(fuzzed: FastAPI, written: str) -> None:
    """Whatever part is asked for, which RFC 9110 allows (14.2)."""
    async with client_of(fuzzed) as client:
        answer = await client.get("/", headers={"Range": written})
    assert (answer.status_code, answer.text[:15]) == (200, "<!doctype html>")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=some.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "X"]),
    path=some.sampled_from(PATHS),
    rest=ANY_TEXT,
    query=some.dictionaries(some.sampled_from(["limit", "after", "extension", "x"]), ANY_TEXT, max_size=3),
    headers=some.dictionaries(
        some.sampled_from(["content-type", "range", "origin", "if-none-match", "x", "accept"]),
        some.binary(max_size=30).map(lambda raw: raw.translate(None, b"\r\n\0")),
        max_size=3,
    ),
    body=some.binary(max_size=200) | some.builds(lambda value: json.dumps(value).encode(), some.text()),
)
async def test_any_request_is_answered(
    fuzzed: FastAPI,
    method: str,
    path: str,
    rest: str,
    query: dict[str, str],
    headers: dict[str, bytes],
    body: bytes,
) -> None:
    """With what was asked for, or a problem; never by a mistake of ours."""
    raw = {name: value for name, value in headers.items()} | {
        "Authorization": AUTHORIZED["Authorization"].encode()
    }
    async with client_of(fuzzed) as client:
        answer = await client.request(method, path + quote(rest), params=query, headers=raw, content=body)
    assert answer.status_code < 500 or answer.status_code == 503, (answer.status_code, answer.text)
    if answer.status_code >= 400 and method != "HEAD":
        problem(answer, answer.status_code)
