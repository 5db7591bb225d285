"""A real `raymal serve` as a subprocess, for tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from actors.errors import LinkError
from benchmarks.harness.server import free_port
from ingress.link.status import ServerStatus
from ingress.server import observer

RAYMAL = [sys.executable, "-m", "ingress"]
SCRIPTED = ["--no-ray", "--stt", "scripted", "--tts", "scripted", "--greeting", ""]
QUICK = ["--set", "speech.scripted.stt_delay_s=0.1", "--set", "speech.scripted.tts_delay_s=0.02"]


def raymal(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*RAYMAL, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def wait_until(condition: Callable[[], bool], deadline_s: float, what: str) -> float:
    """Poll until the condition holds; return how long it took."""
    start_s = time.monotonic()
    while not condition():
        assert time.monotonic() - start_s < deadline_s, f"{what}: not within {deadline_s:g} s"
        time.sleep(0.05)
    return time.monotonic() - start_s


@dataclass
class RunningServer:
    """A server process and how to look at it."""

    port: int
    web_port: int | None
    """None: it has no web process."""
    agi_port: int
    process: subprocess.Popen[bytes]
    log: Path

    def status(self) -> ServerStatus | None:
        """Return how the server is doing, None while it does not answer."""
        with ThreadPoolExecutor(1) as thread:  # a test's event loop may be running in this one
            try:
                return thread.submit(asyncio.run, observer.status(self.port)).result()
            except LinkError:
                return None

    def is_ready(self) -> bool:
        """Whether a turn can be served."""
        status = self.status()
        return status is not None and status.is_ready

    def child(self, name: str) -> psutil.Process:
        """Return the child process whose command line holds `name`."""
        for child in psutil.Process(self.process.pid).children():
            if name in child.cmdline():
                return child
        raise AssertionError(f"no child {name!r}; the log says:\n{self.log.read_text()}")

    def stop(self, deadline_s: float = 45.0) -> int:
        """Stop in order; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline_s)


@contextmanager
def running_server(
    folder: Path,
    *flags: str,
    ready_within_s: float = 60.0,
    command: Sequence[str] = RAYMAL,
    working_folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    has_web: bool = False,
) -> Iterator[RunningServer]:
    """Start a server, wait until it is ready, stop it at the end; nothing of it may be left."""
    port = free_port()
    web_port, agi_port = free_port() if has_web else None, free_port()
    web = f"web.port={web_port}" if has_web else "web.enabled=false"
    doors = ["--set", web, "--set", f"agi.port={agi_port}"]
    doors += ["--set", "call_limits.no_input_s=0"]  # on a slow machine a test may be silent for long
    log = folder / f"server-{port}.log"
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment |= variables or {}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "serve", "--port", str(port), *doors, *flags],
            stdout=stream,
            stderr=stream,
            env=environment,
            cwd=working_folder,
        )
    server = RunningServer(port, web_port, agi_port, process, log)
    family: list[psutil.Process] = []
    try:
        wait_until(lambda: server.is_ready() or process.poll() is not None, ready_within_s, "server")
        assert process.poll() is None, log.read_text()
        yield server
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
    finally:
        try:
            server.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    _, alive = psutil.wait_procs(family, timeout=10.0)
    assert not alive, f"left behind: {alive}"


@contextmanager
def private_server(
    *flags: str, ready_within_s: float = 60.0, has_web: bool = False
) -> Iterator[RunningServer]:
    """Run a server whose sockets and log are in a short folder of its own; for fixtures of any scope."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-test-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYMAL_RUNTIME", str(folder))
        with running_server(folder, *flags, ready_within_s=ready_within_s, has_web=has_web) as running:
            yield running
    shutil.rmtree(folder, ignore_errors=True)
