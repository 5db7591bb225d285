"""Honest calls beside a fault: ten of them, from the C load generator, and what they may notice.

No machine is quiet: the same calls are measured without the fault first, and the limits of lateness are what
the fault may add. What the calm calls show as well says nothing of the server and is called disturbed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.harness.arrivals import Arrivals, Judgement, judge
from benchmarks.harness.load_generator import GeneratorError, GeneratorReport, Load, generate
from benchmarks.harness.outcomes import Outcome, judged
from benchmarks.harness.processes import CpuUse, Snapshot
from benchmarks.harness.server import Server
from benchmarks.harness.workplace import Workplace

CALLS = 10
WARM_UP_S = 2.0
CALM_S = 5.0
CALM_TRIES = 3
CALM_P99_MS = 5.0
"""Worse than this on its own, the machine is busy: the calm calls are measured again."""
ADDED_MS = {99.0: 5.0, 99.9: 10.0, 100.0: 20.0}
"""Percentile → what a fault may add to its lateness."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What the reference calls heard."""

    judgement: Judgement
    report: GeneratorReport
    arrivals: Arrivals
    use: CpuUse

    @property
    def is_disturbed(self) -> bool:
        """Whether the generator was late, or the server did not have its core to itself."""
        return bool(self.report.invalid_because()) or self.use.is_disturbed()

    @property
    def interruptions(self) -> tuple[int, int, int]:
        """Gaps of 100 ms, holes in a phone's buffer of 60 ms, lost calls."""
        return self.judgement.long_gaps, self.judgement.holes, self.report.lost_calls

    def latenesses_ms(self) -> tuple[float, ...]:
        """Return the percentiles that have a limit."""
        return tuple(self.judgement.lateness_at_ms(percent) for percent in ADDED_MS)


@contextmanager
def reference_calls(
    workplace: Workplace, server: Server, seconds: float, calls: int = CALLS
) -> Iterator[Callable[[], Quality]]:
    """Place calls; the body runs from the beginning of the measured time, and may wait for their quality.

    Raises GeneratorError.
    """
    load = Load(calls, WARM_UP_S, seconds, workplace.peer_core)
    began = threading.Event()
    snapshots: list[Snapshot] = []

    def look() -> None:
        snapshots.append(Snapshot.of(server.process_ids(), workplace.server_core))
        began.set()

    def quality() -> Quality:
        heard = running.result()
        judgement = judge(heard.arrivals, calls, seconds)
        return Quality(judgement, heard.report, heard.arrivals, snapshots[-1] - snapshots[0])

    with ThreadPoolExecutor(1, "reference calls") as thread:
        running = thread.submit(generate, load, server.port, workplace.audio, look, look)
        running.add_done_callback(lambda _: began.set())
        if not began.wait(WARM_UP_S + 30.0):
            raise GeneratorError("the load generator did not begin")
        yield quality


def calm_quality(workplace: Workplace, server: Server, calls: int = CALLS) -> Quality:
    """Return what the calls hear when nothing is wrong: the best of a few tries, until one is good."""
    workplace.say("the reference calls alone")
    tries: list[Quality] = []
    for _ in range(CALM_TRIES):
        with reference_calls(workplace, server, CALM_S, calls) as quality:
            tries.append(quality())
        if tries[-1].latenesses_ms()[0] <= CALM_P99_MS and not any(tries[-1].interruptions):
            break
    return min(tries, key=lambda quality: (sum(quality.interruptions), quality.latenesses_ms()))


def pacing_holds(what: str, calm: Quality, faulty: Quality, shares_core: bool = False) -> list[Outcome]:
    """Judge the calls beside a fault against the same calls without it.

    With `shares_core` the fault is that others use the server's core, so their use of it is no disturbance.
    """
    late, calm_late = faulty.latenesses_ms(), calm.latenesses_ms()
    is_disturbed = bool(faulty.report.invalid_because()) if shares_core else faulty.is_disturbed
    limits = [calm_ms + added_ms for calm_ms, added_ms in zip(calm_late, ADDED_MS.values(), strict=True)]
    return [
        judged(
            f"{what}: lateness p99, p99.9, max",
            f"{_listed(ADDED_MS.values())} ms above calm",
            f"{_listed(late)} (calm {_listed(calm_late)}); {faulty.use}",
            all(ms <= limit_ms for ms, limit_ms in zip(late, limits, strict=True)),
            is_disturbed,
        ),
        judged(
            f"{what}: gaps of 100 ms, holes at 60 ms, lost calls",
            "none",
            f"{_listed(faulty.interruptions)} (calm {_listed(calm.interruptions)})",
            not any(faulty.interruptions),
            is_disturbed or any(calm.interruptions),
        ),
    ]


def _listed(figures: Iterable[float]) -> str:
    return ", ".join(f"{figure:.3g}" for figure in figures)
