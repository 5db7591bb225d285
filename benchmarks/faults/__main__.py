"""What goes wrong around a server, done to a real one, and what its callers notice.

Networks lose packets, are too narrow or vanish; peers hold connections, send noise or do not read; the
machine is busy; a worker stops or dies. For each there is a real `raymal serve --dialog tone`, honest
calls beside the fault where they could suffer from it, and criteria with figures. The network is one of
namespaces that this program makes and removes, so it needs root and nothing else of the machine's.

Run as `python -m benchmarks.faults`. Exit code 1 if a criterion is missed, 2 if the tests could not be run
or were disturbed. A fault that this machine cannot make is listed as such: that is not a pass.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from actors.errors import RaymalError
from benchmarks.faults.catalogue import Fault, chosen
from benchmarks.faults.report import outcome_table, write_figures
from benchmarks.faults.verdicts import Outcome, Verdict, exit_code, judged
from benchmarks.faults.workplace import Workplace, check_machine, workplace
from benchmarks.harness.machine import Machine

SECOND_TRIES_S = 480.0
"""Later than this nothing is run again: a run takes 12 minutes at most."""


def run(faults: Iterable[Fault], place: Workplace, say: Callable[[str], None]) -> dict[str, list[Outcome]]:
    """Run the tests one after the other; one that was disturbed is run again while there is time."""
    began_s = time.monotonic()
    outcomes: dict[str, list[Outcome]] = {}
    for fault in faults:
        say(f"[bold]{fault.name}[/] {fault.title}")
        rows = _attempt(fault, place, say)
        was_only_disturbed = _count(rows, Verdict.DISTURBED) > 0 == _count(rows, Verdict.MISS)
        if was_only_disturbed and time.monotonic() - began_s < SECOND_TRIES_S:
            say("  disturbed: once more")
            rows = _better(rows, _attempt(fault, place, say))
        outcomes[f"{fault.name} {fault.title}"] = rows
    return outcomes


def _attempt(fault: Fault, place: Workplace, say: Callable[[str], None]) -> list[Outcome]:
    """Run one test; if it breaks off that is a miss, and what was found before is kept."""
    began_s = time.monotonic()
    rows: list[Outcome] = []
    try:
        for row in fault.run(place):
            say(escape(f"  {row.verdict.value}: {row.criterion}: {row.measured}"))
            rows.append(row)
    except (RaymalError, AssertionError) as error:
        rows.append(judged("runs to its end", "yes", str(error), is_met=False))
        say(escape(f"  broke off: {error}"))
    say(f"  {time.monotonic() - began_s:.0f} s")
    return rows


def _better(disturbed: list[Outcome], again: list[Outcome]) -> list[Outcome]:
    """Return the second try, unless it was disturbed as much; a miss is never hidden."""
    fewer = _count(again, Verdict.DISTURBED) < _count(disturbed, Verdict.DISTURBED)
    return again if fewer or _count(again, Verdict.MISS) else disturbed


def _count(rows: Sequence[Outcome], verdict: Verdict) -> int:
    return sum(row.verdict is verdict for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests and return the exit code."""
    options = _options(arguments)
    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        machine = Machine.this(("numpy", "uvloop", "webrtcvad-wheels"))
        cores = check_machine()
        say(str(machine))
        with tempfile.TemporaryDirectory(prefix="faults-") as name:
            os.environ["RAYMAL_RUNTIME"] = name
            place = workplace(Path(name), cores, lambda text: say(f"  [dim]{text}[/]"))
            outcomes = run(options.only, place, say)
    except RaymalError as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; everything that was made is removed")
        return 130
    console.print(outcome_table(outcomes))
    code = exit_code(row for rows in outcomes.values() for row in rows)
    if options.json:
        write_figures(options.json, machine, "benchmarks.faults", arguments, outcomes)
    return code


def _leave(number: int, frame: FrameType | None) -> None:
    """Stop through every `finally`; being asked again must not break that off."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", type=_faults, default=chosen(None), metavar="X1,X5", help="these tests, not all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome there")
    return parser.parse_args(arguments)


def _faults(names: str) -> tuple[Fault, ...]:
    try:
        return chosen(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
