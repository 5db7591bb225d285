"""A fleet, as it is or as it would be, in lines for people: a node, and under it what it does and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from actors.fleet.gpu_memory import MEMORY_LABEL, TYPE_LABEL
from actors.fleet.sizing import GIGABYTE, WORK_LABEL, FleetPlan, NodeResources, WorkerGroup
from actors.messages import WorkKind
from actors.status import EngineStatus, FleetStatus, GroupStatus, NodeStatus

SHOWN_LABELS = (WORK_LABEL, TYPE_LABEL, MEMORY_LABEL)


def status_lines(status: FleetStatus) -> Iterator[str]:
    """Yield the manager's status of its fleet."""
    readiness = "ready" if status.is_ready else "not ready"
    yield f"{readiness}, {status.level.name.lower()}{_because(status.reasons)}"
    admission = status.admission
    yield (
        f"calls: {admission.calls} of {admission.capacity}, {admission.unspoken} of them not heard yet; "
        f"{admission.admitted} taken since the manager's start"
    )
    for reason, count in sorted(admission.refused.items()):
        yield f"  {count} refused: {reason}"
    for kind, pool in zip(WorkKind, (status.transcription, status.synthesis), strict=True):
        wait, tally = pool.lease_wait, pool.tally
        yield (
            f"{kind}: {pool.busy} of {pool.slots} slots busy, {pool.waiting} waiting; "
            f"{tally.count} done, {tally.failed} of them failed; "
            f"waited {wait.p50_ms:.0f} ms (p50), {wait.p95_ms:.0f} ms (p95)"
        )
    yield from engine_lines(status.engines)
    yield f"the manager's node: CPU {status.cpu_percent:.0f} %, memory {status.memory_percent:.0f} %"
    for node in status.nodes:
        yield f"node {node.address or node.node_id[:12]}: {_machine(node)}"
        yield from (_group_line(group) for group in node.groups)
        if not node.groups:
            yield "  no workers"
    for ingress in status.ingress:
        level = f"{ingress.level.name.lower()}{_because(ingress.reasons)}"
        yield f"ingress {ingress.ingress_id}: {ingress.sessions} calls, {level}"
    yield from (f"problem: {problem}" for problem in status.problems)


def engine_lines(engines: Iterable[EngineStatus]) -> Iterator[str]:
    """Yield a line for each text-to-speech engine: how many of the workers have it."""
    for engine in engines:
        problem = f": {engine.problem}" if engine.problem is not None else ""
        workers = _counted(engine.workers, "worker")
        yield f"engine {engine.name}: loaded by {engine.ready} of {workers}{problem}"


def plan_lines(nodes: Sequence[NodeResources], plan: FleetPlan, calls: int) -> Iterator[str]:
    """Yield what a plan puts on each node, equal neighbours in one, and what comes of it in all."""

    def content(numbered: tuple[int, NodeResources]) -> tuple[str, tuple[WorkerGroup, ...]]:
        node = numbered[1]
        groups = (group for group in plan.groups if group.node_id == node.node_id)
        return _machine(node), tuple(replace(group, node_id="") for group in groups)

    for (machine, groups), alike in groupby(enumerate(nodes, 1), key=content):
        numbers = [number for number, _ in alike]
        if len(numbers) == 1:
            yield f"node {numbers[0]}: {machine}"
        else:
            yield f"nodes {numbers[0]} to {numbers[-1]}, each: {machine}"
        yield from (_planned_line(group) for group in groups)
        if not groups:
            yield "  no workers"
    totals = (f"{plan.slots(kind)} slots for {kind}" for kind in WorkKind)
    yield f"in all: {', '.join(totals)}; room for {calls} calls (admission.calls_per_slot)"
    yield from (f"problem: {problem}" for problem in plan.problems)


def _group_line(group: GroupStatus) -> str:
    workers = f"{group.ready} of {_counted(group.planned, 'worker')} ready"
    return f"  {group.kind}: {workers}, {group.busy} of {group.slots} slots busy ({group.reason})"


def _planned_line(group: WorkerGroup) -> str:
    gpu = f"{group.gpus:g} GPU, " if group.gpus else ""
    slots = "" if group.slots == 1 else f" of {group.slots} slots"
    workers = f"{_counted(group.count, 'worker')}{slots}"
    share = f"{gpu}{group.cpus:.2g} CPU, {_counted(group.threads, 'thread')} each"
    return f"  {group.kind}: {workers}, {share} ({group.reason})"


def _machine(node: NodeStatus | NodeResources) -> str:
    facts = [_counted(node.cpus, "core"), f"{node.memory_bytes / GIGABYTE:.0f} GB"]
    if node.gpus:
        facts.append(f"{node.gpus:g} GPU")
    if node.hosts_ingress:
        facts.append("with an ingress")
    if node.is_draining:
        facts.append("being drained")
    facts += [f"{label}={node.labels[label]}" for label in SHOWN_LABELS if label in node.labels]
    return ", ".join(facts)


def _counted(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'' if number == 1 else 's'}"


def _because(reasons: Sequence[str]) -> str:
    return f": {'; '.join(reasons)}" if reasons else ""
