"""The program as its users run it: subprocesses, signals, sockets; engines scripted, no Ray."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from uuid import UUID, uuid4

import psutil
import pytest
from otlp_collector import Collector, Span, collector
from running_server import QUICK, SCRIPTED, RunningServer, free_port, private_server, raymal, wait_until

from actors.machine.order import goes_before, place
from benchmarks.harness.speech_like import recorded_words
from benchmarks.harness.strict_peer import StrictCall, voice
from ingress.caller.wave_files import write_wave
from ingress.cli import COMMANDS, main
from ingress.server import observer

FLAGS = (*SCRIPTED, *QUICK, "--keep-transcripts")
DOOR = """
languages: en
slots: {may_enter: {kind: yes_no}}
steps:
  welcome: {say: "Which floor do you want?", branches: [{keys: "1", next: ring}]}
  ring: {say: "Wait.", next: wait}
  wait: {wait_for: return, failed: closed, next: ask}
  ask: {leg: return, ask: may_enter, say: "Shall I open the door?", next: {yes: thanks, no: closed}}
  thanks: {leg: return, say: "Thanks.", next: opened}
  opened: {set: {DOOR: open}, say: "Come in.", end: allowed}
  closed: {set: {DOOR: closed}, say: "No.", end: refused}
"""
VISIT = """
caller:
  - {press: "1", into_answer_s: 0.2, interrupts: true, expect: wait}
  - pause_s: 20
return:
  joins_after: 1
  steps:
    - {press: "1", into_answer_s: 0.2, interrupts: true, expect: thanks}
    - pause_s: 20
expect: {result: ended, reason: allowed, variables: {DOOR: open}}
"""
"""Both legs, by keys: nothing is to be understood."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the server's finished calls."""
    return tmp_path_factory.mktemp("records") / "calls.jsonl"


@pytest.fixture(scope="module")
def sales_port() -> int:
    """The port of the server's extension `sales`."""
    return free_port()


@pytest.fixture(scope="module")
def door_ports() -> tuple[int, int]:
    """The ports of the server's extension `door`: the caller's leg, and the return leg."""
    return free_port(), free_port()


@pytest.fixture(scope="module")
def traces() -> Iterator[Collector]:
    """Takes the server's traces."""
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    records: Path, sales_port: int, door_ports: tuple[int, int], traces: Collector
) -> Iterator[RunningServer]:
    """A server with scripted engines, which survives its tests."""
    flow = records.parent / "door.yaml"
    flow.write_text(DOOR)
    settings = {
        "records.file": records,
        "extensions.sales.port": sales_port,
        "extensions.door.port": door_ports[0],
        "extensions.door.return_port": door_ports[1],
        "extensions.door.dialog.name": "flow",
        "extensions.door.dialog.flow.file": flow,
        "traces.endpoint": traces.endpoint,
    }
    flags = [part for setting, value in settings.items() for part in ("--set", f"{setting}={value}")]
    with private_server(*FLAGS, *flags) as running:
        yield running


@pytest.fixture
def doomed_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of the test's own. It has threads: its configuration is watched."""
    configuration = tmp_path / "raymal.toml"
    configuration.touch()
    with private_server(*FLAGS, "--config", str(configuration)) as running:
        yield running


def test_a_call_is_answered_and_its_record_shown(
    server: RunningServer, traces: Collector, tmp_path: Path
) -> None:
    """`raymal call` speaks, is answered, saves the answer and shows the server's stages, in both forms."""
    wav, said = tmp_path / "answer.wav", tmp_path / "said.wav"
    write_wave(said, recorded_words(3))
    to_server = ("call", "--port", str(server.port))
    with ThreadPoolExecutor() as threads:
        table = threads.submit(raymal, *to_server, "--wav", str(said), "--save", str(tmp_path / "other.wav"))
        result = raymal(*to_server, "--say", "hello there, good morning", "--save", str(wav), "--json")
    assert (result.returncode, table.result().returncode) == (0, 0), result.stderr
    for words in ("stages in the server", "endpoint wait", "transcription", "first answer", "underruns"):
        assert words in table.result().stdout
    summary = json.loads(result.stdout)
    assert summary["answered"]
    assert summary["turns"][0]["first_answer_ms"] < 1_500
    turn = summary["record"]["turns"][-1]
    assert (turn["heard"], turn["answered"]) == ("hello", "You said: hello")
    assert summary["record"]["lateness"]["frames"] > 100
    assert wav.stat().st_size > 16_000
    log = server.log.read_text()
    assert "turn 2 utterance: answer after" in log
    assert "You said" not in log

    def spans(name: str) -> list[Span]:
        return [span for span in traces.of_call(summary["record"]["call_id"]) if span.name == name]

    wait_until(lambda: bool(spans("call")), 5.0, "the call's trace")
    (call,), span = spans("call"), spans("utterance")[-1]
    assert span.parent_span_id == call.span_id
    assert call.start_time_unix_nano < span.start_time_unix_nano < call.end_time_unix_nano
    answer = traces.children(span)[-1]
    until_answer_ms = (answer.start_time_unix_nano - span.start_time_unix_nano) / 1e6
    assert (answer.name, until_answer_ms) == ("answer", pytest.approx(turn["first_answer_ms"], abs=0.1))
    assert b"hello" not in traces.raw
    assert b"You said" not in traces.raw


