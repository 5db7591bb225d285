"""One server, one number of calls: start, call, judge, end, each time a fresh process tree on all cores.

raymal runs without an admission limit, since the machine's limit is asked for, and without a cache of
answers, since callers rarely say the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from benchmarks.compare.callers import heard_by
from benchmarks.compare.judgement import Figures, answers, figures
from benchmarks.compare.script import recordings, script
from benchmarks.harness.caller_audio import caller_audio
from benchmarks.harness.callers import LoopReport
from benchmarks.harness.instrument import instrument
from benchmarks.harness.processes import CpuUse, Snapshot
from benchmarks.harness.server import RAYMAL, serving
from benchmarks.harness.speech_quality import opinion_scores

LAST_ANSWER_S = 3.0
"""After the measured time, for its last answers to begin."""
ANSWERS_SCORED = 10
PRIORITY = 5
MAXIMUM_LATENESS_MS = 5.0
"""Of the callers' own deadlines, at p99."""
MAXIMUM_CPU_PERCENT = 50.0
REPORT_MARGIN_S = 20.0
MAXIMUM_FOREIGN_PERCENT = 15.0
"""Of a core: what others on this machine, and its host, may take."""


class Contestant(Enum):
    """One way of answering calls."""

    RAYMAL = "raymal"
    SEED = "seed"
    SEED_THROTTLED = "seed, throttled"

    def command(self, whisper: str) -> Sequence[str]:
        """Return how it is started; `whisper` is the folder of the weights, or a hub name."""
        if self is Contestant.RAYMAL:
            return [
                *RAYMAL, "--no-ray", "--dialog", "echo", "--greeting", "", "--model", whisper,
                "--set", "admission.enabled=false", "--set", "cache.memory_bytes=0",
            ]  # fmt: skip
        throttle = ["--throttle"] if self is Contestant.SEED_THROTTLED else []
        return [sys.executable, "-m", "benchmarks.seed_design", "--model", whisper, *throttle]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came of it."""

    contestant: Contestant
    figures: Figures
    use: CpuUse
    """Over the measured time; foreign: neither the server nor its callers, on any core."""
    opinion_scores: Sequence[float]
    """PESQ of some answers, as a known prompt in their place; none without the `pesq` package."""
    loop: LoopReport

    @property
    def calls(self) -> int:
        """How many there were."""
        return self.figures.calls

    @property
    def cpu_percent_per_call(self) -> float:
        """Of a core."""
        return self.use.server_percent / self.calls

    def invalid_because(self) -> list[str]:
        """Return why it says nothing; empty if it is valid."""
        reasons = self.loop.invalid_because(MAXIMUM_LATENESS_MS, MAXIMUM_CPU_PERCENT)
        if self.use.is_disturbed(MAXIMUM_FOREIGN_PERCENT):
            reasons.append(f"others used {self.use.others_percent:.0f} % of a core")
        return reasons


def measure(
    contestant: Contestant, calls: int, whisper: str, warm_up_s: float, measured_s: float
) -> Measurement:
    """Measure a fresh server; `whisper` is the weights. Raises ServerError, InstrumentError, CorpusError."""
    ends_s = warm_up_s + measured_s
    seconds = ends_s + LAST_ANSWER_S
    with (
        serving(contestant.value, contestant.command(whisper)) as server,
        instrument(
            "benchmarks.compare.callers", PRIORITY, port=server.port, calls=calls, seconds=seconds
        ) as callers,
    ):
        callers.wait_began()
        time.sleep(warm_up_s)
        before = Snapshot.of(server.process_ids(), None, [callers.process.pid])
        time.sleep(measured_s)
        use = Snapshot.of(server.process_ids(), None, [callers.process.pid]) - before
        heard, loop = heard_by(callers, seconds + REPORT_MARGIN_S)
    given = list(answers(heard, script(calls, seconds, recordings()), warm_up_s, ends_s))
    streams = ((answer.at_s, answer.lasts_s) for answer in given)
    return Measurement(
        contestant,
        figures(calls, given, sum(call.is_lost for call in heard)),
        use,
        opinion_scores(streams, caller_audio().prompt, ANSWERS_SCORED),
        loop,
    )
