"""What a process may use, read from the files of a machine, a unit or a container."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_machine import GIB, FakeMachine

from actors.machine.limits import Limits, limits, physical_cores

ALL = range(8)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """Eight logical CPUs on eight cores, 16 GiB."""
    return FakeMachine(tmp_path)


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text + "\n")


def test_a_machine_without_limits_is_used_whole(machine: FakeMachine) -> None:
    """Also where no control groups are mounted, and where nothing is limited in them."""
    whole = Limits(8.0, 8.0, 16 * GIB)
    assert limits(machine.root, ALL) == whole
    folder = machine.control_groups_2("/system.slice/raymal.service")
    for name, text in (("cpu.max", "max 100000"), ("memory.max", "max"), ("memory.high", "max")):
        put(folder, name, text)
    assert limits(machine.root, ALL) == whole
    folders = machine.control_groups_1("/docker/c")
    put(folders["cpu"], "cpu.cfs_quota_us", "-1")
    put(folders["cpu"], "cpu.cfs_period_us", "100000")
    put(folders["memory"], "memory.limit_in_bytes", "9223372036854771712")
    assert limits(machine.root, ALL) == whole


def test_a_group_of_version_2_limits(machine: FakeMachine) -> None:
    """Half a CPU and 1 GiB, as a container has them."""
    folder = machine.control_groups_2("/docker/c")
    put(folder, "cpu.max", "50000 100000")
    put(folder, "memory.max", str(GIB))
    assert limits(machine.root, ALL) == Limits(0.5, 0.5, GIB)


def test_a_group_of_version_1_limits(machine: FakeMachine) -> None:
    """The same figures under their older names."""
    folders = machine.control_groups_1("/docker/c")
    put(folders["cpu"], "cpu.cfs_quota_us", "250000")
    put(folders["cpu"], "cpu.cfs_period_us", "100000")
    put(folders["memory"], "memory.limit_in_bytes", str(3 * GIB))
    assert limits(machine.root, ALL) == Limits(2.5, 2.5, 3 * GIB)


@pytest.mark.parametrize("tightest", ["s.slice", "s.slice/raymal.service", "s.slice/raymal.service/x"])
def test_the_smallest_on_the_path_counts(machine: FakeMachine, tightest: str) -> None:
    """A slice holds its units, a unit the groups that it delegates."""
    machine.control_groups_2("/s.slice/raymal.service/x")
    for path in ("s.slice", "s.slice/raymal.service", "s.slice/raymal.service/x"):
        is_tightest = path == tightest
        machine.write(f"sys/fs/cgroup/{path}/cpu.max", f"{150_000 if is_tightest else 400_000} 100000")
        machine.write(f"sys/fs/cgroup/{path}/memory.max", str((2 if is_tightest else 6) * GIB))
    assert limits(machine.root, ALL) == Limits(1.5, 1.5, 2 * GIB)


def test_memory_high_is_a_limit(machine: FakeMachine) -> None:
    """Above it the kernel slows the group down."""
    folder = machine.control_groups_2("/u")
    put(folder, "memory.max", str(8 * GIB))
    put(folder, "memory.high", str(5 * GIB))
    assert limits(machine.root, ALL).memory_bytes == 5 * GIB


def test_a_limit_above_the_machine_is_none(machine: FakeMachine) -> None:
    """It never makes the machine larger."""
    folder = machine.control_groups_2("/u")
    put(folder, "cpu.max", "6400000 100000")
    put(folder, "memory.max", str(64 * GIB))
    assert limits(machine.root, ALL) == Limits(8.0, 8.0, 16 * GIB)


@pytest.mark.parametrize(
    ("mounted", "path"),
    [
        pytest.param("/docker/c", "/docker/c", id="the container's own group is mounted"),
        pytest.param("/", "/", id="a namespace of its own"),
        pytest.param("/docker/c", "/../../elsewhere", id="a path that is not below the mount"),
        pytest.param("/", "/only/on/the/host", id="a path that is not there"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_container_sees_its_group_at_the_mount_point(
    machine: FakeMachine, version: int, mounted: str, path: str
) -> None:
    """What /proc says may be the host's name for it."""
    if version == 2:
        machine.control_groups_2("/", mounted="/")
        machine.write("proc/self/mountinfo", f"25 20 0:22 {mounted} /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
        machine.write("proc/self/cgroup", f"0::{path}")
        machine.write("sys/fs/cgroup/cpu.max", "100000 100000")
        machine.write("sys/fs/cgroup/memory.max", str(GIB))
    else:
        machine.control_groups_1(mounted, mounted=mounted)
        machine.write("proc/self/cgroup", f"4:memory:{path}\n2:cpu,cpuacct:{path}\n0::/")
        machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000")
        machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
        machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", str(GIB))
    assert limits(machine.root, ALL) == Limits(1.0, 1.0, GIB)


@pytest.mark.parametrize("text", ["", "max", "garbage", "100000 0", "0 100000", "-1 100000"])
def test_what_cannot_be_read_is_no_limit(machine: FakeMachine, text: str) -> None:
    """A file of another form never stops the server."""
    put(machine.control_groups_2("/u"), "cpu.max", text)
    put(machine.control_groups_2("/u"), "memory.max", text)
    assert limits(machine.root, ALL) == Limits(8.0, 8.0, 16 * GIB)


def test_threads_of_one_core_are_one_core(tmp_path: Path) -> None:
    """Four cores of two threads; only those count that the process may run on."""
    root = FakeMachine(tmp_path, cpus=8, threads_per_core=2).root
    assert limits(root, ALL) == Limits(8.0, 4.0, 16 * GIB)
    assert limits(root, {0, 4}) == Limits(2.0, 1.0, 16 * GIB)
    assert limits(root, {0, 1, 2}) == Limits(3.0, 3.0, 16 * GIB)
    assert physical_cores(root, {9, 10}) == 2, "the kernel says nothing of them"


def test_this_machine_can_be_read() -> None:
    """The real files: no more CPUs than the affinity, some memory."""
    own = limits()
    assert 0 < own.cores <= own.cpus <= len(os.sched_getaffinity(0))
    assert own.memory_bytes > 2**27


def test_a_real_group_limits() -> None:
    """A process in a group of this machine's kernel, where this user may make one."""
    name = f"raymal-test-{os.getpid()}"
    folders = [Path("/sys/fs/cgroup", controller, name) for controller in ("cpu", "memory")]
    if not all((it.parent / "cgroup.procs").exists() and os.access(it.parent, os.W_OK) for it in folders):
        pytest.skip("needs control groups of version 1 that this user may write")
    program = (
        "import os, sys\n"
        "for folder in sys.argv[1:]: open(folder + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
        "from actors.machine.limits import limits\n"
        "own = limits(); print(own.cpus, own.memory_bytes)\n"
        "from actors.cluster.ray_head import RayHead\n"
        "from actors.settings import FleetSettings\n"
        "from pathlib import Path\n"
        "head = RayHead.plan(Path('/nowhere'), FleetSettings())\n"
        "print(*[flag for flag in head.argv if flag.startswith(('--num-cpus', '--memory'))])"
    )
    try:
        for folder in folders:
            folder.mkdir()
        put(folders[0], "cpu.cfs_quota_us", "50000")
        put(folders[1], "memory.limit_in_bytes", str(GIB))
        command = [sys.executable, "-c", program, *map(str, folders)]
        said = subprocess.check_output(command, text=True, timeout=60)
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error}")
    finally:
        for folder in folders:
            if folder.exists():
                folder.rmdir()
    assert said.split() == ["0.5", str(GIB), f"--memory={GIB}", "--num-cpus=1"]
