"""Commands and the web process's private socket: nobody there, somebody else there, and problems."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.errors import LinkError
from ingress import cli
from ingress.server import web_client

PORT = 9_997


@pytest.fixture
def folder(runtime_folder: Path) -> Path:
    """The folder of a server whose gateway is there."""
    made = runtime_folder / str(PORT)
    made.mkdir(mode=0o700)
    (made / "gateway.sock").touch()
    return made


@contextmanager
def answering(folder: Path, *answers: bytes) -> Iterator[list[bytes]]:
    """Answer one connection after the other; the requests' first lines are collected."""
    asked: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(65_536).split(b"\r\n")[0])
                connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "web.sock"))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join(5.0)
        assert not thread.is_alive()


def http(status: str, body: bytes) -> bytes:
    """Return an answer."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_without_a_web_process(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be off, or starting, or have been killed."""
    assert cli.main(["calls", "--port", str(PORT)]) == 3
    assert "has no web process: it starts just now, or web.enabled is false" in capsys.readouterr().err
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(folder / "web.sock"))
    assert cli.main(["top", "--once", "--port", str(PORT)]) == 3
    assert "does not answer: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", http("200 OK", b"no JSON"), http("200 OK", b"{}")[:-1]],
    ids=["nothing", "no HTTP", "no JSON", "cut off"],
)
def test_an_answer_that_is_none(folder: Path, answer: bytes) -> None:
    """Is as if nobody answered."""
    with answering(folder, answer), pytest.raises(LinkError, match="does not answer"):
        web_client.ask(PORT, "GET", "/calls")


def test_a_problem_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the server words it, with exit code 1."""
    call_id = "b2c0f7a4-8f0e-4d63-9f4e-0f5a3d2b1c11"
    problem = http("404 Not Found", b'{"status": 404, "detail": "call X does not run here now"}')
    with answering(folder, problem) as asked:
        assert cli.main(["hangup", call_id.upper(), "--port", str(PORT)]) == 1
    assert asked == [f"DELETE /api/v1/calls/{call_id} HTTP/1.1".encode()]
    assert capsys.readouterr().err == "raymal: call X does not run here now\n"


def test_all_pages_are_asked_for(folder: Path) -> None:
    """One after the other, with the cursor as it came."""
    first = http("200 OK", b'{"items": [1, 2], "next": "a+b="}')
    last = http("200 OK", b'{"items": [3], "next": null}')
    with answering(folder, first, last) as asked:
        assert list(web_client.pages(PORT, "/calls", extension="a b")) == [1, 2, 3]
    assert asked[1].startswith(b"GET /api/v1/calls?extension=a+b&limit=500&after=a%2Bb%3D HTTP")
