"""Calls while nodes join, are drained and die, on a real Ray; the story is in support/many_nodes.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import many_nodes
import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def seen() -> Iterator[many_nodes.Seen]:
    """Play the story once, in a process of its own, and return what it saw."""
    folder = Path(tempfile.mkdtemp(prefix="rt-"))
    # RAY_TMPDIR: Ray writes down where its newest cluster is, for others to join; this one is not for them.
    environment = {**os.environ, **many_nodes.ENVIRONMENT, "RAY_TMPDIR": str(folder)}
    try:
        result = subprocess.run(
            [sys.executable, many_nodes.__file__],
            capture_output=True,
            text=True,
            timeout=150,
            cwd=ROOT,
            env=environment,
        )
        assert result.returncode == 0, result.stderr[-3000:]
        yield many_nodes.Seen(**json.loads(result.stdout.splitlines()[-1]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_node_that_joins_is_used_within_seconds(seen: many_nodes.Seen) -> None:
    """Its workers are planned by its GPU and its labels within 5 s, and serve."""
    assert seen.join_planned_s <= 5.0
    [group] = seen.joined["groups"]
    assert (group["kind"], group["planned"], group["ready"], group["slots"]) == ("transcription", 1, 1, 2)
    assert group["gpus"] == 1.0
    assert group["reason"] == "1 GPU of 16 GB, 6 GB a worker, 2 at a time: 1"


def test_the_command_shows_all_nodes_and_why(seen: many_nodes.Seen) -> None:
    """`raymal cluster status` shows nodes, slots and reasons, and that turns can be served."""
    assert seen.command_exit == 0
    assert seen.command["is_ready"] is True
    groups = [group for node in seen.command["nodes"] for group in node["groups"]]
    assert all(group["reason"] and group["ready"] == group["planned"] for group in groups)
    assert [node["hosts_ingress"] for node in seen.command["nodes"]].count(True) == 1
    assert seen.command["transcription"]["slots"] == 2 * many_nodes.SLOTS


def test_a_node_that_is_drained_finishes_and_gets_nothing_new(seen: many_nodes.Seen) -> None:
    """Seen within 5 s; its work out is done, its slots are not lent again, and no request fails."""
    assert seen.drain_noticed_s <= 5.0
    assert seen.drained["is_draining"] is True
    [group] = seen.drained["groups"]
    assert group["planned"] == 0
    assert group["busy"] >= 1, "there was work out to be finished"
    assert group["reason"] == "the node is being drained"
    assert not seen.drain_lent_more
    assert seen.drain_emptied_s <= 5.0
    assert seen.drain_results == ["hello"] * (2 * many_nodes.SLOTS + 1)
    assert seen.drain_failures == 0


def test_a_node_that_dies_loses_nothing(seen: many_nodes.Seen) -> None:
    """What it was working on is done elsewhere, inside each request's deadline of 30 s."""
    assert seen.kill_lost >= 1, "there was work out to be lost"
    assert seen.kill_gone_s <= 10.0, "five for Ray to notice, five for us"
    assert seen.kill_results == ["hello"] * (2 * many_nodes.SLOTS)
    assert seen.kill_longest_s <= 30.0
    assert seen.slots_after_kill == many_nodes.SLOTS
