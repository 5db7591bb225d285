"""A real server's HTTP under clients that mean no good, with a call that must not notice."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import psutil
import pytest
from asterisk_peer import AsteriskPeer
from running_server import RunningServer, private_server, raymal, wait_until

from ingress.link.live import LiveCall
from ingress.link.records import CallRecord
from ingress.server import web_client
from ingress.server.finding import find
from ingress.web.bodies import BODY_DEADLINE_S
from ingress.web.connections import HEAD_DEADLINE_S, MAXIMUM_CONNECTIONS
from ingress.web.event_stream import MAXIMUM_STREAMS

REST_BYTES = 80 * 1024 * 1024
"""Memory of the web process when nobody asks."""
STREAMS = 1_000
HOST = b"Host: localhost\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with private_server("--no-ray", "--dialog", "tone", has_web=True) as running:
        yield running


@pytest.fixture(scope="module")
def drips(server: RunningServer) -> list[tuple[socket.socket, float, bytes]]:
    """Connections whose head or body never becomes whole, when they began, and what is answered."""
    begun = []
    for sent, answer in (
        (b"", b""),
        (b"GET /healthz HTTP/1.1\r\nHost: loc", b""),
        (b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nx", b"HTTP/1.1 408"),
    ):
        connection = connect(server)
        connection.sendall(sent)
        begun.append((connection, time.monotonic(), answer))
    return begun


@pytest.fixture(scope="module", autouse=True)
def begun_first(drips: object) -> None:
    """Their deadlines pass while the other tests run."""


def connect(server: RunningServer) -> socket.socket:
    """Open a connection to the operator's port."""
    assert server.web_port is not None
    return socket.create_connection(("127.0.0.1", server.web_port), timeout=20.0)


