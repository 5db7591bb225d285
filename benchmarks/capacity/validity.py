"""Why a step says nothing about the server: one line for each reason.

| reason | beyond | counts against |
|---|---|---|
| the callers were late themselves, at p99 | 20 ms, a frame's length | every step |
| a process of callers used its core | 80 % | every step |
| the server's records of calls could not be read | 2 % of the calls | every step |
| the host took the cores | 5 % | a step that was not held |
| other programs used cores | 0.25 | a step that was not held |
| a core stood still | 20 ms, a frame's length | a step that was not held |

What disturbs the machine cannot have helped the server: a step that was held is held.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.capacity.callers import Call
from benchmarks.capacity.resources import Use
from benchmarks.capacity.standstill import Standstill
from ingress.link.records import CallRecord

MAXIMUM_LATENESS_MS = 20.0
MAXIMUM_CPU_PERCENT = 80.0
MAXIMUM_UNREAD_PERCENT = 2.0
MAXIMUM_STOLEN_PERCENT = 5.0
MAXIMUM_OTHERS_CORES = 0.25
MAXIMUM_STANDSTILL_MS = 20.0


def unread(taken: Sequence[tuple[Call, CallRecord | None]]) -> list[str]:
    """Return that too many of the calls' records are missing, if so: what was said in them is not known."""
    missing = sum(record is None for call, record in taken if call.call_id)
    if 100.0 * missing <= MAXIMUM_UNREAD_PERCENT * len(taken):
        return []
    return [f"the server's records of {missing} of {len(taken)} calls could not be read"]


def disturbances(use: Use) -> list[str]:
    """Return who else used the machine too much."""
    reasons = []
    if use.stolen_percent > MAXIMUM_STOLEN_PERCENT:
        reasons.append(f"the host took {use.stolen_percent:.0f} % of the cores")
    if use.others_cores > MAXIMUM_OTHERS_CORES:
        reasons.append(f"other programs used {use.others_cores:.2f} cores")
    return reasons


def standstills(seen: Sequence[Standstill], from_s: float, until_s: float) -> list[str]:
    """Return that a core stood still for too long within that time, and for how long at most."""
    longest_ms = max(
        (each.lasted_ms for each in seen if from_s <= each.until_s <= until_s + each.lasted_ms / 1_000.0),
        default=0.0,
    )
    return [f"a core stood still for {longest_ms:.0f} ms"] if longest_ms > MAXIMUM_STANDSTILL_MS else []
