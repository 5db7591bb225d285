"""Machines written in a line, such as `4x8cpu+16gb,1x1gpu`, for sizing what one does not have.

    nodes   = group { "," group }
    group   = [ count "x" ] part { "+" part }
    part    = number "cpu"      cores                      unsaid: 8
            | number "gb"       memory                     unsaid: 4 GB a core
            | number "gpu"      GPUs                       unsaid: none, or 1 if their memory is said
            | number "gbgpu"    memory of each GPU         unsaid: what sizing takes an unknown one to have

Spaces and capitals do not matter; `cores`, `gib`, `gpus` and the like are understood.
"""

from __future__ import annotations

import re

from actors.errors import ConfigurationError
from actors.fleet.sizing import GIGABYTE, NodeResources

CORES = 8.0
GIGABYTES_PER_CORE = 4.0
MOST_NODES = 1_000

UNITS = {
    **dict.fromkeys(("cpu", "cpus", "core", "cores", "vcpu", "vcpus"), "cpu"),
    **dict.fromkeys(("gb", "g", "gib"), "gb"),
    **dict.fromkeys(("gpu", "gpus"), "gpu"),
    **dict.fromkeys(("gbgpu", "gbgpus", "gibgpu", "gibgpus"), "gbgpu"),
}
EXAMPLE = "write for example 4x8cpu+16gb,1x8cpu+1gpu+24gbgpu"

_GROUP = re.compile(r"(?:(\d+)[x*])?(.+)")
_PART = re.compile(r"(\d+(?:\.\d+)?)([a-z]+)")


def parse_nodes(text: str, ingress_nodes: int = 1) -> tuple[NodeResources, ...]:
    """Return the machines that `text` describes; the first `ingress_nodes` of them host an ingress.

    Raises ConfigurationError that quotes the part which is not understood.
    """
    nodes: list[NodeResources] = []
    for group in re.sub(r"\s", "", text.lower()).split(","):
        match = _GROUP.fullmatch(group)
        if match is None:
            raise ConfigurationError(f"nodes: {text!r} has an empty group; {EXAMPLE}")
        count = int(match[1] or 1)
        if not 1 <= count <= MOST_NODES - len(nodes):
            raise ConfigurationError(f"nodes: {group!r}: there may be 1 to {MOST_NODES} nodes in all")
        figures = _figures(match[2], group)
        for _ in range(count):
            nodes.append(_node(figures, len(nodes) + 1, hosts_ingress=len(nodes) < ingress_nodes))
    if not 0 <= ingress_nodes <= len(nodes):
        raise ConfigurationError(
            f"ingress nodes: {ingress_nodes} is not 0 to {len(nodes)}, the number of nodes"
        )
    return tuple(nodes)


def _figures(parts: str, group: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    for part in parts.split("+"):
        match = _PART.fullmatch(part)
        unit = UNITS.get(match[2]) if match else None
        if match is None or unit is None:
            raise ConfigurationError(
                f"nodes: {part!r} in {group!r} is no number of cpu, gb, gpu or gbgpu; {EXAMPLE}"
            )
        if unit in figures:
            raise ConfigurationError(f"nodes: {group!r} gives {unit} twice; {EXAMPLE}")
        figures[unit] = float(match[1])
    return figures


def _node(figures: dict[str, float], number: int, hosts_ingress: bool) -> NodeResources:
    cpus = figures.get("cpu", CORES)
    gpu_gigabytes = figures.get("gbgpu")
    return NodeResources(
        # Nodes are planned for in the order of their ids.
        node_id=f"node-{number:04}",
        address=f"node {number}",
        cpus=cpus,
        memory_bytes=int(figures.get("gb", cpus * GIGABYTES_PER_CORE) * GIGABYTE),
        gpus=figures.get("gpu", 0.0 if gpu_gigabytes is None else 1.0),
        gpu_memory_bytes=None if gpu_gigabytes is None else int(gpu_gigabytes * GIGABYTE),
        hosts_ingress=hosts_ingress,
    )
