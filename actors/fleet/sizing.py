"""How many workers of each kind run on each node, and what each of them reserves in Ray.

Every synthesis worker holds all engines that extensions name. It uses one at a time: threads are those of
the engine with the most. What lies in a GPU's memory stays there: that is the sum. If one engine needs a GPU
(`device = "cuda"`), there are synthesis workers on GPUs alone.

A call either transcribes or speaks, hardly ever both, so one core serves one transcription worker and
one synthesis worker. A node without an ingress gives all its cores. A node that hosts one also runs Asterisk
and the audio clock: it follows three tiers (`ingress_tier`), or gives what `fleet.reserved_cpus` leaves. On
GPUs memory decides (`actors.fleet.gpu_memory`), and an engine that decodes batches has a slot for each place
in its batch.

What a worker reserves (`num_cpus`) is bookkeeping, not a limit: Ray starts an actor only where the figure is
still free. So a worker's figure is its share of the node's budget, fractional where there are more workers
than cores. Threads, not `num_cpus`, bound what an engine really uses.

Nodes that are being drained get nothing; the label `raymal-work` gives a node to one kind of work, or to
none; the label `raymal-ingress` says that a node is a PBX, before its ingress registers as well. What cannot
be done is a line in the plan, never raised: the rest of the fleet goes on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from actors.fleet import gpu_memory
from actors.messages import FurtherEngine, WorkKind
from actors.settings import GPU_BATCH_SIZE, FleetSettings, SpeechSettings, table_name

GIGABYTE = 1_000_000_000
"""Decimal: a machine sold with 8 GiB shows the kernel about 8.2e9 bytes, which has to count as 8."""

PAIRS_PER_GIGABYTE = 6 / 8
"""The top tier's six workers of each kind in 8 GB, carried over to nodes of any size."""

WORK_LABEL = "raymal-work"
"""Set by the operator: what a node is for, one kind of work or none."""

INGRESS_LABEL = "raymal-ingress"
"""Set to `yes` by the operator: a PBX, whether its ingress is registered or not."""

GPU_MEMORY_GB = 4.0
"""What a worker is taken to need where its engine's settings have no `gpu_memory_gb`: torch with a
neural voice."""


@dataclass(frozen=True, slots=True)
class NodeResources:
    """One machine of the fleet, as its Ray (or the operating system) describes it."""

    node_id: str
    cpus: float
    memory_bytes: int
    gpus: float = 0.0
    hosts_ingress: bool = False
    """Whether Asterisk and a media worker run here as well."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    is_draining: bool = False
    """It is about to leave: work that is out may finish, none is added."""
    address: str = ""
    gpu_memory_bytes: int | None = None
    """Of each GPU. None: by the labels."""
    physical_cores: float | None = None
    """None: not known, then each of the CPUs counts as one."""

    @property
    def cores(self) -> float:
        """Physical cores among the CPUs: two threads of one core do hardly more than one."""
        return self.cpus if self.physical_cores is None else min(self.cpus, self.physical_cores)

    @property
    def name(self) -> str:
        """What the operator knows it by."""
        return self.address or self.node_id[:12]


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
    slots: int = 1
    """Requests that each worker serves at a time."""


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """The workers that should run. Groups without workers are left out."""

    groups: tuple[WorkerGroup, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be done as it was asked for: one line each, for people."""
    impossible: tuple[str, ...] = ()
    """Those of the problems that leave a kind of work without any worker."""

    def count(self, kind: WorkKind) -> int:
        """Return how many workers of `kind` the whole fleet should have."""
        return sum(group.count for group in self.groups if group.kind is kind)

    def slots(self, kind: WorkKind) -> int:
        """Return how many slots of `kind` the whole fleet should have."""
        return sum(group.count * group.slots for group in self.groups if group.kind is kind)


@dataclass(frozen=True, slots=True)
class _Demand:
    """What one worker needs for its engines."""

    kind: WorkKind
    setting: str
    """Name of the section of the engine that asks for the device."""
    threads: int
    device: str
    batch_size: int | None
    """None: as suits the device."""
    gpu_memory_gb: float

    def slots(self, on_gpu: bool) -> int:
        return self.batch_size or (GPU_BATCH_SIZE if on_gpu else 1)

    def group(self, node: NodeResources, count: int, reason: str, on_gpu: bool = False) -> WorkerGroup:
        # 1.0 stands for "on a GPU" until the fractions are known.
        gpus, slots = 1.0 if on_gpu else 0.0, self.slots(on_gpu)
        return WorkerGroup(node.node_id, self.kind, count, 0.0, gpus, self.threads, reason, slots)


