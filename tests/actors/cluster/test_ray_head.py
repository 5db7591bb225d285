"""The private Ray: its command, its secrets, and one real start and end."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from actors.cluster.ray_head import LONGEST_FOLDER_BYTES, RayHead
from actors.errors import ConfigurationError
from actors.settings import FleetSettings
from ingress.access.tokens import VARIABLE as TOKEN_VARIABLE
from ingress.dialogs.llm.api_key import KEY_VARIABLE
from ingress.dialogs.webhook.settings import VARIABLE as WEBHOOK_VARIABLE


@pytest.fixture
def head(runtime_folder: Path) -> RayHead:
    return RayHead.plan(runtime_folder, FleetSettings())


def option(head: RayHead, name: str) -> str:
    """Return the value of --name=value; it must be there once."""
    (found,) = [word for word in head.argv if word.startswith(f"--{name}=")]
    return found.partition("=")[2]


def test_this_machine_alone_is_served_and_described_whole(head: RayHead) -> None:
    """On the address with which Ray opens no other port; the plan holds Asterisk's share back."""
    assert option(head, "node-ip-address") == "127.0.0.1"
    assert head.address == f"127.0.0.1:{option(head, 'port')}"
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


def test_engines_get_no_secrets_of_other_processes(head: RayHead, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head's environment is that of all its workers."""
    secrets = (TOKEN_VARIABLE, KEY_VARIABLE, WEBHOOK_VARIABLE)
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    assert not head.environment.keys() & set(secrets)


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


def test_a_folder_too_long_for_unix_sockets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray would fail without a reason; another user could have made any other place beforehand."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match=f"{LONGEST_FOLDER_BYTES} bytes at most; set RAYMAL_RUNTIME"):
        RayHead.plan(Path("/" + "x" * 60), FleetSettings())
    longest = Path("/" + "x" * (LONGEST_FOLDER_BYTES - len("//ray")))
    assert RayHead.plan(longest, FleetSettings()).folder == longest / "ray"
    assert not list(tmp_path.iterdir())


def test_all_of_rays_files_are_in_the_servers_private_folder(head: RayHead, runtime_folder: Path) -> None:
    """The one place whose owner and mode were checked."""
    assert head.folder.parent == head.token_file.parent == runtime_folder


def test_each_head_has_ports_of_its_own(head: RayHead, runtime_folder: Path) -> None:
    """Two servers start beside each other."""
    other = RayHead.plan(runtime_folder, FleetSettings())
    assert len({head.port, head.client_port, other.port, other.client_port}) == 4


@pytest.fixture(scope="module")
def running_head() -> Iterator[tuple[RayHead, subprocess.Popen[bytes]]]:
    """A head that runs; the last test ends it."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-test-"))
    head = RayHead.plan(folder, FleetSettings())
    head.prepare()
    process = subprocess.Popen(
        head.argv,
        env=head.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield head, process
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()
    head.remove()
    shutil.rmtree(folder, ignore_errors=True)


def cluster_status(head: RayHead, deadline_s: float) -> subprocess.Popen[str]:
    """Start `raymal cluster status` with the head's own token."""
    asked = ["cluster", "status", "--ray-address", head.address, "--deadline", str(deadline_s)]
    return subprocess.Popen(
        [sys.executable, "-m", "ingress", *asked],
        env=os.environ | head.driver_environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def stopped(process: subprocess.Popen[bytes], name: str) -> Iterator[None]:
    """Stop one of the head's processes for the block: it keeps its ports and its connections."""
    (found,) = [it for it in psutil.Process(process.pid).children(recursive=True) if it.name() == name]
    found.suspend()
    try:
        yield
    finally:
        found.resume()


@pytest.mark.cluster
def test_a_head_serves_a_driver_with_its_token(
    running_head: tuple[RayHead, subprocess.Popen[bytes]],
) -> None:
    """On loopback, as the gateway joins it."""
    head, _ = running_head
    program = (
        "import asyncio, ray; from actors.cluster.connection import connect; "
        "from actors.settings import FleetSettings; "
        f"asyncio.run(connect(FleetSettings(ray_address={head.address!r}, worker_start_deadline_s=60))); "
        "print(sorted(ray.cluster_resources()))"
    )
    driver = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | head.driver_environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert driver.returncode == 0, driver.stderr
    assert "node:127.0.0.1" in driver.stdout


@pytest.mark.cluster
def test_a_stopped_head_is_given_up_at_the_deadline(
    running_head: tuple[RayHead, subprocess.Popen[bytes]],
) -> None:
    """It accepts connections and says nothing."""
    head, process = running_head
    with stopped(process, "gcs_server"):
        command = cluster_status(head, 5.0)
        _, said = command.communicate(timeout=15)
    assert command.returncode == 3
    assert "no answer within 2 s" in said


@pytest.mark.cluster
def test_a_join_that_hangs_is_left(running_head: tuple[RayHead, subprocess.Popen[bytes]]) -> None:
    """The head answers, the machine's raylet does not: by the deadline, or by a signal before it."""
    head, process = running_head
    with stopped(process, "raylet"):
        in_time, interrupted, ended = (cluster_status(head, seconds) for seconds in (5.0, 600.0, 600.0))
        _, said = in_time.communicate(timeout=20)
        assert in_time.returncode == 3
        assert f"the Ray at {head.address} did not answer within 5 s" in said
        for command, number in ((interrupted, signal.SIGINT), (ended, signal.SIGTERM)):
            command.send_signal(number)
        assert [command.wait(5) for command in (interrupted, ended)] == [130, 130]
        for command in (interrupted, ended):
            command.communicate()


@pytest.mark.cluster
def test_a_head_ends_whole(running_head: tuple[RayHead, subprocess.Popen[bytes]]) -> None:
    """SIGTERM to the one process leaves none of its helpers."""
    _, process = running_head
    helpers = psutil.Process(process.pid).children(recursive=True)
    assert len(helpers) >= 2
    process.terminate()
    process.wait(timeout=15)
    _, alive = psutil.wait_procs(helpers, timeout=5)
    assert not alive
