"""How many workers of each kind run on each node, and what Ray is told each of them takes.

A call either transcribes or speaks, hardly ever both, so one core serves one transcription worker and
one synthesis worker: both pools are sized by cores and share them. A node without an ingress gives all
its cores. A node that hosts one also runs Asterisk and the audio clock, so it follows three tiers by
cores and memory, which keep a core free from four cores on and stop at six workers of a kind.

What Ray is told (`num_cpus`) is bookkeeping, not a cage: it starts an actor only where the figure is
still free. So a worker's figure is its fair share of the node's budget, fractional where there are more
workers than cores, and the shares of a node never add up to more than the node has: a plan that
could not be placed is never made. Threads, not `num_cpus`, bound what an engine really uses.

An engine takes part through two optional settings of its section: `threads` and `device`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.errors import ConfigurationError
from actors.messages import WorkKind
from actors.settings import FleetSettings, SpeechSettings

GIGABYTE = 1_000_000_000
"""Decimal: a machine sold with 8 GiB shows the kernel about 8.2e9 bytes, which has to count as 8."""

PAIRS_PER_GIGABYTE = 6 / 8
"""The top tier's six workers of each kind in 8 GB, carried over to nodes of any size."""

WORKERS_PER_GPU = 4
"""Several processes time-slice one GPU and each holds its own weights; past this they only wait."""


