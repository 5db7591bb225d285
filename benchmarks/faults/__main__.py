"""What goes wrong around a server, done to a real one, and what its callers notice.

The network is one of namespaces that this program makes and removes, so it needs root and nothing else of
the machine's. Run as `python -m benchmarks.faults`. Exit code 1 if a criterion is missed, 2 if the tests
could not be run or were disturbed. A fault that this machine cannot make is listed as such: that is not a
pass.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.markup import escape

from actors.errors import RaymalError
from benchmarks.faults.attacks import odd_peers, random_bytes, slow_loris
from benchmarks.faults.death import killed_worker
from benchmarks.faults.links import bandwidth, half_open, loss
from benchmarks.faults.scarcity import scarcity
from benchmarks.faults.stalls import mute_peers, stopped_worker
from benchmarks.harness import command
from benchmarks.harness.command import Report
from benchmarks.harness.outcomes import Outcome, judged
from benchmarks.harness.workplace import Workplace

PROGRAM = "benchmarks.faults"


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


def chosen(names: str) -> tuple[Fault, ...]:
    """Return the tests named with commas between, in their order. Raises argparse.ArgumentTypeError."""
    wanted = {name.strip().upper() for name in names.split(",")}
    known = [fault.name for fault in FAULTS]
    if unknown := wanted.difference(known):
        raise argparse.ArgumentTypeError(
            f"no such test: {', '.join(sorted(unknown))} (there are {', '.join(known)})"
        )
    return tuple(fault for fault in FAULTS if fault.name in wanted)


def run(faults: Iterable[Fault], place: Workplace, say: Callable[[str], None]) -> dict[str, list[Outcome]]:
    """Run the tests one after the other; one that breaks off is a miss, and what it found before is kept."""
    outcomes: dict[str, list[Outcome]] = {}
    for fault in faults:
        say(f"[bold]{fault.name}[/] {fault.title}")
        rows = outcomes[f"{fault.name} {fault.title}"] = []
        try:
            for row in fault.run(place):
                say(escape(f"  {row.verdict.value}: {row.criterion}: {row.measured}"))
                rows.append(row)
        except (RaymalError, AssertionError) as error:
            rows.append(judged("runs to its end", "yes", str(error), is_met=False))
            say(escape(f"  broke off: {error}"))
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests and return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    parser.add_argument("--only", type=chosen, default=FAULTS, metavar="X1,X5", help="these tests, not all")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)

    def measure(console: Console) -> Report:
        def say(text: str) -> None:
            console.print(text, highlight=False, soft_wrap=True)

        place = Workplace.here(lambda text: say(f"  [dim]{text}[/]"), with_networks=True)
        return Report(run(options.only, place, say))

    return command.run(PROGRAM, ("numpy", "uvloop", "webrtcvad-wheels"), measure, options.json, arguments)


def _stop(number: int, frame: FrameType | None) -> None:
    """End through every `finally`; a second signal must not break that off."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
