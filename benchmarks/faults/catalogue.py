"""The tests, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.faults.attacks import odd_peers, random_bytes, slow_loris
from benchmarks.faults.death import killed_worker
from benchmarks.faults.links import bandwidth, half_open, loss
from benchmarks.faults.scarcity import scarcity
from benchmarks.faults.stalls import mute_peers, stopped_worker
from benchmarks.faults.verdicts import Outcome
from benchmarks.faults.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Fault:
    """One test."""

    name: str
    title: str
    run: Callable[[Workplace], Iterator[Outcome]]


FAULTS = (
    Fault("X1", "packet loss", loss),
    Fault("X3", "too little bandwidth", bandwidth),
    Fault("X4", "slow connections", slow_loris),
    Fault("F2", "random bytes", random_bytes),
    Fault("P7", "odd peers", odd_peers),
    Fault("X5", "vanished peers", half_open),
    Fault("X6", "peers that do not read", mute_peers),
    Fault("X7", "a stopped media worker", stopped_worker),
    Fault("X15", "too little CPU", scarcity),
    Fault("W1", "a killed media worker", killed_worker),
)


def chosen(names: str | None) -> tuple[Fault, ...]:
    """Return the tests named with commas between, in their order; all for None. Raises ValueError."""
    if names is None:
        return FAULTS
    wanted = {name.strip().upper() for name in names.split(",")}
    unknown = wanted - {fault.name for fault in FAULTS}
    if unknown:
        known = ", ".join(fault.name for fault in FAULTS)
        raise ValueError(f"no such test: {', '.join(sorted(unknown))} (there are {known})")
    return tuple(fault for fault in FAULTS if fault.name in wanted)
