"""One server, one number of calls: start, call, judge, end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.compare.callers import CallersReport, calling
from benchmarks.compare.judgement import Answer, Figures, answers, figures, is_loud
from benchmarks.compare.script import Recording, script
from benchmarks.compare.servers import Contestant, Server, running
from benchmarks.pacing.processes import CpuTime, cpu_time
from benchmarks.pacing.speech_quality import opinion_score
from ingress.caller.listening_quality import percentile

LAST_ANSWER_S = 3.0
"""After the measured time, for its last answers to begin."""
ANSWERS_SCORED = 10
SHORTEST_SCORED_S = 1.0
MAXIMUM_STRANGERS_PERCENT = 15.0
"""Of a core: what others on this machine, and its host, may take."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is the same for everybody."""

    warm_up_s: float
    measured_s: float
    seed: int
    """Of the callers' script."""
    said: Sequence[Recording]
    prompt: NDArray[np.int16]
    """Speech without pauses, for PESQ."""
    whisper: str
    """The weights: a folder, or a hub name."""
    seed_beam: int
    """Of the seed's decoder."""

    @property
    def seconds(self) -> float:
        """How long each call lasts."""
        return self.warm_up_s + self.measured_s + LAST_ANSWER_S


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time over the measured time, in percent of one core."""

    server_percent: float
    strangers_percent: float
    """Used by neither the server nor its callers, or stolen."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of it."""

    contestant: Contestant
    figures: Figures
    usage: Usage
    opinion_scores: Sequence[float]
    """PESQ of some answers, as a known prompt in their place; none without the `pesq` package."""
    report: CallersReport

    @property
    def calls(self) -> int:
        """How many there were."""
        return self.figures.calls

    @property
    def cpu_percent_per_call(self) -> float:
        """Of a core."""
        return self.usage.server_percent / self.calls

    def invalid_because(self) -> list[str]:
        """Return why it says nothing; empty if it is valid."""
        reasons = self.report.invalid_because()
        if self.usage.strangers_percent > MAXIMUM_STRANGERS_PERCENT:
            reasons.append(f"others used {self.usage.strangers_percent:.0f} % of a core")
        return reasons


def measure(contestant: Contestant, calls: int, conditions: Conditions) -> Measurement:
    """Measure a fresh server. Raises ServerError, CallersError."""
    with (
        running(contestant, conditions.whisper, conditions.seed_beam) as server,
        calling(server.port, calls, conditions.seconds, conditions.seed) as callers,
    ):
        callers.wait_began()
        time.sleep(conditions.warm_up_s)
        before = _Snapshot.of(server, callers.pid)
        time.sleep(conditions.measured_s)
        usage = _Snapshot.of(server, callers.pid).usage_since(before)
        report, frames, audio = callers.heard()
    given = list(
        answers(
            frames,
            is_loud(frames, audio),
            script(calls, conditions.seconds, conditions.said, conditions.seed),
            report.identified_s,
            conditions.warm_up_s,
            conditions.warm_up_s + conditions.measured_s,
        )
    )
    scores = opinion_scores(given, conditions.prompt)
    return Measurement(contestant, figures(calls, given, report.lost_calls), usage, scores, report)


def opinion_scores(given: Sequence[Answer], prompt: NDArray[np.int16]) -> list[float]:
    """Return the PESQ of some answers: of `prompt` on the frames as they came, played by a phone."""
    if find_spec("pesq") is None:
        return []
    long_enough = [answer for answer in given if answer.lasts_s.sum() >= SHORTEST_SCORED_S]
    chosen = long_enough[:: max(1, len(long_enough) // ANSWERS_SCORED)][:ANSWERS_SCORED]
    return [opinion_score(answer.at_s, answer.lasts_s, prompt) for answer in chosen]


def median(scores: Sequence[float]) -> float | None:
    """Return the middle one, None of none."""
    return percentile(scores, 50) if scores else None


@dataclass(frozen=True, slots=True)
class _Snapshot:
    at_s: float
    machine_s: float
    """Of all cores, whoever had them, the host among them."""
    server: CpuTime
    callers: CpuTime

    @classmethod
    def of(cls, server: Server, callers: int) -> _Snapshot:
        times = psutil.cpu_times()
        # What guests used is in user and nice as well.
        busy_s = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        return cls(time.monotonic(), busy_s, server.cpu_time(), cpu_time(callers))

    def usage_since(self, before: _Snapshot) -> Usage:
        percent = 100.0 / (self.at_s - before.at_s)
        server_s = (self.server - before.server).total_s
        known_s = server_s + (self.callers - before.callers).total_s
        strangers_s = max(0.0, self.machine_s - before.machine_s - known_s)
        return Usage(server_s * percent, strangers_s * percent)