@dataclass(slots=True)
class _Site:
    """A node with what is planned for it."""

    node: NodeResources
    kinds: tuple[WorkKind, ...]
    """What it may do."""
    gpu_gigabytes: float
    """Memory of each GPU."""
    budget_cpus: float
    """CPUs that Ray may promise to workers."""
    groups: dict[WorkKind, WorkerGroup] = field(default_factory=dict)


Demands = Mapping[WorkKind, _Demand]


def plan(
    nodes: Sequence[NodeResources],
    fleet: FleetSettings,
    speech: SpeechSettings,
    further: Collection[FurtherEngine] = (),
) -> FleetPlan:
    """Return the workers for `nodes`: at least one of each kind if there is any node that may do it.

    `fleet.max_concurrent_transcriptions` and `max_concurrent_synthesis` replace the slots of the whole
    fleet; they are spread in proportion to what the hardware alone would get. A worker of several slots
    is not divided between nodes, and a GPU takes no more workers than fit: then the slots are fewer.
    """
    problems: list[str] = []
    impossible: list[str] = []
    engines = dict.fromkeys((speech.tts, *(engine.name for engine in further)))
    demands = {
        WorkKind.TRANSCRIPTION: _demand(WorkKind.TRANSCRIPTION, speech, [speech.stt]),
        WorkKind.SYNTHESIS: _demand(WorkKind.SYNTHESIS, speech, engines),
    }
    staying = sorted((node for node in nodes if not node.is_draining), key=lambda node: node.node_id)
    sites = [_site(node, fleet, problems) for node in staying]
    for site in sites:
        _plan_by_hardware(site, fleet, demands)
    overrides = {
        WorkKind.TRANSCRIPTION: ("MAX_CONCURRENT_TRANSCRIPTIONS", fleet.max_concurrent_transcriptions),
        WorkKind.SYNTHESIS: ("MAX_CONCURRENT_SYNTHESIS", fleet.max_concurrent_synthesis),
    }
    for kind, (name, total) in overrides.items():
        if nodes and not any(kind in site.groups for site in sites):
            problem = _plan_one(kind, sites, demands[kind])
            impossible.extend([problem] if problem else [])
        if total is not None:
            _spread(kind, sites, total, f"{name}={total}")
    for site in sites:
        _fit_gpus(site, demands, problems)
        _share(site, demands)
    groups = tuple(group for site in sites for group in site.groups.values())
    return FleetPlan(groups, (*impossible, *problems), tuple(impossible))


def ingress_tier(cores: float, memory_bytes: int) -> int:
    """Return how many workers of each kind run beside Asterisk on one machine of so many physical cores.

    At least 4 cores and 8 GB: max(3, min(cores - 1, 6)); at least 2 and 4 GB: 2; else 1.
    """
    if cores >= 4 and memory_bytes >= 8 * GIGABYTE:
        return max(3, min(math.floor(cores) - 1, 6))
    if cores >= 2 and memory_bytes >= 4 * GIGABYTE:
        return 2
    return 1


def ingress_reserve(cpus: float) -> float:
    """Return the CPUs of an ingress node that Ray may not promise to workers: one, at most half."""
    return min(1.0, cpus / 2)


def may_use_gpu(speech: SpeechSettings, engine: str) -> bool:
    """Whether an engine's settings let it run on a GPU."""
    return device_of(speech, engine) != "cpu"


def device_of(speech: SpeechSettings, engine: str) -> str:
    """Return where an engine is to run: cpu, cuda or auto."""
    device: str = getattr(speech.resources(engine), "device", "cpu")
    return device


DEVICES = ("cpu", "auto", "cuda")
"""What a worker's place is chosen by: the last of those that its engines ask for."""


