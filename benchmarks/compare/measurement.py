"""One server, one number of calls: start, call, judge, end.

| server | what it is |
|---|---|
| raymal | `raymal serve --no-ray`, whisper base and hibari, as it comes; no admission limit, since the machine's limit is asked for and not the operator's, and no cache of answers, since callers rarely say the same |
| seed | `python -m benchmarks.seed_design`: the same weights in stock faster-whisper, the same voice |
| seed, throttled | the same, and it sends more slowly under load |

Each is a process tree on all cores, started for one measurement and ended after it.
"""  # noqa: E501

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare.callers import Heard, calling, heard_by
from benchmarks.compare.judgement import Figures, answers, figures
from benchmarks.compare.script import Recording, script
from benchmarks.harness.processes import CpuUse, Snapshot
from benchmarks.harness.server import RAYMAL, serving
from benchmarks.harness.speech_quality import opinion_scores

LAST_ANSWER_S = 3.0
"""After the measured time, for its last answers to begin."""
ANSWERS_SCORED = 10
REPORT_MARGIN_S = 20.0
MAXIMUM_FOREIGN_PERCENT = 15.0
"""Of a core: what others on this machine, and its host, may take."""


class Contestant(Enum):
    """One way of answering calls."""

    RAYMAL = "raymal"
    SEED = "seed"
    SEED_THROTTLED = "seed, throttled"

    def command(self, whisper: str, seed_beam: int) -> Sequence[str]:
        """Return how it is started; `whisper` is the folder of the weights, or a hub name."""
        if self is Contestant.RAYMAL:
            return [
                *RAYMAL, "--no-ray", "--dialog", "echo", "--greeting", "", "--model", whisper,
                "--set", "admission.enabled=false", "--set", "cache.memory_bytes=0",
            ]  # fmt: skip
        return [
            sys.executable, "-m", "benchmarks.seed_design", "--model", whisper, "--beam", str(seed_beam),
            *(["--throttle"] if self is Contestant.SEED_THROTTLED else []),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is the same for all."""

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
class Measurement:
    """What came of it."""

    contestant: Contestant
    figures: Figures
    use: CpuUse
    """Over the measured time; foreign: neither the server nor its callers, on any core."""
    opinion_scores: Sequence[float]
    """PESQ of some answers, as a known prompt in their place; none without the `pesq` package."""
    heard: Heard

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
        reasons = self.heard.invalid_because()
        if self.use.is_disturbed(MAXIMUM_FOREIGN_PERCENT):
            reasons.append(f"others used {self.use.others_percent:.0f} % of a core")
        return reasons


def measure(contestant: Contestant, calls: int, conditions: Conditions) -> Measurement:
    """Measure a fresh server. Raises ServerError, InstrumentError."""
    command = contestant.command(conditions.whisper, conditions.seed_beam)
    with (
        serving(contestant.value, command) as server,
        calling(server.port, calls, conditions.seconds, conditions.seed) as callers,
    ):
        callers.wait_began()
        time.sleep(conditions.warm_up_s)
        before = Snapshot.of(server.process_ids(), None, [callers.process.pid])
        time.sleep(conditions.measured_s)
        use = Snapshot.of(server.process_ids(), None, [callers.process.pid]) - before
        heard = heard_by(callers, conditions.seconds + REPORT_MARGIN_S)
    scripts = script(calls, conditions.seconds, conditions.said, conditions.seed)
    ends_s = conditions.warm_up_s + conditions.measured_s
    given = list(answers(heard.calls, scripts, conditions.warm_up_s, ends_s))
    streams = ((answer.at_s, answer.lasts_s) for answer in given)
    return Measurement(
        contestant,
        figures(calls, given, sum(call.is_lost for call in heard.calls)),
        use,
        opinion_scores(streams, conditions.prompt, ANSWERS_SCORED),
        heard,
    )
