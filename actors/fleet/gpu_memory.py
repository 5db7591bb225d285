"""Which workers fit on a node's GPUs, by memory, and the fraction of a GPU that each reserves in Ray.

Ray counts GPUs and does not know their memory: a fraction is bookkeeping. The fractions are chosen so that
any workers that Ray puts together on one GPU fit into it. On a node with one GPU they follow the memory that
each worker takes. On a node with several, Ray chooses the GPU: any worker may come to lie beside any other,
so each counts as much as the largest, and the equal fractions leave no gap that a later one cannot fill.

An engine that decodes batches gets one worker per GPU, with a slot for each place in the batch: a second
process would hold the weights twice and only take turns with the first. One that takes a request at a time
gets several processes, so that one computes while the others prepare; past four they only wait.

GPU memory comes from the node's label, else from the accelerator type that Ray labels data-centre GPUs with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from actors.messages import WorkKind

MEMORY_LABEL = "raymal-gpu-memory-gb"
"""Set by the operator: the memory of each GPU of a node, in GB."""

TYPE_LABEL = "ray.io/accelerator-type"
"""Set by Ray itself, from the first GPU's name."""

MEMORY_GB = {
    "A10": 24.0,
    "A100": 40.0,
    "A100-40G": 40.0,
    "A100-80G": 80.0,
    "A10G": 24.0,
    "B200": 180.0,
    "B300": 270.0,
    "GB200": 180.0,
    "GB300": 270.0,
    "H100": 80.0,
    "H20": 96.0,
    "H200": 141.0,
    "K80": 12.0,
    "L4": 24.0,
    "L40S": 48.0,
    "P100": 12.0,
    "P4": 8.0,
    "RTX-PRO-6000": 96.0,
    "T4": 16.0,
    "V100": 16.0,
}
"""Smallest memory that was sold under each of Ray's names (`ray.util.accelerators`)."""

UNKNOWN_MEMORY_GB = 8.0
"""Of a GPU without a label: the least among those that are sold for this kind of work."""

USABLE = 0.9
"""Share of the memory that workers may count on: the driver and fragments take the rest."""

WORKERS_PER_GPU = 4
"""Processes that take a request at a time on one GPU, all kinds together."""

MOST_PER_GPU = 64
"""With more, shares in Ray's ten-thousandths of a GPU would be too coarse."""

Needs = Mapping[WorkKind, float]
"""GPU memory that one worker of each kind takes, in GB; the order is that of preference."""


def memory_gb(labels: Mapping[str, str]) -> float:
    """Return the memory of each GPU of a node with these labels. Raises ValueError on a bad label."""
    written = labels.get(MEMORY_LABEL)
    if written is None:
        return MEMORY_GB.get(labels.get(TYPE_LABEL, ""), UNKNOWN_MEMORY_GB)
    gigabytes = float(written)
    if not 0 < gigabytes < math.inf:
        raise ValueError(f"not a size: {written}")
    return gigabytes


def deal(gpus: float, gigabytes: float, needs: Needs, wanted: Mapping[WorkKind, int]) -> dict[WorkKind, int]:
    """Return how many workers of each kind get a place, in turn, as far as wanted and as memory goes.

    Args:
        gpus: of the node; less than one is a part of one.
        gigabytes: memory of each GPU.
        needs: of one worker of each kind.
        wanted: workers of each kind, on the whole node.
    """
    whole = _whole(gpus)
    sizes, room = needs, gigabytes * USABLE * min(1.0, gpus)
    if whole > 1:  # any may lie beside any other: each counts as one place of the largest
        sizes, room = dict.fromkeys(needs, 1.0), whole * math.floor(room / max(needs.values(), default=1.0))
    counts, used = dict.fromkeys(needs, 0), 0.0
    dealt = True
    while dealt:
        dealt = False
        for kind, size in sizes.items():
            has_room = used + size <= room + 1e-9 and sum(counts.values()) < MOST_PER_GPU * whole
            if counts[kind] < wanted[kind] and has_room:
                counts[kind] += 1
                used += size
                dealt = True
    return counts


def fractions(gpus: float, needs: Needs, counts: Mapping[WorkKind, int]) -> dict[WorkKind, float]:
    """Return the part of one GPU that each worker of a kind reserves, for counts that were dealt."""
    total = sum(counts[kind] for kind in needs)
    if not total:
        return dict.fromkeys(needs, 0.0)
    sizes, load = needs, sum(counts[kind] * need for kind, need in needs.items())
    if _whole(gpus) > 1:
        sizes, load = dict.fromkeys(needs, 1.0), math.ceil(total / _whole(gpus))
    # Ray counts in ten-thousandths.
    return {kind: math.floor(min(1.0, gpus) * size / load * 10_000) / 10_000 for kind, size in sizes.items()}


def _whole(gpus: float) -> int:
    return max(1, math.floor(gpus))
