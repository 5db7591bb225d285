"""Who goes first on the cores, from what the kernel says of two processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_machine import FakeMachine
from hypothesis import given
from hypothesis import strategies as st

from actors.machine.order import Place, Step, goes_before, place, weight

CLOCK, OTHER = 10, 20
SWITCH = "proc/sys/kernel/sched_autogroup_enabled"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def is_first(machine: FakeMachine) -> bool:
    """Whether the clock goes before the other, and not the other way round as well."""
    clock, other = place(CLOCK, machine.root), place(OTHER, machine.root)
    assert clock is not None
    assert other is not None
    assert not (goes_before(clock, other) and goes_before(other, clock))
    return goes_before(clock, other)


@pytest.mark.parametrize(
    ("switch", "clock", "other", "expected"),
    [
        pytest.param("1", (0, "/autogroup-7 nice 0"), (19, "/autogroup-8 nice 0"), False, id="void"),
        pytest.param("0", (0, "/autogroup-7 nice 0"), (19, "/autogroup-8 nice 0"), True, id="switched off"),
        pytest.param("1", (0, "/autogroup-7 nice 0"), (5, "/autogroup-8 nice 5"), True, id="ranked"),
        pytest.param("1", (0, "/autogroup-7 nice 0"), (5, "/autogroup-7 nice 0"), True, id="one session"),
        pytest.param("1", (0, "/autogroup-7 nice 0"), (0, "/autogroup-7 nice 0"), False, id="equal"),
        pytest.param(
            "1", (-10, "/autogroup-7 nice 0"), (5, "/autogroup-8 nice 0"), False, id="niceness alone"
        ),
        pytest.param("1", (0, ""), (5, ""), True, id="a kernel without autogroups"),
    ],
)
def test_between_sessions_their_own_niceness_counts(
    machine: FakeMachine, switch: str, clock: tuple[int, str], other: tuple[int, str], expected: bool
) -> None:
    """Inside one, or where the kernel forms none, that of the processes."""
    machine.write(SWITCH, switch)
    machine.control_groups_2("/", str(CLOCK))
    machine.process(CLOCK, clock[0], session=clock[1])
    machine.process(OTHER, other[0], session=other[1])
    assert is_first(machine) is expected


@pytest.mark.parametrize("version", [1, 2])
def test_in_one_unit_niceness_counts_and_sessions_do_not(machine: FakeMachine, version: int) -> None:
    """systemd puts all processes of a unit into one group."""
    machine.write(SWITCH, "1")
    for number, niceness in ((CLOCK, 0), (OTHER, 5)):
        machine.process(number, niceness, session=f"/autogroup-{number} nice 0")
        if version == 1:
            machine.control_groups_1("/system.slice/raymal.service", str(number))
            machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.shares", "1024")
            machine.write("sys/fs/cgroup/cpu,cpuacct/system.slice/raymal.service/cpu.shares", "1024")
        else:
            machine.control_groups_2("/system.slice/raymal.service", str(number))
            machine.write("sys/fs/cgroup/system.slice/cpu.weight", "100")
            machine.write("sys/fs/cgroup/system.slice/raymal.service/cpu.weight", "100")
    assert is_first(machine)


@pytest.mark.parametrize(("weight_of_ray", "expected"), [(100, False), (20, True)])
def test_between_units_their_weights_count(machine: FakeMachine, weight_of_ray: int, expected: bool) -> None:
    """A Ray in a unit of its own is the equal of the media worker's, however nice its processes are."""
    machine.write(SWITCH, "1")
    for number, unit, units_weight in ((CLOCK, "raymal", 100), (OTHER, "ray", weight_of_ray)):
        machine.process(number, 19 if unit == "ray" else 0)
        machine.control_groups_2(f"/system.slice/{unit}.service", str(number))
        machine.write("sys/fs/cgroup/system.slice/cpu.weight", "100")
        machine.write(f"sys/fs/cgroup/system.slice/{unit}.service/cpu.weight", str(units_weight))
    assert is_first(machine) is expected


def test_units_without_weights_are_no_groups(machine: FakeMachine) -> None:
    """Where systemd has not switched the controller on, sessions count, though each unit has a path."""
    machine.write(SWITCH, "1")
    for number, unit in ((CLOCK, "raymal"), (OTHER, "ray")):
        machine.process(number, session=f"/autogroup-{number} nice {0 if unit == 'raymal' else 5}")
        machine.control_groups_2(f"/system.slice/{unit}.service", str(number))
    assert is_first(machine)


def test_a_real_time_task_goes_before_all(machine: FakeMachine) -> None:
    """`server.realtime_priority`: no group holds it back."""
    machine.write(SWITCH, "1")
    machine.process(CLOCK, 19, session="/autogroup-7 nice 19", policy=2)
    machine.process(OTHER, -20, session="/autogroup-8 nice -20")
    assert is_first(machine)


def test_a_process_that_has_ended_has_no_place(machine: FakeMachine) -> None:
    """Nothing is raised: it may end between two looks."""
    assert place(99, machine.root) is None


def test_the_kernels_weights() -> None:
    """sched_prio_to_weight: 88761 for -20, 335 for 5, 15 for 19; the formula is within 3 %."""
    for niceness, expected in ((-20, 88761), (-10, 9548), (0, 1024), (5, 335), (10, 110), (19, 15)):
        assert weight(niceness) == pytest.approx(expected, rel=0.03)


places = st.builds(
    Place,
    st.lists(st.builds(Step, st.sampled_from("abc"), st.floats(1.0, 1e5)), min_size=1, max_size=3).map(tuple),
    st.just(0),
    st.booleans(),
)


@given(places, places)
def test_never_both_go_first(one: Place, other: Place) -> None:
    """An order: not both ways, and nothing before itself."""
    assert not (goes_before(one, other) and goes_before(other, one))
    assert not goes_before(one, one)