@pytest.mark.usefixtures("server")
def test_a_script_plays_both_legs_and_judges_what_came(door_ports: tuple[int, int], tmp_path: Path) -> None:
    """0 if all is as the script expects; else 1, with a line for each thing that is not."""
    right, wrong = tmp_path / "right.yaml", tmp_path / "wrong.yaml"
    right.write_text(VISIT)
    wrong.write_text(VISIT.replace("expect: thanks", "expect: sorry").replace("DOOR: open", "DOOR: closed"))
    port, return_port = map(str, door_ports)

    def place(script: Path, *flags: str) -> CompletedProcess[str]:
        ports = ("--port", port, "--return-port", return_port)
        return raymal("call", "--script", str(script), *ports, "--save", f"{script}.wav", *flags)

    with ThreadPoolExecutor() as threads:
        failed = threads.submit(place, wrong)
        result = place(right, "--json")
    assert result.returncode == 0, result.stdout
    summary = json.loads(result.stdout)
    assert summary["as_expected"]
    by_leg = {
        leg: [(line["who"], line["said"]) for line in summary["conversation"] if line["leg"] == leg]
        for leg in ("caller", "return")
    }
    greeting, key = ("raymal", ""), ("person", "keys 1")
    assert by_leg == {
        "caller": [greeting, key, ("raymal", "Wait."), ("raymal", "Come in.")],
        "return": [greeting, key, ("raymal", "Thanks.")],
    }
    assert [line["was_interrupted"] for line in summary["conversation"] if not line["said"]] == [True, True]
    assert failed.result().returncode == 1
    printed = " ".join(failed.result().stdout.split())
    assert "return, step 1: expected 'sorry', and heard 'Thanks.' without sorry" in printed
    assert "RAYMAL_VAR_DOOR: expected closed, and got open" in printed
    assert "RAYMAL_RESULT=ended, RAYMAL_REASON=allowed, RAYMAL_VAR_DOOR=open" in printed


def test_numpy_computes_on_one_thread(server: RunningServer) -> None:
    """In every process of the server: its other threads would spin beside the models and the clock."""
    for name in ("gateway", "media-worker"):
        assert server.child(name).environ()["OPENBLAS_NUM_THREADS"] == "1"


def test_a_server_is_asked_by_any_of_its_ports(server: RunningServer, sales_port: int) -> None:
    """Its own, or an extension's."""
    own, of_the_extension = (raymal("status", "--port", str(port)) for port in (server.port, sales_port))
    assert (own.returncode, of_the_extension.returncode) == (0, 0), of_the_extension.stderr
    assert "sales" in of_the_extension.stdout


def test_a_call_that_ends_while_the_gateway_is_away_has_its_line(
    server: RunningServer, records: Path
) -> None:
    """One, as the calls before and after it, though the gateway is killed at any time."""
    calls = [os.urandom(16) for _ in range(6)]
    for number, call in enumerate(calls):
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(b"\x01\x00\x10" + call)
            read_frames(line, 10)
            if number in (1, 4):
                server.child("gateway").kill()

    def lines() -> list[str]:
        """Return the ids of the calls in the file."""
        found = [json.loads(line)["call"]["call_id"] for line in records.read_text().splitlines()]
        return [call_id for call_id in found if UUID(call_id).bytes in calls]

    wait_until(lambda: len(set(lines())) == len(calls), 20.0, "a line for each call")
    wait_until(server.is_ready, 20.0, "the new gateway")
    assert sorted(lines()) == sorted(str(UUID(bytes=call)) for call in calls)


def test_a_killed_media_worker_is_replaced_on_the_same_port(server: RunningServer) -> None:
    """Connections wait in the kernel's queue meanwhile: the port is never closed."""
    server.child("media-worker").kill()
    for _ in range(20):
        socket.create_connection(("127.0.0.1", server.port), timeout=1.0).close()
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"\x01\x00\x10" + os.urandom(16))
        assert read_frames(line, 10) == 10


@contextmanager
def call_while_draining(server: RunningServer) -> Iterator[socket.socket]:
    """Yield a running call of a server that has just got SIGTERM."""
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"\x01\x00\x10" + os.urandom(16))
        read_frames(line, 10)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in server.log.read_text(), 5.0, "draining")
        yield line


def test_sigterm_lets_a_running_call_finish(doomed_server: RunningServer) -> None:
    """New calls are refused at once; the server ends when the last caller hangs up, with exit code 0."""
    server = doomed_server
    with call_while_draining(server) as line:
        with socket.create_connection(("127.0.0.1", server.port)) as late:
            assert late.recv(16) == b"\x00\x00\x00"
        assert read_frames(line, 50) == 50
        assert server.process.poll() is None
    assert server.process.wait(10.0) == 0


