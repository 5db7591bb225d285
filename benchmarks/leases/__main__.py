"""Leases on Ray: what one costs, and whether waiting for one is as short as theory allows.

A private Ray, the real manager, workers whose engines only sleep, and two ingress processes. Nothing is
computed by a model, so what is measured is ours: asking, queueing, dispatch, reports, and Ray below them.

Waiting is compared with an ideal queue on the very same arrivals: no costs, no messages, the slots used
perfectly. Loads take turns, each time with other arrivals, so that a noisy minute of the machine falls on
both. The whole time that an asker waits is counted, messages included, against an engine time of exactly
0.3 s. How soon a cached sentence is heard is measured apart, on a server without Ray.

Run as `python -m benchmarks.leases`. Exit code 1 if a criterion is missed, 2 if it could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from actors.errors import RaymalError
from actors.messages import Priority
from actors.settings import FleetSettings
from benchmarks.harness.machine import Machine
from benchmarks.leases.arrivals import dealt, poisson, rate_hz
from benchmarks.leases.cached_phrase import greeting_times_ms
from benchmarks.leases.fleet import (
    SLOTS,
    IngressProcess,
    everybody,
    fleet,
    ingress_processes,
    manager_on_one_core,
    private_ray,
)
from benchmarks.leases.judgement import Figures, Run, Served, Throughput, criteria
from benchmarks.leases.report import as_json, cost_table, criteria_table, waiting_table

SERVICE_S = 0.3
STEADY_LOAD = 0.7
CROWDED_LOAD = 0.95
CLASSES = {Priority.EMERGENCY: 0.1, Priority.NORMAL: 0.9}
LOOPS = 16
"""Requests that each ingress has under way while leases are counted."""
LEAST_WIDTH = 108


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


async def measure(address: str, extent: Extent, console: Console) -> Figures:
    """Measure everything; the part on Ray with two ingresses of our own."""
    async with ingress_processes() as ingresses:
        figures = await _measure_leases(ingresses, address, extent, console)
    console.print("calls with a cached greeting", highlight=False)
    return replace(figures, cached_ms=tuple(await greeting_times_ms(extent.greetings)))


async def _measure_leases(
    ingresses: Sequence[IngressProcess], address: str, extent: Extent, console: Console
) -> Figures:
    console.print("an engine that takes no time: leases, refusals", highlight=False)
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
                console.print(
                    f"{extent.run_s:g} s of arrivals at load {load:g}, seed {seed}", highlight=False
                )
                runs.append(await _run(ingresses, load, extent.run_s, seed, classes))
    return Figures(
        overheads_ms=tuple(overheads_ms),
        steady=tuple(steady),
        crowded=tuple(crowded),
        throughput=throughput,
        refusals_ms=tuple(refusals_ms),
        cached_ms=(),
    )


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
    answers = await everybody(ingresses, "play", orders)
    served = [
        Served(**{**each, "priority": Priority(each["priority"])}) for answer in answers for each in answer
    ]
    return Run(load, SERVICE_S, SLOTS, tuple(sorted(served, key=lambda one: one.asked_s)))


async def _throughput(ingresses: Sequence[IngressProcess], seconds: float) -> Throughput:
    with manager_on_one_core() as manager:
        before, start_s = manager.cpu_times(), time.monotonic()
        orders = [{"loops": LOOPS, "until_s": start_s + seconds}] * len(ingresses)
        counts = await everybody(ingresses, "hammer", orders)
        took_s, after = time.monotonic() - start_s, manager.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    return Throughput(sum(counts), took_s, cpu_s)


async def _refusals(ingresses: Sequence[IngressProcess], count: int) -> list[float]:
    limit = FleetSettings().lease_queue_limit
    refusals: list[float] = await ingresses[0].order(
        "be_refused", slots=SLOTS, queue_limit=limit, count=count
    )
    return refusals


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, judge, report; return the exit code."""
    options = _options(arguments)
    console = Console(width=max(LEAST_WIDTH, Console().width))
    machine = Machine.this(("ray",))
    console.print(str(machine), highlight=False)
    extent = QUICK if options.quick else Extent(run_s=options.seconds, runs=options.runs)
    try:
        with private_ray() as address:
            figures = asyncio.run(measure(address, extent, console))
    except (RaymalError, TimeoutError) as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    load_average = os.getloadavg()[0]
    judged = criteria(figures)
    console.print(
        cost_table(figures), waiting_table((*figures.steady, *figures.crowded)), criteria_table(judged)
    )
    console.print(f"load average at the end: {load_average:.1f}", highlight=False)
    if options.json:
        command = [
            "python", "-m", "benchmarks.leases", *(sys.argv[1:] if arguments is None else arguments)
        ]  # fmt: skip
        head = {"machine": asdict(machine), "command": command, "load_average": round(load_average, 1)}
        options.json.write_text(json.dumps(head | as_json(figures, judged)) + "\n", encoding="utf-8")
    return 0 if all(each.is_met for each in judged) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leases", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of arrivals, each run (30)")
    parser.add_argument("--runs", type=int, default=3, help="at each load, with other arrivals (3)")
    parser.add_argument("--quick", action="store_true", help="under 40 s; too few requests to conclude from")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    options = parser.parse_args(arguments)
    if options.seconds < 5 or options.runs < 1:
        parser.error("--seconds must be at least 5, --runs at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
