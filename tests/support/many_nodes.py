"""What happens to calls when nodes join, are drained and die: played once on a real Ray of several nodes.

A process of its own, since a process can be a driver of one Ray only and the tests' process has its own.
Prints what it saw as one line of JSON; for what it must be see tests/actors/cluster/test_many_nodes.py.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_prestart_worker_first_driver": "0",
    # A dead node is known to be dead within two seconds, not within fourteen.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    # Workers unpickle settings of a class of the tests.
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
}
GB = 10**9
SLOTS = 2
"""Of a worker that batches."""
WORK_S = 2.5
"""Longer than it takes a manager to see that a node is being drained."""
PREEMPTION = 2
"""Ray's DRAIN_NODE_REASON_PREEMPTION: work that runs is no reason to refuse."""


@dataclass
class Seen:
    """What the story showed; times in seconds."""

    join_planned_s: float = 0.0
    """From the moment that Ray knew the new node until its workers were planned."""
    join_ready_s: float = 0.0
    joined: dict[str, Any] = field(default_factory=dict)
    """The new node, as the status has it."""
    command_exit: int = -1
    command: dict[str, Any] = field(default_factory=dict)
    """What `raymal cluster status --json` printed."""
    drain_noticed_s: float = 0.0
    drained: dict[str, Any] = field(default_factory=dict)
    """The node right after the drain was noticed, its work out."""
    drain_lent_more: bool = False
    """Whether its slots in use ever became more, although a request waited for one."""
    drain_emptied_s: float = 0.0
    """From the end of all work until it had no workers any more."""
    drain_results: list[str] = field(default_factory=list)
    drain_failures: int = 0
    kill_gone_s: float = 0.0
    """From the kill until the node was out of the plan."""
    kill_results: list[str] = field(default_factory=list)
    kill_lost: int = 0
    """Its slots in use when it was killed."""
    kill_longest_s: float = 0.0
    """From asking to the answer, for the slowest request."""
    slots_after_kill: int = 0


