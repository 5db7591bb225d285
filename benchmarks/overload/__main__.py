"""More callers than there is room for: who is served, who is refused and how soon, and who else notices.

A real `raymal serve` with engines that only take their time. What the whole machine's CPU says is taken out
of the ladder's signals: here the callers are on that machine too.

Run as `python -m benchmarks.overload`. Exit code 1 if a criterion is missed, 2 if it could not be measured
or was disturbed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import floor

from rich.console import Console

from actors.settings import AdmissionSettings
from actors.status import AdmissionStatus
from benchmarks.harness import command
from benchmarks.harness.command import Report
from benchmarks.harness.instrument import instrument
from benchmarks.harness.processes import Snapshot
from benchmarks.harness.server import RAYMAL, Server, ServerError, wait_for
from benchmarks.harness.workplace import Workplace
from benchmarks.overload.judgement import Measured, Phase, Seen, verdicts
from benchmarks.overload.newcomers import stream_of
from benchmarks.overload.speech import CHARACTERS_PER_S, GREETING, PERIOD_S
from benchmarks.overload.standing import ended

PROGRAM = "benchmarks.overload"
SLOTS = 4
CALLS_PER_SLOT = 12
STANDING = 12
NEWCOMERS_PRIORITY = 5
SETTINGS: Mapping[str, object] = {
    "speech.scripted.stt_delay_s": 0.2,
    "speech.scripted.tts_delay_s": 0.05,
    "speech.scripted.speech_rate_characters_per_s": CHARACTERS_PER_S,
    "admission.calls_per_slot": CALLS_PER_SLOT,
    "cache.memory_bytes": 0,  # every answer is synthesized
    "throttle.cpu_percent": [101, 101, 101],
}
REALTIME = ("server.realtime_priority=10",)
"""Gateway and speech workers have the media worker's core as well: the audio clock goes first
(docs/audio.md). Needs root."""
FLAGS = (
    "--stt", "scripted", "--tts", "scripted", "--greeting", GREETING,
    "--max-transcriptions", f"{SLOTS}", "--max-syntheses", f"{SLOTS}",
)  # fmt: skip
LOOK_S = 1.0
"""Between two looks at the server's status."""
GIVE_BACK_S = 5.0
"""For the places of callers who have left."""
LAST_ANSWER_S = 1.5
"""What was said just before the end is answered."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    loads: tuple[float, ...] = (1.0, 2.0, 10.0)
    alone_s: float = 20.0
    """Of the standing calls without newcomers, before and after."""
    measured_s: float = 40.0
    """Of each load."""
    stays_s: tuple[float, float] = (8.0, 16.0)
    """Least and greatest time that newcomers mean to stay."""

    @property
    def mean_stay_s(self) -> float:
        """Of the newcomers; also how long they come before they are measured."""
        return sum(self.stays_s) / 2


QUICK = Extent(loads=(2.0, 10.0), alone_s=4.0, measured_s=4.0, stays_s=(5.0, 7.0))


@dataclass(frozen=True, slots=True)
class Run:
    """One run on one server."""

    place: Workplace
    server: Server
    extent: Extent

    def measure(self) -> Measured:
        """Measure everything. Raises RaymalError."""
        # Above the newcomers: what these calls hear is measured to the millisecond.
        with instrument(
            "benchmarks.overload.standing", NEWCOMERS_PRIORITY + 1, port=self.server.port, calls=STANDING
        ) as standing:
            self.place.say(f"{STANDING} calls begin to talk")
            if wait_for(self._only_standing, 20.0) is None:
                raise ServerError(f"not all of {STANDING} calls were taken: {self._admission()}")
            time.sleep(PERIOD_S + 1.0)  # all have spoken
            capacity = floor(self._admission().capacity * AdmissionSettings().normal_percent / 100.0)
            phases = [self._alone("before")]
            for seed, load in enumerate(self.extent.loads, 1):
                phases.append(self._loaded(load, capacity, seed))
                wait_for(self._only_standing, GIVE_BACK_S)
            if self.extent is not QUICK:
                phases.append(self._alone("after"))
            refused = self._admission().refused
            time.sleep(LAST_ANSWER_S)
            return Measured(capacity, ended(standing), phases, refused)

    def _alone(self, name: str) -> Phase:
        self.place.say(f"{name}: {STANDING} calls alone")
        begin_s = time.monotonic()
        seen = self._watch(lambda: time.monotonic() - begin_s >= self.extent.alone_s)
        return Phase(name, 0.0, begin_s, time.monotonic(), seen)

    def _loaded(self, load: float, capacity: int, seed: int) -> Phase:
        self.place.say(f"{load:g} times the callers that there is room for")
        stay_s = self.extent.mean_stay_s
        per_second = load * (capacity - STANDING) / stay_s
        seconds = stay_s + self.extent.measured_s
        with instrument(
            "benchmarks.overload.newcomers", NEWCOMERS_PRIORITY, port=self.server.port,
            per_second=per_second, seconds=seconds, stays_s=self.extent.stays_s, seed=seed,
        ) as coming:  # fmt: skip
            seen = self._watch(lambda: coming.is_over)
            stream = stream_of(coming)
        return Phase(f"{load:g} times", load, stream.loop.began_s + stay_s, stream.loop.ended_s, seen, stream)

    def _watch(self, is_over: Callable[[], bool]) -> Seen:
        """Look at the server until it is over."""
        before = Snapshot.of(self.server.process_ids(), self.place.server_core)
        most_calls = 0
        while not is_over():
            most_calls = max(most_calls, self._admission().calls)
            wait_for(is_over, LOOK_S)
        return Seen(most_calls, Snapshot.of(self.server.process_ids(), self.place.server_core) - before)

    def _admission(self) -> AdmissionStatus:
        if (status := self.server.status()) is None or status.fleet is None:
            raise ServerError("the gateway does not answer")
        return status.fleet.admission

    def _only_standing(self) -> bool:
        return self._admission().calls == STANDING


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, judge, report; return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    parser.add_argument("--quick", action="store_true", help="under 40 s; too few turns to conclude from")
    options = parser.parse_args(arguments)

    def measure(console: Console) -> Report:
        place = Workplace.here(lambda text: console.print(text, highlight=False))
        settings = [*(f"{key}={value}" for key, value in SETTINGS.items()), *REALTIME * (os.geteuid() == 0)]
        flags = [*FLAGS, *(part for setting in settings for part in ("--set", setting))]
        with place.serving(*RAYMAL, "--no-ray", *flags) as server:
            measured = Run(place, server, QUICK if options.quick else Extent()).measure()
        return Report(verdicts(measured), figures=_figures(measured))

    return command.run(PROGRAM, ("numpy", "uvloop"), measure, options.json, arguments)


def _figures(measured: Measured) -> dict[str, object]:
    """Return what the rows were made from."""
    return {
        "capacity": measured.capacity,
        "standing": len(measured.standing),
        "refused": dict(measured.refused),
        "phases": [asdict(phase) for phase in measured.phases],
        "answer_times_ms": {
            phase.name: [call.answer_times_ms(phase.begin_s, phase.end_s) for call in measured.standing]
            for phase in measured.phases
        },
    }


if __name__ == "__main__":
    sys.exit(main())
