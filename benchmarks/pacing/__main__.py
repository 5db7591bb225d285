"""The media path under load: raymal against the usual asyncio designs and a C loop, on the same core.

For each number of calls the servers take turns. The server has one core to itself, the load generator
another. Run as `python -m benchmarks.pacing`. Exit code 1 if a target is missed, 2 if the run is invalid or
could not be made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks.harness import command
from benchmarks.harness.caller_audio import caller_audio
from benchmarks.harness.command import Report, progress_bar
from benchmarks.harness.load_generator import Load
from benchmarks.harness.machine import Machine
from benchmarks.harness.outcomes import shown
from benchmarks.harness.workplace import MachineError, check_machine
from benchmarks.pacing.measurement import (
    C_LOOP,
    DEADLINES,
    RAYMAL,
    RAYMAL_RECORDED,
    RAYMAL_THROTTLED,
    SLEEPS,
    SLEEPS_THROTTLED,
    Contestant,
    Measurement,
    measure,
)
from benchmarks.pacing.plots import picture
from benchmarks.pacing.report import as_json, summary
from benchmarks.pacing.targets import targets

PROGRAM = "benchmarks.pacing"
PACKAGES = ("numpy", "uvloop", "webrtcvad-wheels")
WARM_UP_S = 3.0


def contestants(throttled: bool, seed_throttle: bool, recorded: bool = False) -> tuple[Contestant, ...]:
    """Return who takes part."""
    if recorded:
        return (RAYMAL, RAYMAL_RECORDED)
    own = (RAYMAL, RAYMAL_THROTTLED) if throttled else ()
    seed = (SLEEPS, SLEEPS_THROTTLED) if seed_throttle else ()
    return (*own, *seed) or (RAYMAL, DEADLINES, SLEEPS, C_LOOP)


def in_turns(field: Sequence[Contestant], calls: Sequence[int]) -> list[tuple[Contestant, int]]:
    """Return the order: all servers at one number of calls, then at the next; each time another begins."""
    turns = []
    for number, each in enumerate(calls):
        first = number % len(field)
        turns += [(contestant, each) for contestant in (*field[first:], *field[:first])]
    return turns


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    add = parser.add_argument
    add("--calls", type=command.numbers(900), default=(50, 200, 400), metavar="N,N", help="(50,200,400)")
    add("--seconds", type=float, default=10.0, help="measured, each time (10)")
    add("--throttled", action="store_true", help="raymal at 20 and at 30 ms, no other")
    add("--seed-throttle", action="store_true", help="asyncio with sleeps, and with 20 ms every 30 ms")
    add("--recorded", action="store_true", help="raymal with calls recorded and not, no other")
    add("--plot", type=Path, metavar="FILE", help="draw the figures as SVG")
    options = parser.parse_args(arguments)
    if options.seconds < 1:
        parser.error("--seconds must be at least 1")

    def measure_all(console: Console) -> Report:
        cores = check_machine()
        if find_spec("pesq") is None and (options.throttled or options.seed_throttle):
            raise MachineError("pesq is not installed: `pip install 'raymal[bench]'`")
        # Beside the generator, unless there is a third core: never on the server's.
        os.sched_setaffinity(0, {cores[2] if len(cores) > 2 else cores[1]})
        field = contestants(options.throttled, options.seed_throttle, options.recorded)
        turns, audio, results = in_turns(field, options.calls), caller_audio(), list[Measurement]()
        with progress_bar(console) as progress:
            bar = progress.add_task("", total=len(turns))
            for contestant, calls in turns:
                progress.update(bar, description=f"{contestant.name}, {calls} calls", refresh=True)
                load = Load(calls, WARM_UP_S, options.seconds, cores[1])
                results.append(measure(contestant, load, cores[0], audio))
                console.print(summary(results[-1]), highlight=False)
                progress.advance(bar)
        results.sort(key=lambda each: (each.calls, field.index(each.contestant)))
        if options.plot:
            options.plot.write_text(picture(results, str(Machine.this(PACKAGES))), encoding="utf-8")
        rows = targets(results) or [shown("none without raymal", "")]
        invalid = [
            f"{result.contestant.name}, {result.calls} calls: {reason}"
            for result in results
            for reason in result.invalid_because()
        ]
        figures = {"callers": audio.source} | as_json(results)
        return Report({"targets": rows}, figures, invalid)

    return command.run(PROGRAM, PACKAGES, measure_all, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
