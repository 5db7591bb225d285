"""Every benchmark of this repository: what it answers, how it is run, about how long that takes.

The minutes are those of two cores. Quick runs together stay below ten minutes and are for finding out
whether everything still works; most of their figures are of too few values to compare.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.suite import headlines
from benchmarks.suite.figures import Figure

INTO = "{into}"
"""In arguments: the folder of the results."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One command and its result."""

    name: str
    """Its result is NAME.json."""
    answers: str
    module: str
    minutes: float
    figures: tuple[Figure, ...]
    arguments: tuple[str, ...] = ()
    """Of a whole run."""
    quick: tuple[str, ...] | None = None
    """Arguments of a quick run; None: there is none, and a whole one is made."""
    quick_minutes: float = 0.0
    outputs: tuple[str, ...] = ()
    """Arguments that let it write more than its result."""
    pictures: tuple[str, ...] = ()
    """What of that is kept for the documents, by its place under the results' folder."""
    is_default: bool = True
    needs_root: bool = False

    @property
    def result(self) -> str:
        """The name of its result."""
        return f"{self.name}.json"

    def lasts_minutes(self, is_quick: bool) -> float:
        """Return about how long it takes."""
        return self.quick_minutes if self.is_quick(is_quick) else self.minutes

    def is_quick(self, is_quick: bool) -> bool:
        """Return whether it is a quick run when a quick one is asked for."""
        return is_quick and self.quick is not None

    def command(self, into: Path, is_quick: bool = False) -> list[str]:
        """Return the command that writes its result into a folder."""
        arguments = self.quick if is_quick and self.quick is not None else self.arguments
        files = (*self.outputs, "--json", f"{INTO}/{self.result}")
        placed = (each.replace(INTO, str(into)) for each in (*arguments, *files))
        return [sys.executable, "-m", self.module, *placed]


BENCHMARKS = (
    Benchmark(
        "demo",
        "how soon does a caller hear an answer to a question, and what is waited for?",
        "benchmarks.demo",
        0.5,
        headlines.DEMO,
    ),
    Benchmark(
        "stt",
        "how fast and how right is the whisper engine, against stock faster-whisper?",
        "benchmarks.stt",
        10,
        headlines.STT,
        ("--all",),
        ("--utterances", "24"),
        1,
    ),
    Benchmark(
        "pacing",
        "what does a call cost, and how late are its frames, against asyncio's usual designs and a C loop?",
        "benchmarks.pacing",
        5,
        headlines.PACING,
        (),
        ("--calls", "400", "--seconds", "3", "--second-tries", "1"),
        1,
        ("--plot", f"{INTO}/pacing-lateness.svg"),
        ("pacing-lateness.svg",),
    ),
    Benchmark(
        "throttle",
        "what do longer frames save under load, against the throttle that starves the phone?",
        "benchmarks.pacing",
        5,
        headlines.THROTTLE,
        ("--throttled", "--seed-throttle"),
        ("--throttled", "--seed-throttle", "--calls", "400", "--seconds", "3", "--second-tries", "1"),
        1,
        ("--plot", f"{INTO}/pacing-throttle.svg"),
        ("pacing-throttle.svg",),
    ),
    Benchmark(
        "leases",
        "what does a lease on Ray cost, and is waiting for one as short as theory allows?",
        "benchmarks.leases",
        5,
        headlines.LEASES,
        (),
        ("--quick",),
        1,
    ),
    Benchmark(
        "overload",
        "with 2 and 10 times the callers that there is room for: who is served, who is refused, who notices?",
        "benchmarks.overload",
        4,
        headlines.OVERLOAD,
        (),
        ("--quick",),
        0.7,
    ),
    Benchmark(
        "compare",
        "how many calls does raymal hold beside the design that it replaces, on the same cores?",
        "benchmarks.compare",
        8,
        headlines.COMPARE,
        (),
        ("--quick",),
        1.5,
    ),
    Benchmark(
        "capacity",
        "how many calls does this machine hold, limited by what, and what does a call cost?",
        "benchmarks.capacity",
        9.5,
        headlines.CAPACITY,
        (),
        # The least time that it accepts; it is over sooner when no more than the first calls are tried.
        ("--minutes", "5.5", "--most-calls", "4", "--no-overload"),
        2,
        ("--report", f"{INTO}/capacity", "--write-limits", f"{INTO}/capacity-limits.toml"),
        ("capacity/turns.svg", "capacity/stages.svg", "capacity/goodput.svg"),
    ),
    Benchmark(
        "faults",
        "what do callers notice of bad networks, bad peers and busy machines?",
        "benchmarks.faults",
        12,
        headlines.FAULTS,
        is_default=False,
        needs_root=True,
    ),
    Benchmark(
        "soak",
        "does anything grow, leak, drift or drop while calls come and go for long?",
        "benchmarks.soak",
        11,
        headlines.SOAK,
        ("--minutes", "10"),
        ("--minutes", "1"),
        2,
        is_default=False,
    ),
)  # fmt: skip


def chosen(benchmarks: Sequence[Benchmark], names: str | None) -> tuple[Benchmark, ...]:
    """Return those named, with commas between, in their order; for None the default set.

    Raises ValueError for a name that there is not.
    """
    if names is None:
        return tuple(each for each in benchmarks if each.is_default)
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    unknown = wanted - {each.name for each in benchmarks}
    if unknown or not wanted:
        known = ", ".join(each.name for each in benchmarks)
        raise ValueError(
            f"no such benchmark: {', '.join(sorted(unknown)) or 'none named'} (there are {known})"
        )
    return tuple(each for each in benchmarks if each.name in wanted)


def total_minutes(benchmarks: Iterable[Benchmark], is_quick: bool) -> float:
    """Return about how long they take together."""
    return sum(each.lasts_minutes(is_quick) for each in benchmarks)