def get(server: RunningServer, path: str) -> tuple[int, Any]:
    """Return the answer by TCP."""
    assert server.web_port is not None
    connection = HTTPConnection("127.0.0.1", server.web_port, timeout=20.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_at_rest_it_is_small(server: RunningServer) -> None:
    """80 MB at most; no Ray, no models, no numpy."""
    web = server.child("web")
    assert get(server, "/healthz") == (200, {"status": "ok"})
    assert web.memory_info().rss < REST_BYTES
    loaded = {path for entry in web.memory_maps() for path in [entry.path]}
    assert not [path for path in loaded if "numpy" in path or "/ray/" in path]


async def test_a_call_is_seen_heard_of_and_hung_up(server: RunningServer) -> None:
    """By HTTP and by the commands."""
    async with AsteriskPeer(server.port) as peer:
        peer.identify()
        call_id = str(peer.call_id)
        await until(lambda: seen(server, call_id) is not None)
        shown = await asyncio.to_thread(raymal, "calls", "--port", str(server.port))
        assert call_id in shown.stdout
        assert "1 calls" in shown.stdout
        await until(lambda: get(server, "/api/v1/status")[1]["media_workers"])
        top = await asyncio.to_thread(raymal, "top", "--once", "--port", str(server.port))
        assert call_id in top.stdout
        assert "media-0" in top.stdout
        top = await asyncio.to_thread(raymal, "top", "--json", "--port", str(server.port))
        shown = json.loads(top.stdout)
        assert shown["status"]["gateway"] == "up"
        assert call_id in [running["call_id"] for running in shown["calls"]]
        ended = await asyncio.to_thread(raymal, "hangup", call_id, "--port", str(server.port))
        assert ended.returncode == 0, ended.stderr
        await peer.until(lambda: peer.was_hung_up)
    await until(lambda: get(server, f"/api/v1/records/{call_id}")[0] == 200)
    record = await asyncio.to_thread(raymal, "record", call_id, "--json", "--port", str(server.port))
    assert json.loads(record.stdout)["call_id"] == call_id
    assert f"call {call_id} ended" in raymal("record", call_id, "--port", str(server.port)).stdout
    again = raymal("hangup", call_id, "--port", str(server.port))
    assert again.returncode == 1
    assert "does not run any more" in again.stderr
    assert raymal("hangup", "nonsense", "--port", str(server.port)).returncode == 2


def seen(server: RunningServer, call_id: str) -> LiveCall | None:
    """Return a running call as the commands' socket tells it."""
    try:
        return LiveCall.model_validate(web_client.ask(server.port, "GET", f"/calls/{call_id}"))
    except web_client.RefusedError:
        return None


async def until(condition: Any, deadline_s: float = 10.0) -> None:
    """Poll outside the loop until it holds."""
    await asyncio.to_thread(wait_until, condition, deadline_s, "condition")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_answered_or_closed(server: RunningServer, sent: bytes) -> None:
    """Garbage, two lengths, a head without end, TLS."""
    with connect(server) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = connection.recv(65_536)
    assert received == b"" or received.startswith(b"HTTP/1.1 4")
    assert get(server, "/healthz")[0] == 200


def test_10_megabytes_are_refused_and_not_kept(server: RunningServer) -> None:
    """The answer is read by a client that sends everything first."""
    web = server.child("web")
    before_bytes = web.memory_info().rss
    for _ in range(3):
        with connect(server) as connection:
            head = b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 10485760\r\n\r\n"
            connection.sendall(head + bytes(10_485_760))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 413")
    assert web.memory_info().rss - before_bytes < 20 * 1024 * 1024


async def test_a_thousand_event_streams_cost_a_call_nothing(server: RunningServer) -> None:
    """Some are served, the others are told so or closed; commands go on, memory is bounded."""
    web = server.child("web")
    before_bytes = web.memory_info().rss
    async with AsteriskPeer(server.port) as peer:
        peer.identify()
        await peer.until(lambda: peer.frames > 10)
        streams = [await open_stream(server) for _ in range(STREAMS)]
        heads = await asyncio.gather(*(first_line(stream) for stream in streams))
        served = [line for line in heads if b" 200 " in line]
        refused = [line for line in heads if b" 503 " in line]
        assert 1 <= len(served) <= MAXIMUM_STREAMS
        assert len(refused) >= MAXIMUM_CONNECTIONS - MAXIMUM_STREAMS
        assert all(line == b"" for line in heads if line not in {*served, *refused})
        assert await asyncio.to_thread(seen, server, str(peer.call_id)) is not None
        assert web.memory_info().rss - before_bytes < 40 * 1024 * 1024
        assert server.child("web").pid == web.pid
        for _, writer in streams:
            writer.close()
    call_id = str(peer.call_id)
    await until(lambda: get(server, f"/api/v1/records/{call_id}")[0] == 200)
    record = CallRecord.model_validate(get(server, f"/api/v1/records/{call_id}")[1])
    assert (record.underruns, record.long_gaps) == (0, 0)
    assert get(server, "/healthz")[0] == 200


async def open_stream(server: RunningServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for events and do not read on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.web_port)
    writer.write(b"GET /api/v1/events HTTP/1.1\r\n" + HOST + b"\r\n")
    return reader, writer


async def first_line(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    """Return the answer's first line; empty if the connection was closed."""
    try:
        async with asyncio.timeout(10.0):
            return await stream[0].readline()
    except OSError:
        return b""


def test_with_the_gateway_away(server: RunningServer) -> None:
    """What is known stands, and the answer says of when it is; then the next gateway is followed."""

    def gateway() -> str:
        status, body = get(server, "/api/v1/status")
        assert status == 200
        assert len(body["media_workers"]) <= 1
        return str(body["gateway"])

    wait_until(lambda: gateway() == "up", 10.0, "gateway")
    known: psutil.Process = server.child("gateway")
    known.kill()
    wait_until(lambda: gateway() == "away", 10.0, "away")
    assert get(server, "/readyz")[0] == 503
    assert get(server, "/api/v1/calls")[0] == 200
    wait_until(lambda: gateway() == "up", 20.0, "the next gateway")
    assert get(server, "/readyz")[0] == 200


def test_who_drips_is_cut_off(server: RunningServer, drips: list[tuple[socket.socket, float, bytes]]) -> None:
    """A head that never ends, silently; a body that never ends, with an answer."""
    for connection, begun_s, answer in drips:
        with connection:
            received = b"".join(iter(lambda connection=connection: connection.recv(65_536), b""))
        assert received[: len(answer)] == answer
        assert bool(received) == bool(answer)
        assert time.monotonic() - begun_s >= min(HEAD_DEADLINE_S, BODY_DEADLINE_S)


def test_a_removed_socket_comes_back(server: RunningServer) -> None:
    """Commands find the server again."""
    web = server.child("web")
    path = find(server.port).web_socket
    path.unlink()
    wait_until(lambda: not web.is_running() and path.exists(), 10.0, "socket")
    wait_until(lambda: raymal("calls", "--port", str(server.port)).returncode == 0, 10.0, "commands")


async def test_streams_do_not_hold_a_stop_up(server: RunningServer) -> None:
    """Last: the server stops in order, in time, and logs no mistake."""
    before = len(server.log.read_text())
    reader, writer = await open_stream(server)
    assert b" 200 " in await reader.readline()
    start_s = time.monotonic()
    assert await asyncio.to_thread(server.stop) == 0
    assert time.monotonic() - start_s < 10.0
    writer.close()
    assert "ERROR" not in server.log.read_text()[before:]
