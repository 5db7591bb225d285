"""`raymal cluster plan`, and `raymal cluster status`: what it prints and when no cluster answers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from ray_fixture import RayCluster

from actors.messages import IngressSignals, Level, WorkKind, WorkTally
from actors.status import (
    AdmissionStatus,
    FleetStatus,
    GroupStatus,
    IngressStatus,
    NodeStatus,
    Percentiles,
    PoolStatus,
)
from ingress.cli import main
from ingress.commands.fleet_lines import status_lines

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MAX_CONCURRENT_TRANSCRIPTIONS", "MAX_CONCURRENT_SYNTHESIS", "RAY_ADDRESS"):
        monkeypatch.delenv(variable, raising=False)


def test_a_plan_says_what_and_why(capsys: Captured) -> None:
    """Equal neighbours are shown once; slots are added up and made into calls."""
    assert main(["cluster", "plan", "--nodes", "3x8cpu+16gb,1x8cpu+1gpu+24gbgpu"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "node 1: 8 cores, 16 GB, with an ingress",
        "  transcription: 6 workers, 0.58 CPU, 1 thread each (beside an ingress on 8 cores and 16 GB: 6)",
        "  synthesis: 6 workers, 0.58 CPU, 1 thread each (beside an ingress on 8 cores and 16 GB: 6)",
        "nodes 2 to 3, each: 8 cores, 16 GB",
        "  transcription: 8 workers, 0.5 CPU, 1 thread each (8 cores and 16 GB: 8)",
        "  synthesis: 8 workers, 0.5 CPU, 1 thread each (8 cores and 16 GB: 8)",
        "node 4: 8 cores, 32 GB, 1 GPU",
        "  transcription: 1 worker of 8 slots, 1 GPU, 0.89 CPU, 1 thread each "
        "(1 GPU of 24 GB, 2 GB a worker, 8 at a time: 1)",
        "  synthesis: 8 workers, 0.89 CPU, 1 thread each (8 cores and 32 GB: 8)",
        "in all: 30 slots for transcription, 30 slots for synthesis; "
        "room for 480 calls (admission.calls_per_slot)",
    ]


def test_a_plan_uses_the_settings_of_serve(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags, --set and the environment count as they do for `raymal serve`."""
    monkeypatch.setenv("MAX_CONCURRENT_SYNTHESIS", "3")
    flags = ["--max-transcriptions", "2", "--set", "admission.calls_per_slot=10", "--json"]
    assert main(["cluster", "plan", "--nodes", "8cpu", "--ingress-nodes", "0", *flags]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {group["kind"]: group["count"] for group in facts["groups"]} == {
        "transcription": 2,
        "synthesis": 3,
    }
    assert facts["groups"][0]["reason"] == "MAX_CONCURRENT_TRANSCRIPTIONS=2"
    assert facts["calls"] == 20
    assert facts["nodes"][0]["cpus"] == 8


def test_a_plan_that_cannot_work_says_so_and_fails(capsys: Captured) -> None:
    """Exit code 1 and a line with what to do, after what can be had."""
    assert main(["cluster", "plan", "--nodes", "8cpu", "--set", "speech.whisper.device=cuda"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith("  synthesis: 6 workers")
    assert out[-1].startswith("problem: speech.whisper.device is 'cuda' but no node offers a GPU")


@pytest.mark.parametrize("flags", [["--nodes", "4xcats"], ["--nodes", "8cpu", "--set", "no.such=1"]])
def test_nonsense_is_a_configuration_error(capsys: Captured, flags: list[str]) -> None:
    """Exit code 2, one line on the error stream."""
    assert main(["cluster", "plan", *flags]) == 2
    assert capsys.readouterr().err.startswith("raymal: ")


def test_a_status_shows_levels_nodes_and_reasons() -> None:
    """Every count with its reason, the level with its causes, and the problems last."""
    group = GroupStatus(WorkKind.TRANSCRIPTION, 2, 1, 3, 8, 0.5, 0.5, 1, "1 GPU of 16 GB")
    labels = {"raymal-work": "transcription", "ray.io/node-id": "x"}
    status = FleetStatus(
        transcription=PoolStatus(
            2, 1, 3, 4, WorkTally(count=9, failed=1), slots=8, lease_wait=Percentiles(9, 10.0, 250.0)
        ),
        synthesis=PoolStatus(1, 0, 0, 0, WorkTally()),
        sessions=5,
        ingresses=1,
        cpu_percent=71.0,
        memory_percent=40.0,
        problems=("raymal-tts-0: no memory",),
        level=Level.LOADED,
        reasons=("slots 96 % busy",),
        nodes=(
            NodeStatus("n1", "10.0.0.1", 16, 64 * 10**9, 1, labels, False, True, (group,)),
            NodeStatus("n2" * 20, "", 1, 2 * 10**9, 0, {}, True, False, ()),
        ),
        ingress=(IngressStatus("pbx", "n2", 5, Level.FULL, ("late frames",), IngressSignals()),),
        admission=AdmissionStatus(64, 5, 2, 7, {"all lines are busy": 3}),
    )
    assert list(status_lines(status)) == [
        "not ready, loaded: slots 96 % busy",
        "calls: 5 of 64, 2 of them not heard yet; 7 taken since the manager's start",
        "  3 refused: all lines are busy",
        "transcription: 3 of 8 slots busy, 4 waiting; 9 done, 1 of them failed; "
        "waited 10 ms (p50), 250 ms (p95)",
        "synthesis: 0 of 0 slots busy, 0 waiting; 0 done, 0 of them failed; waited 0 ms (p50), 0 ms (p95)",
        "the manager's node: CPU 71 %, memory 40 %",
        "node 10.0.0.1: 16 cores, 64 GB, 1 GPU, being drained, raymal-work=transcription",
        "  transcription: 1 of 2 workers ready, 3 of 8 slots busy (1 GPU of 16 GB)",
        "node n2n2n2n2n2n2: 1 core, 2 GB, with an ingress",
        "  no workers",
        "ingress pbx: 5 calls, full: late frames",
        "problem: raymal-tts-0: no memory",
    ]


@pytest.mark.cluster
def test_a_cluster_without_a_manager_is_reported_and_left_alone(
    capsys: Captured, ray_cluster: RayCluster
) -> None:
    """Exit code 3, a line with the namespace, and no manager is started by asking."""
    import ray

    namespace = ray_cluster.namespace()
    asked = ["cluster", "status", "--ray-address", ray_cluster.address, "--namespace", namespace]
    assert main(asked) == 3
    assert f"no resource manager runs in namespace '{namespace}'" in capsys.readouterr().err
    names = ray.util.list_named_actors(all_namespaces=True)
    assert not [name for name in names if name["namespace"] == namespace]


def test_no_ray_at_all_is_reported_in_seconds() -> None:
    """Exit code 3, and one line that says where was looked."""
    asked = ["cluster", "status", "--ray-address", "127.0.0.2:9"]
    result = subprocess.run(
        [sys.executable, "-m", "ingress", *asked], capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 3
    assert result.stderr.startswith("raymal: fleet.ray_address: no Ray answered at '127.0.0.2:9'")
