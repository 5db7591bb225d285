"""A server that takes the place of another one: no call is dropped, refused or chopped."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest
from running_server import RAYMAL, RunningServer, private_server, raymal, running_server, wait_until

from actors.errors import LinkError
from benchmarks.harness.server import free_port
from benchmarks.harness.strict_peer import Ending, StrictCall, voice
from ingress.server import observer
from ingress.server.finding import find

TONE = ("--no-ray", "--dialog", "tone")
CALLS = 20


def gateway_name(server: RunningServer) -> str:
    """Return the name of the gateway that answers for the port; empty while none does."""
    try:
        return asyncio.run(observer.status_at(find(server.port).gateway_socket))[0]
    except LinkError:
        return ""


def is_taken(port: int) -> bool:
    """Whether a call gets audio, without a long wait."""
    with StrictCall(port, outgoing=voice(5.0)) as call:
        call.until_frames(2, 2.0)
        return call.frames >= 2


def test_a_new_server_takes_over_under_twenty_calls(tmp_path: Path) -> None:
    """Running calls stay with the old one, which ends after the last; a call is taken at any moment.

    Return ports go over as well: calls of the new one get their second leg.
    """
    door, door_return = free_port(), free_port()
    ports = ["--set", f"extensions.door.port={door}", "--set", f"extensions.door.return_port={door_return}"]
    with private_server(*TONE, *ports, has_web=True) as old:
        calls = [StrictCall(old.port, outgoing=voice(60.0)).start() for _ in range(CALLS)]
        for call in calls:
            call.until_frames(10)
        before = gateway_name(old)
        command = [
            *RAYMAL,
            "serve",
            "--port",
            str(old.port),
            "--set",
            f"web.port={old.web_port}",
            *TONE,
            *ports,
        ]
        log = tmp_path / "new.log"
        taken = []
        with log.open("wb") as stream:
            new = subprocess.Popen([*command, "--replace", "60"], stdout=stream, stderr=stream)
        try:
            while "it ends with its last one" not in log.read_text():
                assert new.poll() is None, log.read_text()
                taken.append(is_taken(old.port))
            taken.append(is_taken(old.port))
            assert all(taken)
            with StrictCall(door, outgoing=voice(60.0)) as caller:
                caller.until_frames(2)
                with StrictCall(door_return, outgoing=voice(60.0), call_id=caller.call_id) as back:
                    back.until_frames(2)
            assert gateway_name(old) != before
            status = old.status()
            assert status is not None
            assert status.calls <= 1  # the new one's alone
            frames = [call.frames for call in calls]
            for call, count in zip(calls, frames, strict=True):
                call.until_frames(count + 25)
            for call in calls:
                call.hang_up()
            reports = [call.wait() for call in calls]
            assert old.process.wait(15.0) == 0
            assert old.is_ready()
        finally:
            for call in calls:
                call.hang_up()
            new.send_signal(signal.SIGTERM)
            assert new.wait(15.0) == 0, log.read_text()
        assert old.log.read_text().count(", 0 underruns,") >= CALLS
    assert {report.ending for report in reports} == {Ending.CALLER}
    assert all(report.violations == () for report in reports)
    assert [report.quality.longest_gap_ms for report in reports if report.quality.long_gaps] == []


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the sockets."""
    monkeypatch.setenv("RAYMAL_RUNTIME", str(tmp_path))
    return tmp_path


def test_a_server_that_cannot_take_over_changes_nothing(runtime: Path) -> None:
    """With other media workers, or killed before it serves. Without a server that runs it just starts."""
    with running_server(runtime, *TONE, "--replace") as server:
        command = ("serve", *TONE, "--port", str(server.port), "--replace", "--set", "web.enabled=false")
        other = raymal(*command, "--media-workers", "2")
        assert (other.returncode, "needs as many" in other.stderr) == (2, True)
        own = gateway_name(server)
        with subprocess.Popen([*RAYMAL, *command], stderr=subprocess.DEVNULL) as killed:
            wait_until(lambda: gateway_name(server) not in (own, ""), 10.0, "the new server's gateway")
            killed.kill()
        wait_until(lambda: gateway_name(server) == own, 10.0, "the server that goes on")
        with StrictCall(server.port, outgoing=voice(5.0)) as call:
            call.until_frames(5)
