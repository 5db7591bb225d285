"""Runs the load generator (`native/load_generator.c`) and judges whether it was good enough itself."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.errors import RaymalError
from benchmarks.harness.arrivals import ARRIVAL, Arrivals
from benchmarks.harness.caller_audio import CallerAudio
from benchmarks.harness.native.compiler import program

MAXIMUM_CPU_PERCENT = 70.0
MAXIMUM_TICK_P99_MS = 2.0


class GeneratorError(RaymalError):
    """The load generator failed."""


@dataclass(frozen=True, slots=True)
class GeneratorReport:
    """What the generator reports of itself, over the measured time."""

    measured_from_s: float
    measured_until_s: float
    cpu_percent: float
    """Of its core."""
    tick_p99_ms: float
    """Of its own deadlines, 2,000 a second; all audio is sent on one."""
    tick_max_ms: float
    sent_frames: int
    unsent_frames: int
    """That a server's full socket did not take."""
    unanswered_calls: int
    """That heard nothing in the measured time."""
    ended_calls: int
    """That the server ended."""
    lost_arrivals: int

    @property
    def lost_calls(self) -> int:
        """Calls that the server ended or never answered."""
        return max(self.ended_calls, self.unanswered_calls)

    def invalid_because(self) -> list[str]:
        """Return why a measurement made with it says nothing; empty if it is valid."""
        reasons = []
        if self.cpu_percent > MAXIMUM_CPU_PERCENT:
            reasons.append(
                f"the generator used {self.cpu_percent:.0f} % of its core (at most {MAXIMUM_CPU_PERCENT:g} %)"
            )
        if self.tick_p99_ms > MAXIMUM_TICK_P99_MS:
            reasons.append(
                f"the generator's own clock was {self.tick_p99_ms:.1f} ms late at p99 "
                f"(at most {MAXIMUM_TICK_P99_MS:g} ms): the machine is busy with something else"
            )
        if self.lost_arrivals:
            reasons.append(f"{self.lost_arrivals} messages did not fit the generator's memory")
        return reasons


@dataclass(frozen=True, slots=True)
class Load:
    """How many callers, for how long, from which core."""

    calls: int
    warm_up_s: float
    measured_s: float
    core: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What the callers noted."""

    report: GeneratorReport
    arrivals: Arrivals
    first_call: bytes
    """8 kHz audio of call 0."""


def generate(
    load: Load,
    port: int,
    audio: CallerAudio,
    on_begin: Callable[[], None] = lambda: None,
    on_end: Callable[[], None] = lambda: None,
) -> Heard:
    """Call a server on this machine; `on_begin` and `on_end` are called round the measured time.

    While `on_end` looks at the server the calls still stand. Raises GeneratorError, CompilerError.
    """
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        speech, quiet = audio.write(folder)
        arrivals, capture = folder / "arrivals", folder / "capture"
        options = {
            "port": port,
            "calls": load.calls,
            "warm-up-ms": round(load.warm_up_s * 1_000),
            "measure-ms": round(load.measured_s * 1_000),
            "speech": speech,
            "quiet": quiet,
            "arrivals": arrivals,
            "capture": capture,
        }
        command = ["taskset", "--cpu-list", str(load.core), str(program("load_generator"))]
        command += [f"--{option}={value}" for option, value in options.items()]
        report = _run(command, {"measuring": on_begin, "measured": on_end})
        return Heard(report, np.fromfile(arrivals, ARRIVAL), capture.read_bytes())


def _run(command: list[str], listeners: dict[str, Callable[[], None]]) -> GeneratorReport:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    report = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if listener := listeners.get(line.strip()):
                listener()
            else:
                report = line
        _, errors = process.communicate()
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0 or not report:
        raise GeneratorError(f"the load generator failed: {errors.strip() or process.returncode}")
    return GeneratorReport(**json.loads(report))
