"""What is heard of digits, words, names and sentences on good lines and bad, beside stock faster-whisper.

Utterances go through the product's own hearing and engine, in virtual time; stock transcribes the same turns,
cut by our endpointing. Half of the material is for tuning, the other half for the report alone.

Run as `python -m benchmarks.hearing`. Exit code 1 if a target is missed, 2 if it could not be measured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from actors.engines.whisper_weights import obtain
from actors.settings import WhisperSettings
from benchmarks.harness import command
from benchmarks.harness.command import Report, progress_bar
from benchmarks.harness.machine import available_cores
from benchmarks.hearing.findings import Findings
from benchmarks.hearing.judgement import judge
from benchmarks.hearing.material import Half
from benchmarks.hearing.plan import FULL, QUICK, Plan
from benchmarks.hearing.study import Study
from benchmarks.hearing.trial import NoiseTrial, Trial

PROGRAM = "benchmarks.hearing"
PACKAGES = ("faster-whisper", "ctranslate2", "numpy", "soxr", "onnxruntime", "webrtcvad-wheels", "hibari-tts")
STEP = 50
"""Jobs between two lines of progress, where no bar can be drawn."""


def measure(plan: Plan, half: Half, settings: WhisperSettings, console: Console) -> Findings:
    """Run a plan. Raises RaymalError."""
    jobs = list(plan.jobs(half))
    obtain(settings)  # once, before the workers ask for it
    results: list[Trial | NoiseTrial] = []
    study = Study(available_cores(), settings)
    try:
        with progress_bar(console) as progress:
            bar = progress.add_task(f"{half} half", total=len(jobs))
            for result in study.run(jobs):
                results.append(result)
                progress.update(bar, advance=1, refresh=True)
                if not console.is_terminal and len(results) % STEP == 0:
                    console.print(f"{len(results)} of {len(jobs)}", highlight=False)
    finally:
        study.close()
    return Findings.of(half, results)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    parser.add_argument("--half", type=Half, choices=tuple(Half), default=Half.REPORT, help="of the material")
    parser.add_argument("--quick", action="store_true", help="a few of each: shows that everything works")
    parser.add_argument("--noise-minutes", type=float, metavar="N", help="of each noise alone; 0 for none")
    parser.add_argument("--only", metavar="TEXT", help="conditions with this in their names: babble, -4, ms")
    parser.add_argument("--model", default=WhisperSettings().model, help="as speech.whisper.model")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    if options.only is not None:
        plan = plan.only(options.only)
        if not plan.conditions:
            parser.error(f"--only: no condition has {options.only!r} in its name")
    if options.noise_minutes is not None:
        plan = replace(plan, noise_s=60.0 * options.noise_minutes)

    def report(console: Console) -> Report:
        found = measure(plan, options.half, WhisperSettings(model=options.model), console)
        for table in found.tables():
            console.print(table)
        return Report(judge(found), figures=found.figures())

    return command.run(PROGRAM, PACKAGES, report, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