def test_a_second_signal_does_not_wait_for_calls(doomed_server: RunningServer) -> None:
    """The running call gets a hangup message, not a reset."""
    with call_while_draining(doomed_server) as line:
        doomed_server.process.send_signal(signal.SIGTERM)
        received = b""
        while data := line.recv(65_536):
            received += data
        assert received.endswith(b"\x00\x00\x00")
    assert doomed_server.process.wait(15.0) == 0


def test_a_hangup_signal_reloads_the_configuration(tmp_path: Path) -> None:
    """A running call goes on; new ones are served by what is written now, unless that cannot work."""
    config = tmp_path / "raymal.toml"

    def write(greeting: str, more: str = "") -> None:
        config.write_text(f'[dialog]\ngreeting = "{greeting}"\n{more}')

    def hang_up_on_everything(server: RunningServer) -> None:
        for process in (server.process, *psutil.Process(server.process.pid).children(recursive=True)):
            os.kill(process.pid, signal.SIGHUP)

    def logged(server: RunningServer, text: str) -> None:
        wait_until(lambda: text in server.log.read_text(), 10.0, text)

    def greeting_of_a_call(server: RunningServer) -> str:
        call_id = uuid4()
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            caller.sendall(b"\x01\x00\x10" + call_id.bytes)
            read_frames(caller, 40)  # until the greeting has been heard
        record = asyncio.run(observer.call_record(server.port, str(call_id), 5.0))
        assert record is not None
        return str(record.turns[0].answered)

    write("One.")
    flags = [flag for flag in FLAGS if flag not in ("--greeting", "")]
    with (
        private_server(*flags, "--config", str(config)) as server,
        socket.create_connection(("127.0.0.1", server.port)) as line,
    ):
        line.sendall(b"\x01\x00\x10" + os.urandom(16))
        children = {child.pid for child in psutil.Process(server.process.pid).children()}
        assert greeting_of_a_call(server) == "One."
        write("Two.", "[server]\nmax_calls = 7\n")
        hang_up_on_everything(server)
        logged(server, "only the next start takes this up: server.max_calls has changed")
        added = raymal("extensions", "add", "late", "--port", "auto", "--server", str(server.port))
        assert "only the next start takes this up: server.max_calls has changed" in added.stdout
        assert greeting_of_a_call(server) == "Two."
        write("Three.", "greting = 1\n")
        os.kill(server.process.pid, signal.SIGHUP)
        logged(server, "the configuration is not reloaded")
        assert greeting_of_a_call(server) == "Two."
        assert {child.pid for child in psutil.Process(server.process.pid).children()} == children
        assert read_frames(line, 20) == 20
        config.unlink()
        os.mkfifo(config)  # reading it never ends
        os.kill(server.process.pid, signal.SIGHUP)
        time.sleep(0.5)
        line.close()
        server.process.send_signal(signal.SIGTERM)
        while server.process.poll() is None:  # to its very end it is no reason to be killed
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.001)
        assert server.process.returncode == 0


def test_a_killed_supervisor_leaves_nothing(doomed_server: RunningServer) -> None:
    """The kernel ends the children; a running call may finish."""
    process = doomed_server.process
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    with StrictCall(doomed_server.port, outgoing=voice(10.0)) as call:
        call.until_frames(2)
        process.kill()
        process.wait()
        call.until_frames(call.frames + 25)
        socket.create_server(("127.0.0.1", doomed_server.port)).close()  # as the next server does
    _, alive = psutil.wait_procs(children, timeout=10.0)
    assert not alive


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (
            ["--dialog", "stranger:Bye"],
            "dialog.name: 'stranger:Bye': there is no module 'stranger' in ",
        ),
        (["--model", "/nowhere/model"], "speech.whisper.model"),
        (["--port", "70000"], "--port: server.port = '70000'"),
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


def test_checking_only_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    """`raymal serve --check` opens nothing."""
    assert main(["serve", *SCRIPTED, "--check", "--port", "0"]) == 0
    assert capsys.readouterr().out.strip() == "the configuration is fine"


@pytest.mark.parametrize(
    ("command", "expected"), [(["call", "--say", "hello"], "{port}"), (["status"], "no gateway at")]
)
def test_asking_a_server_that_is_not_there_is_exit_code_3(
    command: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the address."""
    port = str(free_port())
    assert main([*command, "--port", port]) == 3
    assert expected.format(port=port) in capsys.readouterr().err


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


def test_the_audio_clock_goes_before_the_rest(server: RunningServer) -> None:
    """Media worker before gateway, in the kernel's own order; the gateway, with the engines, behind 0."""
    media, gateway = (place(server.child(name).pid) for name in ("media-worker", "gateway"))
    assert media is not None
    assert gateway is not None
    assert goes_before(media, gateway)
    assert gateway.niceness > 0
    status = server.status()
    assert status is not None
    assert {it.process for it in status.ranks} == {"media worker", "gateway"}
    assert status.rank_problem is None
