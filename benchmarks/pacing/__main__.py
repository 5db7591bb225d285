"""The media path under load: raymal against the usual asyncio designs and a C loop, on the same core.

For each number of calls the servers take turns: start, a small rehearsal, a warm-up that is not counted,
the measured time, stop. The server has one core to itself, the load generator another, so that neither
slows the other; this program waits beside the generator. A measurement during which the generator itself
was late or short of CPU, or somebody else used the server's core, is made again, a few times in a run; if
it stays so the run is invalid.

Run as `python -m benchmarks.pacing`. Exit code 1 if a target is missed, 2 if the run is invalid or could
not be made.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from actors.errors import RaymalError
from benchmarks.harness.machine import Machine
from benchmarks.harness.native.compiler import program
from benchmarks.pacing.callers import Callers, callers
from benchmarks.pacing.generator import Load
from benchmarks.pacing.measurement import Measurement, Result, measure
from benchmarks.pacing.plots import plot
from benchmarks.pacing.report import as_json, cost_table, lateness_table, phone_table, target_table
from benchmarks.pacing.servers import (
    C_LOOP,
    C_LOOP_ON_TICK,
    DEADLINES,
    RAYMAL,
    RAYMAL_THROTTLED,
    SLEEPS,
    SLEEPS_THROTTLED,
    Contestant,
)
from benchmarks.pacing.targets import targets

WARM_UP_S = 3.0
LEAST_WIDTH = 108
"""Of the tables, in a file or a pipe as well."""
SECOND_TRIES = 6
"""Measurements of a run that may be made again because the generator was disturbed."""

Measure = Callable[[Contestant, Load], Measurement]


class MachineError(RaymalError):
    """This machine lacks something that the benchmark needs."""


def contestants(throttled: bool, seed_throttle: bool, c_on_tick: bool) -> tuple[Contestant, ...]:
    """Return who takes part; the C loop, the one that all are compared with, is last but one or last."""
    field: tuple[Contestant, ...] = ()
    if throttled:
        field += (RAYMAL, RAYMAL_THROTTLED)
    if seed_throttle:
        field += (SLEEPS, SLEEPS_THROTTLED)
    if not field:
        field = (RAYMAL, DEADLINES, SLEEPS, C_LOOP)
    return (*field, C_LOOP_ON_TICK) if c_on_tick else field


def in_turns(field: Sequence[Contestant], calls: Sequence[int], repeat: int) -> list[tuple[Contestant, int]]:
    """Return the order: all servers at one number of calls, then at the next; each time another begins."""
    turns = []
    for number, each in enumerate(list(calls) * repeat):
        first = number % len(field)
        turns += [(contestant, each) for contestant in (*field[first:], *field[:first])]
    return turns


def measure_valid(
    measure_once: Measure, contestant: Contestant, load: Load, second_tries: int
) -> tuple[Measurement, int]:
    """Measure, again while it is invalid and tries are left; return the least disturbed and what is left."""
    best = measure_once(contestant, load)
    while best.invalid_because() and second_tries:
        second_tries -= 1
        again = measure_once(contestant, load)
        if again.disturbance < best.disturbance:
            best = again
    return best, second_tries


def run(
    field: Sequence[Contestant],
    calls: Sequence[int],
    repeat: int,
    measure_once: Measure,
    load: Load,
    console: Console,
    second_tries: int = SECOND_TRIES,
) -> list[Result]:
    """Measure everybody in turns; return the results by number of calls, in the order of the field."""
    turns = in_turns(field, calls, repeat)
    measured: dict[tuple[int, Contestant], list[Measurement]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Drawn between measurements only: this program shares the generator's core.
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        bar = progress.add_task("", total=len(turns))
        for contestant, number in turns:
            progress.update(bar, description=f"{contestant.name}, {number} calls", refresh=True)
            its_load = replace(load, calls=number)
            measurement, second_tries = measure_valid(measure_once, contestant, its_load, second_tries)
            measured.setdefault((number, contestant), []).append(measurement)
            progress.advance(bar)
        progress.update(bar, description="done", refresh=True)
    return [
        Result.of(tuple(measured[number, contestant])) for number in sorted(calls) for contestant in field
    ]


def check_machine(needs_pesq: bool, needs_matplotlib: bool) -> list[int]:
    """Return the cores to use. Raises MachineError, CompilerError with what is missing."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise MachineError("two cores are needed, one for the server and one for the load generator")
    if shutil.which("taskset") is None:
        raise MachineError("taskset is needed to give each its core: `apt-get install util-linux`")
    for needed, library in ((needs_pesq, "pesq"), (needs_matplotlib, "matplotlib")):
        if needed and find_spec(library) is None:
            raise MachineError(f"{library} is not installed: `pip install 'raymal[bench]'`")
    for name in ("epoll_server", "load_generator"):
        program(name)
    return cores


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code."""
    options = _options(arguments)
    console = Console(width=max(LEAST_WIDTH, Console().width))
    try:
        throttles = options.throttled or options.seed_throttle
        cores = check_machine(needs_pesq=throttles, needs_matplotlib=options.plot is not None)
        machine = Machine.this(("numpy", "uvloop", "webrtcvad-wheels"))
        console.print(str(machine), highlight=False)
        # Beside the generator, unless there is a third core: never on the server's.
        os.sched_setaffinity(0, {cores[2] if len(cores) > 2 else cores[1]})
        field = contestants(options.throttled, options.seed_throttle, options.c_on_tick)
        speakers: Callers = callers()
        load = Load(max(options.calls), options.warm_up, options.seconds, cores[1])
        results = run(
            field,
            sorted(set(options.calls)),
            options.repeat,
            lambda contestant, its_load: measure(contestant, its_load, cores[0], speakers),
            load,
            console,
            options.second_tries,
        )
    except RaymalError as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    judged = targets(results)
    console.print(cost_table(results), lateness_table(results), phone_table(results))
    if judged:
        console.print(target_table(judged))
    if options.json:
        head = {
            "machine": asdict(machine),
            "command": [
                "python",
                "-m",
                "benchmarks.pacing",
                *(sys.argv[1:] if arguments is None else arguments),
            ],
            "callers": speakers.source,
        }
        figures = head | as_json(results, judged)
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        plot(results, str(machine), options.plot)
    return _verdict(results, all(target.is_met for target in judged), console)


def _verdict(results: Sequence[Result], targets_met: bool, console: Console) -> int:
    invalid = False
    for result in results:
        for reason in result.invalid_because():
            console.print(
                f"[red]INVALID[/] {result.contestant.name}, {result.calls} calls: {reason}", highlight=False
            )
            invalid = True
    if invalid:
        return 2
    return 0 if targets_met else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=_numbers, default=[50, 200, 400], metavar="N,N", help="(50,200,400)")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured, each time (10)")
    parser.add_argument(
        "--warm-up", type=float, default=WARM_UP_S, help=f"seconds before that ({WARM_UP_S:g})"
    )
    parser.add_argument("--repeat", type=int, default=1, help="how often everything is measured (1)")
    parser.add_argument(
        "--second-tries",
        type=int,
        default=SECOND_TRIES,
        help=f"disturbed measurements of a run that are made again ({SECOND_TRIES})",
    )
    parser.add_argument("--throttled", action="store_true", help="raymal at 20 and at 30 ms, nobody else")
    parser.add_argument(
        "--seed-throttle",
        action="store_true",
        help="asyncio with sleeps, and the same with 20 ms every 30 ms",
    )
    parser.add_argument("--c-on-tick", action="store_true", help="also the C loop that reads on its tick")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures: .svg, .png or .pdf")
    options = parser.parse_args(arguments)
    if min(options.seconds, options.warm_up, options.repeat) < 1:
        parser.error("--seconds, --warm-up and --repeat must be at least 1")
    return options


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if not all(1 <= number <= 900 for number in numbers):
        raise argparse.ArgumentTypeError("1 to 900 calls, with commas between: 50,200,400")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
