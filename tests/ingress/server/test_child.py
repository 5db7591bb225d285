"""A child process that dies in different ways."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingress.server import child as module
from ingress.server.child import Child
from ingress.server.exit_codes import ExitCode

PROGRAM = """
import pathlib, sys
runs = pathlib.Path(sys.argv[1])
codes = sys.argv[2:]
run = len(runs.read_text()) if runs.exists() else 0
runs.write_text("x" * (run + 1))
sys.exit(int(codes[min(run, len(codes) - 1)]))
"""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long between two runs."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "LAST_PAUSE_S", 0.02)


def ending_with(runs: Path, *codes: int, before_start: Callable[[], None] = lambda: None) -> Child:
    """Return a child whose runs end with these codes, the last one from then on."""
    arguments = [sys.executable, "-c", PROGRAM, str(runs), *map(str, codes)]
    return Child("child", arguments, os.environ, before_start)


async def test_a_configuration_that_never_worked_is_final(tmp_path: Path) -> None:
    """Nothing is gained by trying again."""
    runs = tmp_path / "runs"
    code = await asyncio.wait_for(ending_with(runs, ExitCode.CONFIGURATION).keep_running(), 30.0)
    assert code == ExitCode.CONFIGURATION
    assert runs.read_text() == "x"


async def test_a_later_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    """The cluster may be gone for now, so that a gateway says it cannot join; or the disk may be full."""
    runs = tmp_path / "runs"
    starts: list[int] = []

    def before_start() -> None:
        starts.append(1)
        if len(starts) == 2:
            raise OSError

    child = ending_with(runs, ExitCode.FAILED, ExitCode.CONFIGURATION, before_start=before_start)
    keeper = asyncio.create_task(child.keep_running())
    async with asyncio.timeout(30.0):
        while not runs.exists() or len(runs.read_text()) < 4:
            assert not keeper.done()
            await asyncio.sleep(0.01)
    await child.stop(5.0)
    await asyncio.wait_for(keeper, 5.0)
    assert len(starts) >= 5


async def test_a_first_start_that_fails_is_final(tmp_path: Path) -> None:
    """Its reason is raised."""
    with pytest.raises(FileNotFoundError):
        await Child("child", [str(tmp_path / "no such program")], {}).keep_running()


async def test_a_process_that_is_stopped_while_it_starts_is_stopped() -> None:
    """The signal is sent once it exists."""
    child = Child("child", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ)
    keeper = asyncio.create_task(child.keep_running())
    await asyncio.sleep(0)
    await child.stop(5.0)
    assert await asyncio.wait_for(keeper, 5.0) == -signal.SIGTERM