def _demand(kind: WorkKind, speech: SpeechSettings, engines: Collection[str]) -> _Demand:
    leading = max(engines, key=lambda engine: DEVICES.index(device_of(speech, engine)))
    sections = {engine: speech.resources(engine) for engine in engines}
    on_gpu = [engine for engine in engines if may_use_gpu(speech, engine)] or [leading]
    return _Demand(
        kind=kind,
        setting=f"speech.{table_name(leading)}",
        threads=max(getattr(section, "threads", 1) for section in sections.values()),
        device=device_of(speech, leading),
        # Only transcription is done in batches.
        batch_size=getattr(sections[leading], "batch_size", 1) if kind is WorkKind.TRANSCRIPTION else 1,
        gpu_memory_gb=sum(
            getattr(sections[engine], "gpu_memory_gb", GPU_MEMORY_GB)
            * getattr(sections[engine], "model_count", 1)
            for engine in on_gpu
        ),
    )


def _site(node: NodeResources, fleet: FleetSettings, problems: list[str]) -> _Site:
    """Read a node's labels; a wrong one is a problem and is ignored."""
    kinds: tuple[WorkKind, ...] = tuple(WorkKind)
    work = node.labels.get(WORK_LABEL)
    if work == "none":
        kinds = ()
    elif work in kinds:
        kinds = (WorkKind(work),)
    elif work is not None:
        problems.append(
            f"node {node.name}: label {WORK_LABEL}={work!r} is ignored: use {', '.join(kinds)} or none"
        )
    if node.labels.get(INGRESS_LABEL, "yes") != "yes":
        value = node.labels[INGRESS_LABEL]
        problems.append(f"node {node.name}: label {INGRESS_LABEL}={value!r} is ignored: use yes, or no label")
    reserve = 0.0
    if node.hosts_ingress:
        reserve = ingress_reserve(node.cpus) if fleet.reserved_cpus is None else fleet.reserved_cpus
    return _Site(node, kinds, _gpu_gigabytes(node, problems), max(0.0, node.cpus - reserve))


def _gpu_gigabytes(node: NodeResources, problems: list[str]) -> float:
    if node.gpu_memory_bytes is not None:
        return node.gpu_memory_bytes / GIGABYTE
    try:
        return gpu_memory.memory_gb(node.labels)
    except ValueError:
        label = gpu_memory.MEMORY_LABEL
        problems.append(
            f"node {node.name}: label {label}={node.labels[label]!r} is ignored: use a number of GB"
        )
        return gpu_memory.UNKNOWN_MEMORY_GB


