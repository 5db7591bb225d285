"""CPU is put down to whom it belongs."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks.capacity.resources import CALLERS, MACHINE, Look, ServerProcesses, Use
from benchmarks.capacity.validity import disturbances
from benchmarks.harness.processes import CoreTime


def test_a_look_less_an_earlier_one_is_cores_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of CPU over seconds that passed, by part; a process that is new counts from nothing."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    before = Look(10.0, {(1, "media"): 5.0, (2, "workers"): 1.0}, CoreTime(busy_s=100.0, stolen_s=0.0))
    seconds = {(1, "media"): 6.0, (2, "workers"): 3.0, (3, "workers"): 1.0, (4, "callers"): 0.5}
    use = Look(20.0, seconds, CoreTime(busy_s=110.0, stolen_s=2.0)).since(before)
    assert use.cores == pytest.approx({"media": 0.1, "workers": 0.3, "callers": 0.05, "machine": 1.0})
    assert use.server_cores == pytest.approx(0.4)
    assert use.others_cores == pytest.approx(0.55)
    assert use.stolen_percent == pytest.approx(10.0)


def test_who_else_used_the_machine_is_said() -> None:
    """The host and other programs, each with its own line; a quiet machine has none."""
    assert disturbances(Use({"media": 1.0, MACHINE: 1.2}, 1.0)) == []
    lines = disturbances(Use({"media": 1.0, MACHINE: 1.5}, 6.0))
    assert lines == ["the host took 6 % of the cores", "other programs used 0.50 cores"]


def test_a_busy_process_of_callers_is_found() -> None:
    """A process that burns a core is seen as one that does, also beside others."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            server = ServerProcesses(port=1, has_joined_ray=False)
            before = server.look([process.pid])
            time.sleep(0.5)
            use = server.look([process.pid]).since(before)
        finally:
            process.kill()
    assert 0.05 < use.cores[CALLERS] <= 1.3
    assert use.cores[MACHINE] <= (os.cpu_count() or 1) + 0.2
    assert use.server_cores == 0.0
    assert server.memory_bytes() == 0
