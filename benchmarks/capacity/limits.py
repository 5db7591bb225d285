"""What was measured, as the server's own settings: `raymal serve --config` takes the file as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping

from actors.messages import WorkKind
from benchmarks.capacity.result import CapacityResult, Service

DECIMALS = 10_000
"""Of calls per slot, one is this part: exact for as many slots."""


def admission_limits(calls: int, slots: int | None = None) -> dict[str, float | int]:
    """Return the settings of `[admission]` that leave room for so many calls.

    `slots`: of the kind of work that has fewer, as admission counts; None: not known. Calls per slot are the
    least that give room for all of the calls on those slots: admission rounds their product down.
    """
    limits: dict[str, float | int] = {"maximum_calls": calls}
    if slots:
        parts = math.ceil(calls * DECIMALS / slots)
        if math.floor(parts / DECIMALS * slots) < calls:  # a double just below the decimal figure
            parts += 1
        limits["calls_per_slot"] = parts / DECIMALS
    return limits


def scarcer_slots(services: Mapping[WorkKind, Service]) -> int | None:
    """Return the slots of the kind that has fewer, as admission counts; None if they are not known."""
    return min((service.slots for service in services.values()), default=None)


def limits_toml(result: CapacityResult) -> str | None:
    """Return the limits as a TOML file; None when nothing was held."""
    if result.confirmed is None:
        return None
    limits = admission_limits(result.calls_held, scarcer_slots(result.services))
    lines = [
        f"# {result.calls_held} calls were held, {result.taken_at}, raymal {result.raymal}.",
        f"# {result.machine.processor}, {result.machine.cores} cores; limited by {result.limited_by}.",
        "# Ordinary calls fill normal_percent of this; the rest is kept for more urgent ones.",
        "[admission]",
        *(f"{name} = {value}" for name, value in sorted(limits.items())),
    ]
    return "\n".join(lines) + "\n"
