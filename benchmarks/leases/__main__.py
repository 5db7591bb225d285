"""Leases on Ray: what one costs, and whether waiting for one is as short as theory allows.

A private Ray, the real manager, workers whose engines only sleep, and two ingress processes. Loads take
turns, each time with other arrivals, so that a noisy minute of the machine falls on both.

Run as `python -m benchmarks.leases`. Exit code 1 if a criterion is missed, 2 if it could not be measured.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from actors.messages import Priority
from actors.settings import FleetSettings
from benchmarks.harness import command
from benchmarks.harness.command import Report
from benchmarks.leases.arrivals import dealt, poisson, rate_hz
from benchmarks.leases.cached_phrase import greeting_times_ms
from benchmarks.leases.fleet import (
    SLOTS,
    IngressProcess,
    at_once,
    fleet,
    ingress_processes,
    manager_on_one_core,
    private_ray,
)
from benchmarks.leases.judgement import Figures, Run, Served, Throughput, as_json, criteria

PROGRAM = "benchmarks.leases"
SERVICE_S = 0.3
STEADY_LOAD = 0.7
CROWDED_LOAD = 0.95
CLASSES = {Priority.EMERGENCY: 0.1, Priority.NORMAL: 0.9}
LOOPS = 16
"""Requests that each ingress has under way while leases are counted."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    overheads: int = 200
    """Transcriptions of each ingress."""
    run_s: float = 30.0
    """Arrivals of one run."""
    runs: int = 3
    """At each load."""
    hammer_s: float = 10.0
    refusals: int = 200
    greetings: int = 60
    """Calls, one after the other, with a greeting that is in the cache."""


QUICK = Extent(overheads=30, run_s=5.0, runs=1, hammer_s=2.0, refusals=40, greetings=10)


async def measure_leases(
    address: str, extent: Extent, cached_ms: Sequence[float], say: Callable[[str], None]
) -> Figures:
    """Measure everything on Ray with two ingresses of our own."""
    async with ingress_processes() as ingresses:
        say("an engine that takes no time: leases, refusals")
        async with fleet(ingresses, address, "leases-none", service_s=0.0):
            await _overheads(ingresses, extent.overheads // 4)  # warms everything up
            overheads_ms = await _overheads(ingresses, extent.overheads)
            throughput = await _throughput(ingresses, extent.hammer_s)
            refusals_ms = await _refusals(ingresses, extent.refusals)
        steady: list[Run] = []
        crowded: list[Run] = []
        async with fleet(ingresses, address, "leases-slow", service_s=SERVICE_S):
            await _overheads(ingresses, 5)
            for seed in range(1, extent.runs + 1):
                for load, classes, runs in ((STEADY_LOAD, None, steady), (CROWDED_LOAD, CLASSES, crowded)):
                    say(f"{extent.run_s:g} s of arrivals at load {load:g}, seed {seed}")
                    runs.append(await _run(ingresses, load, extent.run_s, seed, classes))
    return Figures(overheads_ms, steady, crowded, throughput, refusals_ms, cached_ms)


async def _overheads(ingresses: Sequence[IngressProcess], count: int) -> list[float]:
    # In turn: two that ask at once wait for each other's messages.
    return [ms for one in ingresses for ms in await one.order("one_by_one", count=count)]


async def _run(
    ingresses: Sequence[IngressProcess],
    load: float,
    seconds: float,
    seed: int,
    classes: Mapping[Priority, float] | None,
) -> Run:
    arrivals = poisson(rate_hz(load, SERVICE_S, SLOTS), seconds, seed, classes)
    start_s = time.monotonic() + 0.5
    orders = [
        {"start_s": start_s, "arrivals": [(each.at_s, each.priority) for each in hand]}
        for hand in dealt(arrivals, len(ingresses))
    ]
    served = [
        Served(**each | {"priority": Priority(each["priority"])})
        for answer in await at_once(ingresses, "play", orders)
        for each in answer
    ]
    return Run(load, SERVICE_S, SLOTS, tuple(sorted(served, key=lambda one: one.asked_s)))


async def _throughput(ingresses: Sequence[IngressProcess], seconds: float) -> Throughput:
    with manager_on_one_core() as manager:
        before, start_s = manager.cpu_times(), time.monotonic()
        orders = [{"loops": LOOPS, "until_s": start_s + seconds}] * len(ingresses)
        counts = await at_once(ingresses, "hammer", orders)
        took_s, after = time.monotonic() - start_s, manager.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    return Throughput(sum(counts), took_s, cpu_s)


async def _refusals(ingresses: Sequence[IngressProcess], count: int) -> list[float]:
    limit = FleetSettings().lease_queue_limit
    refusals_ms: list[float] = await ingresses[0].order(
        "be_refused", slots=SLOTS, queue_limit=limit, count=count
    )
    return refusals_ms


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, judge, report; return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    parser.add_argument("--quick", action="store_true", help="under 40 s; too few requests to conclude from")
    options = parser.parse_args(arguments)
    extent = QUICK if options.quick else Extent()

    def measure(console: Console) -> Report:
        def say(text: str) -> None:
            console.print(text, highlight=False)

        with private_ray() as address:
            say("calls with a cached greeting")
            cached_ms = greeting_times_ms(extent.greetings)
            figures = asyncio.run(measure_leases(address, extent, cached_ms, say))
        load_average = {"load_average": round(os.getloadavg()[0], 1)}
        return Report({"leases": criteria(figures)}, figures=load_average | as_json(figures))

    return command.run(PROGRAM, ("ray",), measure, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
