"""The program as its users run it: subprocesses, signals, sockets; engines scripted, no Ray."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from running_server import QUICK, SCRIPTED, RunningServer, free_port, raymal, running_server, wait_until

from ingress.cli import COMMANDS, main
from ingress.server.runtime_directory import RuntimeDirectory


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server with scripted engines, which survives its tests."""
    with new_server() as running:
        yield running


"""Long enough to be heard whatever the processor's arithmetic makes of the voice."""


@pytest.fixture
def doomed_server() -> Iterator[RunningServer]:
    """A server of the test's own."""
    with new_server() as running:
        yield running


@contextmanager
def new_server(*flags: str) -> Iterator[RunningServer]:
    """Run a server with scripted engines in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-test-"))  # short: it holds Unix sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYMAL_RUNTIME", str(folder))
        with running_server(folder, *SCRIPTED, *QUICK, "--keep-transcripts", *flags) as running:
            yield running
    shutil.rmtree(folder)


def call(server: RunningServer, *flags: str) -> str:
    """Place a call with `raymal call`; return what it prints."""
    result = raymal("call", "--port", str(server.port), "--say", "hello there, good morning", *flags)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_call_is_answered_and_its_record_shown(server: RunningServer, tmp_path: Path) -> None:
    """`raymal call` speaks, is answered, saves the answer and shows the server's stages."""
    wav = tmp_path / "answer.wav"
    summary = json.loads(call(server, "--save", str(wav), "--json"))
    assert summary["answered"]
    assert summary["turns"][0]["first_answer_ms"] < 1_500
    turn = summary["record"]["turns"][-1]
    assert (turn["heard"], turn["answered"]) == ("hello", "You said: hello")
    assert summary["record"]["lateness"]["p99_ms"] < 20
    assert wav.stat().st_size > 16_000
    log = server.log.read_text()
    assert "turn 2 utterance: answer after" in log
    assert "You said" not in log


def test_numpy_computes_on_one_thread(server: RunningServer) -> None:
    """In every process of the server: its other threads would spin beside the models and the clock."""
    for name in ("gateway", "media-worker"):
        assert server.child(name).environ()["OPENBLAS_NUM_THREADS"] == "1"


def test_a_killed_gateway_does_not_end_a_call(server: RunningServer) -> None:
    """Silence goes on at 50 frames a second, and the call is known to the next gateway.

    Something has removed the server's files meanwhile, as cleaners of temporary folders do.
    """
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"\x01\x00\x10" + os.urandom(16))
        read_frames(line, 10)
        for file in RuntimeDirectory.of_port(server.port).path.glob("*.json"):
            file.unlink()
        server.child("gateway").kill()
        start_s = time.monotonic()
        assert read_frames(line, 100) == 100
        assert 1.8 < time.monotonic() - start_s < 2.3
        wait_until(server.is_ready, 15.0, "the gateway after a kill")
        assert read_frames(line, 10) == 10
        assert server.status().calls == 1


def test_a_killed_media_worker_is_replaced_on_the_same_port(server: RunningServer, tmp_path: Path) -> None:
    """Connections wait in the kernel's queue meanwhile: the port is never closed. Tables are for people."""
    server.child("media-worker").kill()
    for _ in range(20):
        socket.create_connection(("127.0.0.1", server.port), timeout=1.0).close()
    printed = call(server, "--save", str(tmp_path / "answer.wav"))
    for words in ("stages in the server", "endpoint wait", "transcription", "first answer", "underruns"):
        assert words in printed


def test_sigterm_lets_a_running_call_finish(doomed_server: RunningServer) -> None:
    """New calls are refused at once; the server ends when the last caller hangs up, with exit code 0."""
    server = doomed_server
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"\x01\x00\x10" + os.urandom(16))
        read_frames(line, 10)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in server.log.read_text(), 5.0, "draining")
        with socket.create_connection(("127.0.0.1", server.port)) as late:
            assert late.recv(16) == b"\x00\x00\x00"
        assert read_frames(line, 50) == 50
        assert server.process.poll() is None
    assert server.process.wait(10.0) == 0


def test_a_second_signal_does_not_wait_for_calls(doomed_server: RunningServer) -> None:
    """The running call gets a hangup message, not a reset."""
    server = doomed_server
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"\x01\x00\x10" + os.urandom(16))
        read_frames(line, 10)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in server.log.read_text(), 5.0, "draining")
        server.process.send_signal(signal.SIGTERM)
        received = b""
        while data := line.recv(65_536):
            received += data
        assert received.endswith(b"\x00\x00\x00")
    assert server.process.wait(15.0) == 0


def test_two_media_workers_share_the_port_and_a_killed_supervisor_leaves_nothing() -> None:
    """SO_REUSEPORT: both get calls, and each has its own clock. The kernel ends the children."""
    with new_server("--media-workers", "2") as server, ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(24)]
        for line in lines:
            line.sendall(b"\x01\x00\x10" + os.urandom(16))
        assert all(read_frames(line, 10) == 10 for line in lines)
        wait_until(lambda: server.status().calls == 24, 5.0, "24 calls")
        started = [entry for entry in server.log.read_text().splitlines() if " started from " in entry]
        assert {entry.split()[3] for entry in started} == {"media-0:", "media-1:"}
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert len(children) >= 3
        server.process.kill()
        server.process.wait()
        _, alive = psutil.wait_procs(children, timeout=10.0)
        assert not alive


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--dialog", "eco"], "dialog.name: unknown dialog 'eco'; choose one of echo, tone"),
        (["--model", "/nowhere/model"], "speech.whisper.model"),
        (["--port", "70000"], "--port: server.port = 70000"),
    ],
)
def test_a_wrong_configuration_is_one_clear_line_and_exit_code_2(flags: list[str], complaint: str) -> None:
    """Before any port opens, without a traceback."""
    port = free_port()
    result = raymal("serve", "--no-ray", "--port", str(port), *flags)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_busy_port_is_exit_code_3(server: RunningServer) -> None:
    """The line says what to do."""
    result = raymal("serve", *SCRIPTED, "--port", str(server.port))
    assert result.returncode == 3
    assert "is in use by another program" in result.stderr.splitlines()[-1]


def test_checking_only_says_that_all_is_well() -> None:
    """`raymal serve --check` opens nothing."""
    result = raymal("serve", *SCRIPTED, "--check")
    assert (result.returncode, result.stdout.strip()) == (0, "the configuration is fine")


@pytest.mark.parametrize(
    ("command", "expected"), [(["call", "--say", "hello"], "{port}"), (["status"], "no gateway at")]
)
def test_asking_a_server_that_is_not_there_is_exit_code_3(command: list[str], expected: str) -> None:
    """One line with the address."""
    port = str(free_port())
    result = raymal(*command, "--port", port)
    assert result.returncode == 3
    assert expected.format(port=port) in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_is_there_for_every_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command explains itself; `raymal --help` lists the exit codes."""
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])
    assert capsys.readouterr().out.startswith("usage: raymal")


def read_frames(line: socket.socket, count: int) -> int:
    """Read whole 20 ms messages; return how many came."""
    line.settimeout(2.0)
    wanted, received = count * 323, 0
    while received < wanted:
        data = line.recv(min(65_536, wanted - received))
        if not data:
            break
        received += len(data)
    return received // 323