def _plan_by_hardware(site: _Site, fleet: FleetSettings, demands: Demands) -> None:
    """Plan what the hardware of a site alone asks for; CPU and GPU shares come later."""
    node = site.node
    on_gpu = [kind for kind in site.kinds if demands[kind].device != "cpu" and node.gpus > 0]
    dealt = _gpu_workers(site, {kind: demands[kind] for kind in on_gpu})
    for kind in site.kinds:
        demand, count = demands[kind], dealt.get(kind, 0)
        slots = demand.slots(on_gpu=count > 0)
        if count:
            reason = f"{node.gpus:g} GPU of {site.gpu_gigabytes:g} GB, {demand.gpu_memory_gb:g} GB a worker"
            reason += f", {slots} at a time: {count}" if slots > 1 else f": {count}"
            site.groups[kind] = demand.group(node, count, reason, on_gpu=True)
        elif demand.device != "cuda" and site.budget_cpus > 0:
            workers, reason = _cpu_workers(site, fleet)
            if demand.threads > 1:
                reason += f", over {demand.threads} threads each"
            if kind in on_gpu:
                reason = f"no room in {site.gpu_gigabytes:g} GB of GPU memory; {reason}"
            site.groups[kind] = demand.group(node, max(1, workers // demand.threads), reason)


def _gpu_workers(site: _Site, demands: Demands) -> dict[WorkKind, int]:
    """Return how many workers of each kind that may use a GPU fit on the site's."""
    gpus = max(1, math.floor(site.node.gpus))
    most = {
        kind: gpus * (1 if demand.slots(on_gpu=True) > 1 else gpu_memory.WORKERS_PER_GPU // len(demands))
        for kind, demand in demands.items()
    }
    needs = {kind: demand.gpu_memory_gb for kind, demand in demands.items()}
    return gpu_memory.deal(site.node.gpus, site.gpu_gigabytes, needs, most) if needs else {}


def _cpu_workers(site: _Site, fleet: FleetSettings) -> tuple[int, str]:
    """Return how many workers of one thread a node has cores and memory for, and why."""
    node, gigabytes = site.node, site.node.memory_bytes / GIGABYTE
    hardware = f"{node.cpus:g} cores and {gigabytes:.0f} GB"
    if node.hosts_ingress and fleet.reserved_cpus is None:
        hardware = f"{node.cores:g} cores and {gigabytes:.0f} GB"
        workers = ingress_tier(node.cores, node.memory_bytes)
        return workers, f"beside an ingress on {hardware}: {workers}"
    if node.hosts_ingress:
        hardware += f" less {fleet.reserved_cpus:g} cores reserved"
    workers = max(1, min(math.floor(site.budget_cpus), math.floor(gigabytes * PAIRS_PER_GIGABYTE)))
    return workers, f"{hardware}: {workers}"


def _plan_one(kind: WorkKind, sites: Sequence[_Site], demand: _Demand) -> str | None:
    """Give a kind without any worker one on the largest site that may do it; return why it cannot be."""
    allowed = [site for site in sites if kind in site.kinds]
    if not allowed:
        why = f"the label {WORK_LABEL} keeps every node from it" if sites else "every node is being drained"
        return f"no node for {kind}: {why}"
    if demand.device != "cuda":
        largest = max(allowed, key=lambda site: site.node.memory_bytes)
        reason = "no node offers a CPU: one all the same"
        largest.groups[kind] = demand.group(largest.node, 1, reason)
        return None
    problem = f"{demand.setting}.device is 'cuda' but "
    on_gpu = [site for site in allowed if site.node.gpus > 0]
    if not on_gpu:
        return problem + "no node offers a GPU: add a GPU node, or set it to 'auto' or 'cpu'"
    return problem + (
        f"no GPU has room for a worker's {demand.gpu_memory_gb:g} GB: lower "
        f"{demand.setting}.gpu_memory_gb if it takes less, or label the GPU's memory "
        f"({gpu_memory.MEMORY_LABEL}), which is taken to be {on_gpu[0].gpu_gigabytes:g} GB"
    )


def _spread(kind: WorkKind, sites: Sequence[_Site], total: int, reason: str) -> None:
    """Distribute `total` slots in proportion to the groups' own, the emptiest first."""
    groups = {index: site.groups[kind] for index, site in enumerate(sites) if kind in site.groups}
    given = dict.fromkeys(groups, 0)
    for _ in range(total if groups else 0):
        fill = {index: (given[index] + 1) / (group.count * group.slots) for index, group in groups.items()}
        given[min(fill, key=lambda index: fill[index])] += 1
    for index, group in groups.items():
        slots, full = given[index], given[index] // group.slots
        if slots:
            # Full workers, or one more with fewer slots each: what leaves fewer of the slots out.
            count, each = max(
                ((count, min(group.slots, slots // count)) for count in (full, full + 1) if count),
                key=lambda shape: shape[0] * shape[1],
            )
            sites[index].groups[kind] = replace(group, count=count, slots=each, reason=reason)
        else:
            del sites[index].groups[kind]


def _fit_gpus(site: _Site, demands: Demands, problems: list[str]) -> None:
    """Take off what an override put on the GPUs beyond their memory, and set the fractions."""
    wanted = {kind: group.count for kind, group in site.groups.items() if group.gpus}
    if not wanted:
        return
    needs = {kind: demands[kind].gpu_memory_gb for kind in wanted}
    dealt = gpu_memory.deal(site.node.gpus, site.gpu_gigabytes, needs, wanted)
    parts = gpu_memory.fractions(site.node.gpus, needs, dealt)
    for kind, count in wanted.items():
        group = site.groups[kind]
        if dealt[kind] < count:
            problems.append(
                f"node {site.node.name}: {group.reason} asks for {count} {kind} workers, of "
                f"{needs[kind]:g} GB each; {dealt[kind]} fit on {site.node.gpus:g} GPU "
                f"of {site.gpu_gigabytes:g} GB"
            )
        site.groups[kind] = replace(group, count=dealt[kind], gpus=parts[kind])


def _share(site: _Site, demands: Demands) -> None:
    """Set the CPUs that each worker of a site reserves."""
    workers = sum(group.count for group in site.groups.values())
    if not workers:
        return
    # Ray counts in ten-thousandths.
    share = math.floor(site.budget_cpus / workers * 10_000) / 10_000
    for kind, group in site.groups.items():
        site.groups[kind] = replace(group, cpus=min(share, float(demands[kind].threads)))
