"""A server whose Ray does not answer: it says why while it waits, and ends with the reason."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from running_server import RAYMAL, RunningServer, raymal, wait_until
from silent_listeners import silent_listener

from benchmarks.harness.server import free_port

pytestmark = pytest.mark.usefixtures("runtime_folder")


def test_a_port_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    """`raymal status` has the reason; at the deadline the server ends with it, and no process stays."""
    port, log = free_port(), tmp_path / "server.log"
    with silent_listener() as address, log.open("wb") as stream:
        flags = ["--ray-address", address, "--set", "fleet.worker_start_deadline_s=3"]
        process = subprocess.Popen(
            [*RAYMAL, "serve", "--port", str(port), "--set", "web.enabled=false", *flags],
            stdout=stream,
            stderr=stream,
        )
        server = RunningServer(port, None, 0, process, log)

        def says_why() -> bool:
            status = server.status()
            return status is not None and "no answer within 2 s" in status.detail

        try:
            wait_until(says_why, 20.0, "the reason in the status")
            assert process.wait(30) == 2
        finally:
            process.kill()
            process.wait()
    assert f"not ready: joining Ray at {address}: no answer within 2 s" in log.read_text()
    assert f"fleet.ray_address: no Ray answered at '{address}'" in log.read_text()


def test_a_gateway_that_waits_for_ray_stops_at_once(tmp_path: Path) -> None:
    """SIGTERM while the head does not answer."""
    port, log = free_port(), tmp_path / "server.log"
    with silent_listener() as address, log.open("wb") as stream:
        command = [*RAYMAL, "serve", "--port", str(port), "--ray-address", address]
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            wait_until(
                lambda: RunningServer(port, None, 0, process, log).status() is not None, 20.0, "the gateway"
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(8) == 0
        finally:
            process.kill()
            process.wait()


def test_local_is_refused_before_a_port_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """By flag, by variable, by the check alone, and by the commands for a cluster."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    by_flag = raymal("serve", "--port", str(free_port()), "--ray-address", "local")
    monkeypatch.setenv("RAY_ADDRESS", "local")
    by_variable = raymal("serve", "--port", str(free_port()), "--check")
    for refused in (by_flag, by_variable, raymal("cluster", "status")):
        assert refused.returncode == 2
        assert "fleet.ray_address: 'local' would start a Ray" in refused.stderr
