"""raymal beside the design of its seed: same callers, same cores, same weights, in turns.

The seed's design is rebuilt in `benchmarks/seed_design`, plain and with its throttle. Asked of each is the
number of calls that it *holds*: 95 of 100 turns answered within 1.5 s, and no hole in an answer through a
phone's buffer of 60 ms; and of the seed's also how many it *answers* in twice the time, holes or not. All
begin on the same rung of the ladder, then each goes up or down by bisection, one after the other in every
round.

Run as `python -m benchmarks.compare`. Exit code 1 if a target is missed, 2 if it could not be measured or
was disturbed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from actors.engines.whisper_weights import obtain
from actors.errors import RaymalError
from actors.settings import WhisperSettings
from benchmarks.compare.ladder import LADDER, next_rung
from benchmarks.compare.measurement import Conditions, Measurement, measure
from benchmarks.compare.report import (
    as_json,
    limits_as_json,
    measurement_table,
    quick_verdicts,
    verdicts,
)
from benchmarks.compare.script import recordings
from benchmarks.compare.servers import Contestant
from benchmarks.faults.report import outcome_table, write_figures
from benchmarks.faults.verdicts import exit_code
from benchmarks.harness.machine import Machine, available_cores
from benchmarks.pacing.callers import callers as pacing_callers
from benchmarks.seed_design.models import DEFAULT_BEAM

WARM_UP_S = 3.0
MEASURED_S = 20.0
QUICK_MEASURED_S = 13.0
QUICK_LADDER = (4,)
SEED = 1
SECOND_TRIES = 2
"""Disturbed measurements of a run that are made again."""
LEAST_WIDTH = 140

Measure = Callable[[Contestant, int], Measurement]


def climb(ladder: Sequence[int], measure_once: Measure, second_tries: int) -> list[Measurement]:
    """Measure everybody in turns until each one's limits lie between neighbours of the ladder."""
    measured: dict[tuple[Contestant, int], Measurement] = {}
    while coming := _coming(ladder, measured):
        for contestant, calls in coming:
            found = measure_once(contestant, calls)
            if found.invalid_because() and second_tries:
                second_tries -= 1
                found = measure_once(contestant, calls)
            measured[contestant, calls] = found
    return list(measured.values())


def _coming(
    ladder: Sequence[int], measured: dict[tuple[Contestant, int], Measurement]
) -> list[tuple[Contestant, int]]:
    """Return who is measured next with how many calls, one rung each."""
    coming = []
    for contestant in Contestant:
        own = {calls: each.figures for (whose, calls), each in measured.items() if whose is contestant}
        rung = next_rung(ladder, {calls: figures.is_held for calls, figures in own.items()})
        if rung is None and contestant is not Contestant.RAYMAL:
            rung = next_rung(ladder, {calls: figures.is_answered for calls, figures in own.items()})
        if rung is not None:
            coming.append((contestant, rung))
    return coming


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, judge, report; return the exit code."""
    options = _options(arguments)
    console = Console(width=max(LEAST_WIDTH, Console().width))
    ladder = QUICK_LADDER if options.quick else options.calls
    try:
        machine = Machine.this(("faster-whisper", "ctranslate2", "hibari-tts", "uvloop"))
        console.print(str(machine), highlight=False)
        conditions = Conditions(
            WARM_UP_S,
            QUICK_MEASURED_S if options.quick else options.seconds,
            options.seed,
            recordings(),
            pacing_callers().prompt,
            obtain(WhisperSettings(model=options.model)),
            options.seed_beam,
        )
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # Drawn between measurements only: the cores are the servers'.
        with Progress(*columns, console=console, auto_refresh=False) as progress:
            bar = progress.add_task("", total=len(Contestant) * len(ladder).bit_length())

            def measure_once(contestant: Contestant, calls: int) -> Measurement:
                progress.update(bar, description=f"{contestant.value}, {calls} calls", refresh=True)
                found = measure(contestant, calls, conditions)
                progress.advance(bar)
                return found

            found = climb(ladder, measure_once, options.second_tries)
    except RaymalError as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    console.print(measurement_table(found))
    rows = quick_verdicts(found) if options.quick else verdicts(found, available_cores())
    console.print(outcome_table(rows))
    if options.json:
        write_figures(
            options.json,
            machine,
            "benchmarks.compare",
            arguments,
            rows,
            seed=options.seed,
            seed_beam=options.seed_beam,
            warm_up_s=conditions.warm_up_s,
            measured_s=conditions.measured_s,
            ladder=list(ladder),
            limits=limits_as_json(found),
            measurements=as_json(found),
        )
    return exit_code(row for of_contestant in rows.values() for row in of_contestant)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_LADDER[0]} calls each, under 90 s; says no limit"
    )
    parser.add_argument(
        "--calls", type=_ladder, default=LADDER, metavar="N,N", help=f"({','.join(map(str, LADDER))})"
    )
    parser.add_argument(
        "--seconds", type=float, default=MEASURED_S, help=f"measured, each time ({MEASURED_S:g})"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the callers' script ({SEED})")
    parser.add_argument(
        "--seed-beam",
        type=int,
        default=DEFAULT_BEAM,
        help=f"of the seed's decoder; the library's own is {DEFAULT_BEAM}, raymal has 1 ({DEFAULT_BEAM})",
    )
    parser.add_argument("--model", default=WhisperSettings().model, help="as speech.whisper.model")
    parser.add_argument(
        "--second-tries",
        type=int,
        default=SECOND_TRIES,
        help=f"disturbed measurements of a run that are made again ({SECOND_TRIES})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    options = parser.parse_args(arguments)
    if options.seconds < 1:
        parser.error("--seconds must be at least 1")
    return options


def _ladder(text: str) -> tuple[int, ...]:
    numbers = tuple(sorted({int(part) for part in text.split(",")}))
    if not all(1 <= number <= 400 for number in numbers):
        raise argparse.ArgumentTypeError("1 to 400 calls, with commas between: 2,8,32")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
