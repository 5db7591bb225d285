"""raymal beside the design of its seed: same callers, same cores, same weights, in turns.

Asked of each is how many calls it holds, of the seed's also how many it answers (benchmarks/README.md). All
begin on the same rung of the ladder, then each goes up or down by bisection.

Run as `python -m benchmarks.compare`. Exit code 1 if a target is missed, 2 if it could not be measured or
was disturbed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from actors.engines.whisper_weights import obtain
from actors.settings import WhisperSettings
from benchmarks.compare.ladder import LADDER, next_rung
from benchmarks.compare.measurement import Contestant, Measurement, measure
from benchmarks.compare.report import as_json, limits_as_json, quick_verdicts, summary, verdicts
from benchmarks.compare.script import recordings
from benchmarks.harness import command
from benchmarks.harness.command import Report, progress_bar
from benchmarks.harness.machine import available_cores
from benchmarks.seed_design.models import DEFAULT_BEAM

PROGRAM = "benchmarks.compare"
WARM_UP_S = 3.0
MEASURED_S = 20.0
QUICK_MEASURED_S = 13.0
QUICK_LADDER = (4,)

Measure = Callable[[Contestant, int], Measurement]


def climb(ladder: Sequence[int], measure_once: Measure) -> list[Measurement]:
    """Measure all in turns until the limits of each lie between neighbours of the ladder."""
    measured: dict[tuple[Contestant, int], Measurement] = {}
    while coming := _coming(ladder, measured):
        for each in coming:
            measured[each] = measure_once(*each)
    return list(measured.values())


def _coming(
    ladder: Sequence[int], measured: dict[tuple[Contestant, int], Measurement]
) -> list[tuple[Contestant, int]]:
    """Return who is measured next with how many calls, one rung each."""
    coming = []
    for contestant in Contestant:
        own = {calls: each.figures for (who, calls), each in measured.items() if who is contestant}
        rung = next_rung(ladder, {calls: figures.is_held for calls, figures in own.items()})
        if rung is None and contestant is not Contestant.RAYMAL:
            rung = next_rung(ladder, {calls: figures.is_answered for calls, figures in own.items()})
        if rung is not None:
            coming.append((contestant, rung))
    return coming


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, judge, report; return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    quick_help = f"{QUICK_LADDER[0]} calls each, under 90 s; says no limit"
    parser.add_argument("--quick", action="store_true", help=quick_help)
    parser.add_argument(
        "--calls", type=command.numbers(400), default=LADDER, metavar="N,N",
        help=f"({','.join(map(str, LADDER))})",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=MEASURED_S, help=f"measured, each time ({MEASURED_S:g})"
    )
    options = parser.parse_args(arguments)
    if options.seconds < 1:
        parser.error("--seconds must be at least 1")
    ladder = QUICK_LADDER if options.quick else options.calls

    def measure_all(console: Console) -> Report:
        whisper = obtain(WhisperSettings())
        recordings()  # obtained before the callers have to begin in time
        measured_s = QUICK_MEASURED_S if options.quick else options.seconds
        with progress_bar(console) as progress:
            bar = progress.add_task("", total=len(Contestant) * len(ladder).bit_length())

            def measure_once(contestant: Contestant, calls: int) -> Measurement:
                progress.update(bar, description=f"{contestant.value}, {calls} calls", refresh=True)
                found = measure(contestant, calls, whisper, WARM_UP_S, measured_s)
                progress.advance(bar)
                console.print(summary(found), highlight=False)
                return found

            found = climb(ladder, measure_once)
        figures = {
            "seed_beam": DEFAULT_BEAM,
            "warm_up_s": WARM_UP_S,
            "measured_s": measured_s,
            "ladder": list(ladder),
            "limits": limits_as_json(found),
            "measurements": as_json(found),
        }
        rows = quick_verdicts(found) if options.quick else verdicts(found, available_cores())
        return Report(rows, figures)

    packages = ("faster-whisper", "ctranslate2", "hibari-tts", "uvloop")
    return command.run(PROGRAM, packages, measure_all, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
