"""What `raymal status` says of the order on the cores, on a machine that joins a Ray."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_machine import FakeMachine

from ingress.gateway.ranks import ranks
from ingress.link.status import RankStatus, ServerStatus

MEDIA, RAYLET, WORKER = 901, 902, 903
MEDIA_COMMAND = "python -m ingress media-worker /run/raymal 0 default=6"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """A media worker and this gateway, ranked, and a raylet that was started from a shell."""
    machine = FakeMachine(tmp_path)
    machine.write("proc/sys/kernel/sched_autogroup_enabled", "1")
    supervisor = os.getppid()
    machine.process(MEDIA, session="/autogroup-1 nice 0", parent=supervisor, arguments=MEDIA_COMMAND)
    machine.process(os.getpid(), 5, session="/autogroup-2 nice 5", parent=supervisor)
    machine.process(RAYLET, session="/autogroup-3 nice 0", name="raylet")
    machine.process(WORKER, 15, session="/autogroup-4 nice 15", name="ray::SttActor", parent=RAYLET)
    machine.process(904, session="/autogroup-5 nice 0", name="postgres")
    return machine


def problem(found: tuple[RankStatus, ...]) -> str | None:
    """Return what a status with these ranks says."""
    return ServerStatus.model_construct(ranks=found).rank_problem


def test_a_ray_as_the_clocks_equal_is_named(machine: FakeMachine) -> None:
    """With what to do; our own worker on it has ranked itself."""
    found = ranks(True, machine.root)
    assert {it.pid: it.is_behind_media for it in found if not it.is_media} == {
        os.getpid(): True,
        RAYLET: False,
        WORKER: True,
    }
    said = problem(found) or ""
    assert "raylet (902)" in said
    assert "deploy/ray-start" in said
    assert "server.nice" in said


def test_a_ray_that_was_ranked_is_fine(machine: FakeMachine) -> None:
    """As deploy/ray-start does."""
    machine.process(RAYLET, 5, session="/autogroup-3 nice 5", name="raylet")
    assert problem(ranks(True, machine.root)) is None


def test_another_ray_beside_a_private_one_is_not_this_servers(machine: FakeMachine) -> None:
    """Nor is any where the server uses none."""
    assert {it.pid for it in ranks(False, machine.root)} == {MEDIA, os.getpid()}
    machine.process(950, 5, session="/autogroup-9 nice 5", name="raylet", parent=os.getppid())
    assert {it.pid for it in ranks(True, machine.root)} == {MEDIA, os.getpid(), 950}
