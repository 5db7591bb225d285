"""What processes and cores used, as the kernel counts it."""

from __future__ import annotations

import os
import time

import pytest

from benchmarks.harness.processes import CoreTime, Snapshot, cpu_s


def test_cpu_time_is_what_was_burnt() -> None:
    """As the process itself counts it, to a few hundredths of a second."""
    before, before_s = cpu_s([os.getpid()]), time.process_time()
    while time.process_time() - before_s < 0.2:
        pass
    assert cpu_s([os.getpid()]) - before == pytest.approx(time.process_time() - before_s, abs=0.03)


def test_foreign_is_what_neither_the_server_nor_its_callers_used() -> None:
    """In percent of a core; what the host took counts as well."""
    before = Snapshot(10.0, 2.0, 0.5, CoreTime(20.0, 3.0))
    after = Snapshot(20.0, 5.0, 1.5, CoreTime(25.0, 3.5))
    use = after - before
    assert (use.server_percent, use.foreign_percent, use.stolen_percent) == (30.0, 10.0, 5.0)
    assert use.is_disturbed()
    assert not use.is_disturbed(limit_percent=15.0)
    assert str(use) == "CPU: server 30 %, others on its core 15 %"