@dataclass(frozen=True, slots=True)
class NodeResources:
    """One machine of the fleet, as its Ray (or the operating system) describes it."""

    node_id: str
    cpus: float
    memory_bytes: int
    gpus: float = 0.0
    hosts_ingress: bool = False
    """Whether Asterisk and a media worker run here as well."""


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """Equal workers of one kind on one node."""

    node_id: str
    kind: WorkKind
    count: int
    cpus: float
    """Ray CPUs of each worker; 0.0 on a node that offers none."""
    gpus: float
    """Ray GPUs of each worker; 0.0 runs the engine on the CPU."""
    threads: int
    """CPU threads that the engine of each worker uses."""
    reason: str
    """Why this many: one line for people."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """The workers that should run. Groups without workers are left out."""

    groups: tuple[WorkerGroup, ...] = ()

    def count(self, kind: WorkKind) -> int:
        """Return how many workers of `kind` the whole fleet should have."""
        return sum(group.count for group in self.groups if group.kind is kind)


@dataclass(frozen=True, slots=True)
class _Demand:
    """What one worker of the configured engine needs."""

    threads: int
    device: str
    setting: str
    """Where the operator wrote the device."""


def plan(nodes: Sequence[NodeResources], fleet: FleetSettings, speech: SpeechSettings) -> FleetPlan:
    """Return the workers for `nodes`: at least one of each kind if there is any node.

    `fleet.max_concurrent_transcriptions` and `max_concurrent_synthesis` replace the totals of the whole
    fleet; they are spread in proportion to what the hardware alone would get.

    Raises ConfigurationError if an engine must have a GPU and no node has one.
    """
    nodes = sorted(nodes, key=lambda node: node.node_id)
    if not nodes:
        return FleetPlan()
    overrides = {
        WorkKind.TRANSCRIPTION: ("MAX_CONCURRENT_TRANSCRIPTIONS", fleet.max_concurrent_transcriptions),
        WorkKind.SYNTHESIS: ("MAX_CONCURRENT_SYNTHESIS", fleet.max_concurrent_synthesis),
    }
    groups: list[WorkerGroup] = []
    for kind, (name, total) in overrides.items():
        natural = [_natural_group(node, kind, speech) for node in nodes]
        if not any(group.count for group in natural):
            natural = _with_one_worker(natural, nodes, _demand(kind, speech))
        groups += natural if total is None else _spread(natural, total, name)
    groups = [group for group in groups if group.count]
    return FleetPlan(tuple(group for node in nodes for group in _shares(node, groups)))


def ingress_tier(cpus: float, memory_bytes: int) -> int:
    """Return how many workers of each kind run beside Asterisk on one machine.

    At least 4 cores and 8 GB: max(3, min(cores - 1, 6)); at least 2 and 4 GB: 2; else 1.
    """
    if cpus >= 4 and memory_bytes >= 8 * GIGABYTE:
        return max(3, min(math.floor(cpus) - 1, 6))
    if cpus >= 2 and memory_bytes >= 4 * GIGABYTE:
        return 2
    return 1


def ingress_reserve(cpus: float) -> float:
    """Return the CPUs of an ingress node that Ray may not promise to workers: one, at most half."""
    return min(1.0, cpus / 2)


def _demand(kind: WorkKind, speech: SpeechSettings) -> _Demand:
    engine = speech.stt if kind is WorkKind.TRANSCRIPTION else speech.tts
    section = getattr(speech, engine, None)
    return _Demand(
        threads=getattr(section, "threads", 1),
        device=getattr(section, "device", "cpu"),
        setting=f"speech.{engine}.device",
    )


def _natural_group(node: NodeResources, kind: WorkKind, speech: SpeechSettings) -> WorkerGroup:
    """What the hardware alone asks for; shares of the CPU come later."""
    demand = _demand(kind, speech)
    if demand.device != "cpu" and node.gpus > 0:
        rivals = sum(_demand(other, speech).device != "cpu" for other in WorkKind)
        count = max(1, math.floor(node.gpus * WORKERS_PER_GPU / rivals))
        sharing = "" if rivals == 1 else f" over {rivals} kinds"
        reason = f"{node.gpus:g} GPU x {WORKERS_PER_GPU}{sharing}"
        return WorkerGroup(node.node_id, kind, count, 0.0, 1.0 / WORKERS_PER_GPU, demand.threads, reason)
    if demand.device == "cuda" or node.cpus <= 0:
        reason = "no GPU" if demand.device == "cuda" else "no CPU"
        return WorkerGroup(node.node_id, kind, 0, 0.0, 0.0, demand.threads, reason)
    gigabytes = node.memory_bytes / GIGABYTE
    if node.hosts_ingress:
        workers = ingress_tier(node.cpus, node.memory_bytes)
        reason = f"beside an ingress on {node.cpus:g} cores and {gigabytes:.0f} GB: {workers}"
    else:
        by_memory = math.floor(gigabytes * PAIRS_PER_GIGABYTE)
        workers = max(1, min(math.floor(node.cpus), by_memory))
        reason = f"{node.cpus:g} cores and {gigabytes:.0f} GB: {workers}"
    if demand.threads > 1:
        reason += f", over {demand.threads} threads each"
    count = max(1, workers // demand.threads)
    return WorkerGroup(node.node_id, kind, count, 0.0, 0.0, demand.threads, reason)


def _with_one_worker(
    groups: list[WorkerGroup], nodes: Sequence[NodeResources], demand: _Demand
) -> list[WorkerGroup]:
    """Give the kind its one worker on the largest node."""
    if demand.device == "cuda":
        raise ConfigurationError(
            f"{demand.setting} is 'cuda' but no node offers a GPU: "
            "add a GPU node, or set it to 'auto' or 'cpu'"
        )
    largest = max(range(len(nodes)), key=lambda index: nodes[index].memory_bytes)
    return [
        replace(group, count=1, reason="no node offers a CPU: one all the same")
        if index == largest
        else group
        for index, group in enumerate(groups)
    ]


def _spread(groups: list[WorkerGroup], total: int, name: str) -> list[WorkerGroup]:
    """Distribute `total` workers in proportion to the groups' own counts, the emptiest first."""
    counts = [0] * len(groups)
    candidates = [index for index, group in enumerate(groups) if group.count]
    for _ in range(total):
        emptiest = min(candidates, key=lambda index: (counts[index] + 1) / groups[index].count)
        counts[emptiest] += 1
    return [
        replace(group, count=count, reason=f"{name}={total}")
        for group, count in zip(groups, counts, strict=True)
    ]


def _shares(node: NodeResources, groups: Sequence[WorkerGroup]) -> list[WorkerGroup]:
    """Return this node's groups with the CPU and GPU that each of their workers is told to take."""
    here = [group for group in groups if group.node_id == node.node_id]
    workers = sum(group.count for group in here)
    budget = node.cpus - ingress_reserve(node.cpus) if node.hosts_ingress else node.cpus
    share = _rounded_down(budget / workers) if workers else 0.0
    on_gpu = sum(group.count for group in here if group.gpus)
    gpus = 0.0
    if on_gpu:
        # A fraction is taken from one GPU, so the workers of the fullest GPU decide.
        whole_gpus = max(1, math.floor(node.gpus))
        gpus = min(1.0 / WORKERS_PER_GPU, _rounded_down(min(1.0, node.gpus) / math.ceil(on_gpu / whole_gpus)))
    return [
        replace(
            group,
            cpus=min(share, float(group.threads)),
            gpus=gpus if group.gpus else 0.0,
        )
        for group in here
    ]


def _rounded_down(fraction: float) -> float:
    """Ray counts resources in ten-thousandths."""
    return math.floor(fraction * 10_000) / 10_000
