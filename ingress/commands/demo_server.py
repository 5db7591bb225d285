"""The server of a demo: `raymal serve` as a process of its own, on free ports, until the demo is over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from actors.errors import LinkError, RaymalError
from ingress.caller.ports import free_port
from ingress.server import observer

START_DEADLINE_S = 120.0
CALM_DEADLINE_S = 15.0
CALM_POLL_S = 0.5
STOP_DEADLINE_S = 45.0
PHRASES_DEADLINE_S = 180.0


class DemoError(RaymalError):
    """The server did not start."""


@contextmanager
def server(log: Path, flags: list[str], console: Console) -> Iterator[int]:
    """Run `raymal serve` on a free port until the block ends; yield the port once it is ready."""
    port = free_port()
    command = [sys.executable, "-m", "ingress", "serve", "--port", str(port), "--keep-transcripts"]
    command += ["--set", "web.port=0", "--set", "agi.port=0", *flags]
    # A configuration of the user's own Ray must not move the demo somewhere else.
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
        try:
            with console.status("starting the server") as progress:
                asyncio.run(_until_ready(process, port, log, progress.update))
                asyncio.run(_until_calm(port, progress.update))
            yield port
        finally:
            with console.status("stopping the server"):
                _stop(process)


@contextmanager
def phrases(configuration: Path, log: Path, console: Console) -> Iterator[None]:
    """Make what a server says to every caller, as far as it is missing, beside the block.

    A failure ends nothing: the server says what is missing, and makes the phrases when they are needed.
    """
    command = [sys.executable, "-m", "ingress", "cache", "warm", "--config", str(configuration)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            yield
            with console.status("making the phrases; the next time they are there"):
                process.wait(PHRASES_DEADLINE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _stop(process)


async def _until_ready(
    process: subprocess.Popen[bytes], port: int, log: Path, update: Callable[[str], None]
) -> None:
    def on_detail(detail: str) -> None:
        if process.poll() is not None:
            raise DemoError(f"the server ended with exit code {process.returncode}; {_last_line(log)}")
        update(f"starting the server: {detail}")

    try:
        await observer.wait_until_ready(port, START_DEADLINE_S, on_detail)
    except TimeoutError as error:
        raise DemoError(f"the server is {error}; its log is {log}") from None


async def _until_calm(port: int, update: Callable[[str], None]) -> None:
    """Let the load of the start pass, for a while: a server that is busy with it does less for each call."""
    with suppress(TimeoutError, LinkError):
        async with asyncio.timeout(CALM_DEADLINE_S):
            while (await observer.status(port)).level:
                update("starting the server: the load of its start passes")
                await asyncio.sleep(CALM_POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"its log {log} is empty"
