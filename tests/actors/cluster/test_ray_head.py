"""The private Ray: its command, its secrets, and one real start and end."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from actors.cluster.ray_head import LONGEST_FOLDER_BYTES, RayHead
from actors.settings import FleetSettings


@pytest.fixture
def head(runtime_folder: Path) -> RayHead:
    return RayHead.plan(runtime_folder, FleetSettings())


def option(head: RayHead, name: str) -> str:
    """Return the value of --name=value; it must be there once."""
    (found,) = [word for word in head.argv if word.startswith(f"--{name}=")]
    return found.partition("=")[2]


def test_this_machine_alone_is_served_and_described_whole(head: RayHead) -> None:
    """On a loopback address that Ray does not replace; the plan holds Asterisk's share back."""
    assert option(head, "node-ip-address") == "127.0.0.2"
    assert head.address == f"127.0.0.2:{option(head, 'port')}"
    assert int(option(head, "num-cpus")) == len(os.sched_getaffinity(0))
    assert int(option(head, "memory")) == psutil.virtual_memory().total
    assert int(option(head, "object-store-memory")) == FleetSettings().object_store_bytes


def test_no_port_is_in_the_rtp_range(head: RayHead) -> None:
    """Chosen ports are the kernel's ephemeral ones; Ray's own worker range, 10002-19999, is not used."""
    for name in ("port", "ray-client-server-port"):
        assert not 10_000 <= int(option(head, name)) <= 20_000
    for name in ("min-worker-port", "max-worker-port", "node-manager-port", "object-manager-port"):
        assert option(head, name) == "0"


def test_a_token_is_needed_everywhere(head: RayHead) -> None:
    """Head and driver get the same token file and may not run without it."""
    for environment in (head.environment, head.driver_environment):
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_AUTH_TOKEN_PATH"] == str(head.token_file)


def test_the_token_is_new_and_private(head: RayHead) -> None:
    """Only this user can read it, and every start has its own."""
    head.prepare()
    first = head.token_file.read_text()
    assert stat.S_IMODE(head.token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(head.folder.stat().st_mode) == 0o700
    assert len(first) >= 64
    head.prepare()
    assert head.token_file.read_text() != first
    head.remove()
    assert not head.token_file.exists()
    assert not head.folder.exists()


def test_somebody_elses_ray_is_not_joined(head: RayHead, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAY_ADDRESS would keep the head from starting; OMP_NUM_THREADS would reach every worker."""
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RAYMAL_SOMETHING", "kept")
    assert "RAY_ADDRESS" not in head.environment
    assert "OMP_NUM_THREADS" not in head.environment
    assert head.environment["RAYMAL_SOMETHING"] == "kept"


def test_a_long_folder_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    """Unix sockets have short paths; Ray would fail with a message that names none of this."""
    deep = tmp_path / ("x" * 60)
    head = RayHead.plan(deep, FleetSettings())
    assert len(os.fsencode(head.folder)) <= LONGEST_FOLDER_BYTES
    assert head.folder == RayHead.plan(deep, FleetSettings()).folder
    other = RayHead.plan(deep / "y", FleetSettings())
    assert head.folder != other.folder
    assert len({head.port, head.client_port, other.port, other.client_port}) == 4


@pytest.mark.cluster
def test_a_head_starts_serves_its_driver_and_ends_whole(head: RayHead) -> None:
    """A driver with the token gets in; SIGTERM to the one process leaves none of its helpers."""
    head.prepare()
    program = (
        "import asyncio, ray; from actors.cluster.connection import connect; "
        "from actors.settings import FleetSettings; "
        f"asyncio.run(connect(FleetSettings(ray_address={head.address!r}, worker_start_deadline_s=60))); "
        "print(sorted(ray.cluster_resources()))"
    )
    process = subprocess.Popen(
        head.argv,
        env=head.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        driver = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | head.driver_environment,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert driver.returncode == 0, driver.stderr
        assert "node:127.0.0.2" in driver.stdout
        helpers = psutil.Process(process.pid).children(recursive=True)
        assert len(helpers) >= 2
        process.terminate()
        process.wait(timeout=15)
        _, alive = psutil.wait_procs(helpers, timeout=5)
        assert not alive
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        head.remove()
