"""CPU and memory of the machine, from the kernel's counters."""

from __future__ import annotations

from collections import namedtuple

import psutil
import pytest

from ingress.gateway.machine_load import MachineLoad

Times = namedtuple("Times", "user nice system idle iowait irq softirq steal guest guest_nice")


def test_cpu_is_what_was_used_since_the_last_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a disk is not use, a guest's time is not counted twice; too short a time repeats."""
    readings = iter(
        [
            Times(10, 0, 0, 10, 0, 0, 0, 0, 5, 0),
            Times(11, 0, 0, 12, 1, 0, 0, 0, 6, 0),  # 4 s passed, 1 s of them used
            Times(11.01, 0, 0, 12.01, 1, 0, 0, 0, 6, 0),
            Times(13, 0, 1, 12, 1, 0, 0, 0, 6, 0),
        ]
    )
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(readings))
    load = MachineLoad()
    assert load.cpu_percent() == 25.0
    assert load.cpu_percent() == 25.0
    assert load.cpu_percent() == 100.0


def test_this_machine_has_some_load() -> None:
    """The real counters."""
    load = MachineLoad()
    assert 0.0 <= load.cpu_percent() <= 100.0
    assert 0.0 < load.memory_percent() < 100.0
