"""The lines that start a Ray by hand: safe as written, and they work as written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from running_server import RunningServer, wait_until

from benchmarks.harness.server import free_port

ROOT = Path(__file__).parents[2]
GUIDES = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "pt-BR").glob("*.md")])
PAGES = [ROOT / "README.md", ROOT / "cluster.yaml", *GUIDES]
WRITTEN_ADDRESS = "10.0.0.5"
PORT_OPTIONS = ("node-manager", "object-manager", "dashboard-agent-listen", "dashboard-agent-grpc")
PORT_OPTIONS += ("runtime-env-agent", "metrics-export", "min-worker", "max-worker")


def lines_of_readme() -> list[str]:
    """Return the lines of the README's block that starts a Ray."""
    fenced = re.findall(r"^```\w*\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in fenced if "--head" in block]
    return [str(line) for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_starts_a_head_without_token_and_address(page: Path) -> None:
    """Ray itself asks for neither; `deploy/ray-start` asks for the token."""
    for line in page.read_text().splitlines():
        if "--head" in line and "--autoscaling-config" not in line:
            assert "deploy/ray-start --head --node-ip-address=" in line
        assert "ray start --head" not in line


def address() -> str:
    """Return this machine's own address, as another machine would see it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@pytest.fixture
def home() -> Iterator[Path]:
    """A home and a folder for Ray; every process that was started for it is ended, each by its id."""
    folder = Path(tempfile.mkdtemp(prefix="rh-"))
    yield folder
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("HOME") == str(folder):
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.cluster
@pytest.mark.timeout(180)
def test_the_readme_starts_a_ray_that_asks_for_the_token(home: Path) -> None:
    """Its three lines, with this machine's address, other ports and another home."""
    token, start, serve = lines_of_readme()
    scripts = str(Path(sys.executable).parent)
    port, server_port = free_port(), free_port()
    start += f" --port={port} --ray-client-server-port={free_port()} --temp-dir={home}/r --num-cpus=2"
    start += "".join(f" --{name}-port=0" for name in PORT_OPTIONS)
    serve += f" --port {server_port} --stt scripted --tts scripted --greeting ''"
    unset = ("RAY_AUTH_MODE", "RAY_ADDRESS")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "RAYMAL_RUNTIME": str(home / "s")}

    def as_here(line: str) -> str:
        line = line.replace("RAYMAL_VENV=.venv", f"RAYMAL_VENV={Path(scripts).parent}").replace(
            ".venv/bin", scripts
        )
        return line.replace(f"{WRITTEN_ADDRESS}:6379", f"{address()}:{port}").replace(
            WRITTEN_ADDRESS, address()
        )

    for line in (token, start):
        subprocess.run(["sh", "-c", as_here(line)], cwd=ROOT, env=environment, check=True, timeout=90)
    assert stat.S_IMODE((home / ".ray" / "auth_token").stat().st_mode) == 0o600
    ask = ["raymal", "cluster", "status", "--ray-address", f"{address()}:{port}"]
    ask[0] = f"{scripts}/raymal"
    without = subprocess.run(
        ask, env=environment | {"RAY_AUTH_MODE": "disabled"}, capture_output=True, text=True, timeout=60
    )
    assert "refused the token: give this process RAY_AUTH_MODE=token" in without.stderr
    log = home / "server.log"
    with log.open("wb") as stream:
        command = ["sh", "-c", f"exec env {as_here(serve)}"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream)
    server = RunningServer(server_port, None, 0, process, log)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAYMAL_RUNTIME", str(home / "s"))
            wait_until(lambda: server.is_ready() or process.poll() is not None, 90.0, "the server")
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(45)