async def play() -> Seen:
    """Play the story; Ray's files are where RAY_TMPDIR says."""
    import ray
    from gpu_scripted import GpuScripted
    from ray._raylet import GcsClient
    from ray.cluster_utils import Cluster

    from actors.cluster.pool import ClusterPool
    from actors.messages import SessionStarted, Transcribe
    from actors.settings import FleetSettings, SpeechSettings
    from actors.status import FleetStatus, NodeStatus
    from ingress.cli import main

    small = {"object_store_memory": 80 * 1024 * 1024, "memory": 2 * GB}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "include_dashboard": False, **small},
    )
    gcs = GcsClient(address=cluster.address)
    speech = SpeechSettings(
        stt="scripted", tts="scripted", scripted=GpuScripted(stt_delay_s=WORK_S, batch_size=SLOTS)
    )
    fleet = FleetSettings(ray_address=cluster.address, ray_namespace="many", worker_start_deadline_s=60.0)
    pool = ClusterPool(speech, fleet, "ingress")
    seen = Seen()

    async def until(met: Callable[[FleetStatus], bool]) -> FleetStatus:
        async with asyncio.timeout(30.0):
            while not met(status := await pool.status()):
                await asyncio.sleep(0.05)
        return status

    def of(status: FleetStatus, node_id: str) -> NodeStatus | None:
        return next((node for node in status.nodes if node.node_id == node_id), None)

    def slots_of(status: FleetStatus, node_id: str) -> tuple[int, int]:
        """Return slots in use and slots there."""
        node = of(status, node_id)
        groups = node.groups if node else ()
        return sum(group.busy for group in groups), sum(group.slots for group in groups)

    async def heard() -> str:
        return (await pool.transcribe(Transcribe("call", b"\0" * 16_000, "en"), 30.0)).transcript.text

    def join() -> Any:
        # In this thread, since it sets signal handlers; without waiting, since it would block heartbeats.
        return cluster.add_node(
            wait=False,
            num_cpus=1,
            num_gpus=1,
            labels={"raymal-work": "transcription", "ray.io/accelerator-type": "T4"},
            **small,
        )

    def known_to_ray() -> set[str]:
        return {node["NodeID"] for node in ray.nodes() if node["Alive"]}

    def command(*flags: str) -> tuple[int, str]:
        """Run `raymal cluster status` here: this process is a driver already."""
        address = ["--ray-address", cluster.address, "--namespace", "many"]
        with redirect_stdout(io.StringIO()) as printed:
            code = main(["cluster", "status", *address, *flags])
        return code, printed.getvalue()

    async def fill(count: int) -> list[asyncio.Task[str]]:
        tasks = [asyncio.create_task(heard()) for _ in range(count)]
        await until(lambda status: status.transcription.busy == count)
        return tasks

    async def drain(node_id: str) -> None:
        accepted, why = await asyncio.to_thread(gcs.drain_node, node_id, PREEMPTION, "test", 0)
        assert accepted, why

    async def a_node_joins() -> str:
        node = join()
        while node.node_id not in await asyncio.to_thread(known_to_ray):
            await asyncio.sleep(0.05)
        began = time.monotonic()
        await until(lambda status: (it := of(status, node.node_id)) is not None and bool(it.groups))
        seen.join_planned_s = time.monotonic() - began
        status = await until(lambda status: slots_of(status, node.node_id)[1] == SLOTS)
        seen.join_ready_s = time.monotonic() - began
        seen.joined = asdict(of(status, node.node_id))  # type: ignore[call-overload]
        seen.command_exit, printed = await asyncio.to_thread(command, "--json")
        seen.command = json.loads(printed)
        return str(node.node_id)

    async def it_is_drained(node_id: str) -> None:
        at_work = await fill(2 * SLOTS)
        await drain(node_id)
        began = time.monotonic()
        status = await until(lambda status: (it := of(status, node_id)) is not None and it.is_draining)
        seen.drain_noticed_s = time.monotonic() - began
        seen.drained = asdict(of(status, node_id))  # type: ignore[call-overload]
        late = asyncio.create_task(heard())
        left = seen.drained["groups"][0]["busy"]
        while not late.done():
            status = await pool.status()
            seen.drain_lent_more |= slots_of(status, node_id)[0] > left
            left = slots_of(status, node_id)[0]
            await asyncio.sleep(0.05)
        seen.drain_results = await asyncio.gather(*at_work, late)
        began = time.monotonic()
        await until(lambda status: not ((it := of(status, node_id)) and it.groups))
        seen.drain_emptied_s = time.monotonic() - began
        seen.drain_failures = (await until(idle)).transcription.tally.failed

    def idle(status: FleetStatus) -> bool:
        return status.transcription.busy == 0

    async def another_is_drained_and_killed() -> None:
        node = join()
        await until(lambda status: slots_of(status, node.node_id)[1] == SLOTS)
        asked = time.monotonic()
        at_work = await fill(2 * SLOTS)
        await drain(node.node_id)
        await until(lambda status: (it := of(status, node.node_id)) is not None and it.is_draining)
        seen.kill_lost = slots_of(await pool.status(), node.node_id)[0]
        os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        began = time.monotonic()
        await until(lambda status: of(status, node.node_id) is None)
        seen.kill_gone_s = time.monotonic() - began
        seen.kill_results = await asyncio.gather(*at_work)
        seen.kill_longest_s = time.monotonic() - asked
        seen.slots_after_kill = (await until(idle)).transcription.slots

    try:
        await pool.start()
        await until(lambda status: status.is_ready)
        await pool.register_session(SessionStarted("call", "ingress", "100"))
        await it_is_drained(await a_node_joins())
        await another_is_drained_and_killed()
        return seen
    finally:
        await pool.close()
        cluster.shutdown()


if __name__ == "__main__":
    # Before Ray is imported.
    os.environ.update(ENVIRONMENT)
    story = asyncio.run(play())
    print(json.dumps(asdict(story)))
