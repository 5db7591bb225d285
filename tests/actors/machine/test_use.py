"""Use of CPUs and memory: of the machine, or of a limit, whichever is fuller."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_machine import GIB, FakeMachine

from actors.machine.use import CpuMeter, memory_percent


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """Eight CPUs, all allowed; 16 GiB, half of them available."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    return FakeMachine(tmp_path)


def stat(machine: FakeMachine, *columns: float) -> None:
    """Set the seconds of CPU 0, of which alone the process may use."""
    machine.write("proc/stat", "cpu0 " + " ".join(str(round(100 * seconds)) for seconds in columns))


def test_cpu_is_what_was_used_since_the_last_time(machine: FakeMachine) -> None:
    """Waiting for a disk is not use, a guest's time is not counted twice; too short a time repeats."""
    stat(machine, 10, 0, 0, 10, 0, 0, 0, 0, 5, 0)
    meter = CpuMeter(machine.root)
    stat(machine, 11, 0, 0, 12, 1, 0, 0, 0, 6, 0)  # 4 s passed, 1 s of them used
    assert meter.percent() == 25.0
    stat(machine, 11.01, 0, 0, 12.01, 1, 0, 0, 0, 6, 0)
    assert meter.percent() == 25.0
    stat(machine, 13, 0, 1, 12, 1, 0, 0, 0, 6, 0)
    assert meter.percent() == 100.0


def test_only_the_cpus_of_the_affinity_count(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two busy CPUs are all there is to a process that may run on those two."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 3})
    busy, idle = "100 0 0 0 0 0 0 0 0 0", "0 0 0 100 0 0 0 0 0 0"
    rows = [f"cpu{cpu} {busy if cpu in (2, 3) else idle}" for cpu in range(8)]
    machine.set_idle(0, 0)
    meter = CpuMeter(machine.root)
    machine.write("proc/stat", "\n".join(["cpu 200 0 0 600 0 0 0 0 0 0", *rows]))
    assert meter.percent() == 100.0


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_at_its_quota_is_full_on_an_idle_machine(machine: FakeMachine, version: int) -> None:
    """Half a CPU of eight: 6 % of the machine, 100 % of what there is."""
    if version == 2:
        folder, counter = machine.control_groups_2("/u"), "cpu.stat"
        (folder / "cpu.max").write_text("50000 100000\n")
    else:
        folder, counter = machine.control_groups_1("/u")["cpu"], "cpuacct.usage"
        (folder / "cpu.cfs_quota_us").write_text("50000\n")
        (folder / "cpu.cfs_period_us").write_text("100000\n")

    def used(seconds: float) -> str:
        return f"usage_usec {seconds * 1e6:.0f}\nuser_usec 1\n" if version == 2 else f"{seconds * 1e9:.0f}\n"

    machine.set_idle(0.0, 0.0)
    (folder / counter).write_text(used(100.0))
    meter = CpuMeter(machine.root)
    machine.set_idle(0.1, 9.9)  # 10 s, 1 % of the machine in use
    (folder / counter).write_text(used(105.0))
    assert meter.percent() == pytest.approx(100.0)
    machine.set_idle(0.2, 19.8)
    (folder / counter).write_text(used(106.0))
    assert meter.percent() == pytest.approx(20.0)
    machine.set_idle(10.2, 19.8)  # the machine is full: no help that the group is not
    assert meter.percent() == pytest.approx(100.0)


@pytest.mark.parametrize("version", [1, 2])
def test_memory_is_that_of_the_limit(machine: FakeMachine, version: int) -> None:
    """Half the machine is free, and all of the limit used; files that can be dropped are not in use."""
    assert memory_percent(machine.root) == pytest.approx(50.0)
    if version == 2:
        folder = machine.control_groups_2("/u")
        names = ("memory.max", "memory.current", "inactive_file")
    else:
        folder = machine.control_groups_1("/u")["memory"]
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (folder / names[0]).write_text(f"{2 * GIB}\n")
    (folder / names[1]).write_text(f"{2 * GIB}\n")
    assert memory_percent(machine.root) == pytest.approx(100.0)
    (folder / "memory.stat").write_text(f"inactive_anon 5\n{names[2]} {GIB // 2}\n")
    assert memory_percent(machine.root) == pytest.approx(75.0)
    machine.set_memory(available_bytes=GIB)
    assert memory_percent(machine.root) == pytest.approx(93.75), "the machine itself is fuller"


def test_this_machine_can_be_read() -> None:
    """The real files give percentages."""
    assert 0.0 < memory_percent() < 100.0
    meter = CpuMeter()
    deadline = os.times().elapsed + 5.0
    while os.times().elapsed < deadline and not meter.percent():
        sum(range(10_000))
    assert 0.0 < meter.percent() <= 100.0
