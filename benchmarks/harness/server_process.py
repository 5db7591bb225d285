"""The process of a server that is measured: started on a port that is free, watched, always ended.

It starts with a clean environment: nothing of the shell that measures slows it down or joins it to a Ray.
It ends with its whole family, stopped children among them, before the next one is measured.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from actors.errors import RaymalError

START_DEADLINE_S = 90.0
STOP_DEADLINE_S = 15.0
# asyncio takes any PYTHONASYNCIODEBUG, "0" among them, for yes, and is several times slower then.
UNWANTED = ("RAY_ADDRESS", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE")


class ServerError(RaymalError):
    """A server could not be started, or did not do what was waited for."""


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**own: str) -> Mapping[str, str]:
    """Return what a server's process inherits, and `own` on top."""
    return {name: value for name, value in os.environ.items() if name not in UNWANTED} | own


@contextmanager
def serving(
    name: str,
    command: Sequence[str],
    log: Path,
    is_ready: Callable[[], bool],
    inherits: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server's process for the time of the body, which begins when it is ready. Raises ServerError.

    `inherits`: its environment, `environment()` if left out.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment() if inherits is None else inherits,
        )
    try:
        _wait_until_ready(name, process, log, is_ready)
        yield process
    finally:
        _end(process)


def _wait_until_ready(
    name: str, process: subprocess.Popen[bytes], log: Path, is_ready: Callable[[], bool]
) -> None:
    give_up_s = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < give_up_s:
        if process.poll() is not None:
            raise ServerError(f"{name} ended at its start:\n{_last_lines(log)}")
        if is_ready():
            return
        time.sleep(0.1)
    raise ServerError(f"{name} was not ready in {START_DEADLINE_S:.0f} s:\n{_last_lines(log)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGCONT)  # one that a test stopped could not end
    process.terminate()
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=STOP_DEADLINE_S)
    for child in alive:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])
