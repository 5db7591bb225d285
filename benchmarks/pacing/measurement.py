"""One server under one load: what it used, and what its callers heard.

| server | what it is |
|---|---|
| raymal | `raymal serve --dialog tone --no-ray`: media worker (speech detection on), gateway, supervisor |
| asyncio deadlines | a task per call, a deadline per frame |
| asyncio sleeps | a task per call that writes, drains and sleeps: the usual design |
| C loop | an epoll loop that only reads and writes: the machine's limit |

Each is a process tree on one core; all send the same tone to every caller. A server is started for one
measurement and stopped after it, so that none pays for another's memory.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from time import monotonic

from benchmarks.harness.arrivals import Judgement, frames_of_calls, judge
from benchmarks.harness.caller_audio import CallerAudio
from benchmarks.harness.load_generator import MAXIMUM_CPU_PERCENT, MAXIMUM_TICK_P99_MS, Heard, Load, generate
from benchmarks.harness.native.compiler import program
from benchmarks.harness.processes import (
    CoreTime,
    CpuTime,
    core_time,
    cpu_time,
    cpu_time_of_all,
    private_bytes,
)
from benchmarks.harness.server import TONE, Server, ServerError, serving
from benchmarks.harness.speech_quality import opinion_scores
from ingress.caller.listening_quality import has_sound

MAXIMUM_FOREIGN_PERCENT = 10.0
"""Of the server's core: more and it did not have the core to itself."""
REHEARSAL = (6, 0.3, 0.7)
"""Calls, warm-up and time of a first, small load: what a server loads only when it is called."""
CALLS_SCORED = 5
"""By PESQ, which takes a fifth of a second for each."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server in the comparison."""

    name: str
    command: Callable[[], Sequence[str]]
    frame_ms: int = 20
    """Audio in a message."""
    interval_ms: int = 20
    """From one message to the next."""


def _task_per_call(pace: str, interval_ms: int = 20) -> Callable[[], Sequence[str]]:
    module = "benchmarks.pacing.task_per_call_server"
    return lambda: (sys.executable, "-m", module, "--pace", pace, "--interval-ms", str(interval_ms))


_RAYMAL = (*TONE, "--max-calls", "1000")
RAYMAL = Contestant("raymal", lambda: _RAYMAL)
RAYMAL_THROTTLED = Contestant(
    "raymal at 30 ms", lambda: (*_RAYMAL, "--set", "server.frame_ms=30"), frame_ms=30, interval_ms=30
)
SLEEPS = Contestant("asyncio sleeps", _task_per_call("sleep"))
SLEEPS_THROTTLED = Contestant("asyncio throttled", _task_per_call("sleep", 30), interval_ms=30)
DEADLINES = Contestant("asyncio deadlines", _task_per_call("deadline"))
C_LOOP = Contestant("C loop", lambda: (str(program("epoll_server")),))
C_LOOP_ON_TICK = Contestant("C loop on tick", lambda: (str(program("epoll_server")), "--read-on-tick"))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server used during the measured time, in percent of a core."""

    user_percent: float
    """Of the process with the sockets."""
    system_percent: float
    others_percent: float
    """Of its other processes."""
    foreign_percent: float
    """Of all other processes of this machine, on the server's core."""
    stolen_percent: float
    """Of the server's core, taken by the host."""
    idle_bytes: int
    """Private memory of all its processes after the rehearsal, without calls."""
    loaded_bytes: int
    """The same at the end of the measured time, with all calls standing."""

    @property
    def cpu_percent(self) -> float:
        """Of the process with the sockets."""
        return self.user_percent + self.system_percent


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contestant at one number of calls, once."""

    contestant: Contestant
    load: Load
    usage: Usage
    heard: Heard
    judgement: Judgement
    opinion_scores: Sequence[float]

    @property
    def calls(self) -> int:
        """How many at a time."""
        return self.load.calls

    @property
    def cpu_percent_per_call(self) -> float:
        """Of a core, by the process with the sockets."""
        return self.usage.cpu_percent / self.calls

    @property
    def bytes_per_call(self) -> float:
        """Private memory at the end, less that of the idle server, for each call."""
        return (self.usage.loaded_bytes - self.usage.idle_bytes) / self.calls

    @property
    def opinion_score(self) -> float:
        """Mean PESQ over the calls that were scored; NaN where there was none."""
        return fmean(self.opinion_scores) if self.opinion_scores else float("nan")

    @property
    def disturbance(self) -> float:
        """The worst of what may make a measurement invalid, over its limit: up to 1 is allowed."""
        return max(
            self.heard.report.cpu_percent / MAXIMUM_CPU_PERCENT,
            self.heard.report.tick_p99_ms / MAXIMUM_TICK_P99_MS,
            self.usage.foreign_percent / MAXIMUM_FOREIGN_PERCENT,
        )

    def invalid_because(self) -> list[str]:
        """Return why this says nothing of the server; empty if it is valid."""
        reasons = self.heard.report.invalid_because()
        if self.usage.foreign_percent > MAXIMUM_FOREIGN_PERCENT:
            reasons.append(
                f"other processes used {self.usage.foreign_percent:.0f} % of the server's core "
                f"(at most {MAXIMUM_FOREIGN_PERCENT:g} %)"
            )
        return reasons


def measure(contestant: Contestant, load: Load, server_core: int, audio: CallerAudio) -> Measurement:
    """Start the server, rehearse, measure, stop it. Raises ServerError, GeneratorError, CompilerError."""
    with serving(contestant.name, contestant.command(), [server_core]) as server:
        calls, warm_up_s, measured_s = REHEARSAL
        generate(Load(calls, warm_up_s, measured_s, load.core), server.port, audio)
        seen = [_Snapshot.of(server, server_core)]

        def look() -> None:
            seen.append(_Snapshot.of(server, server_core))

        heard = generate(load, server.port, audio, look, look)
        seen[0].check_still_there(server)
    if heard.first_call and not has_sound(heard.first_call):
        raise ServerError(f"{contestant.name} sent silence where a tone was due")
    idle, begin, end = seen
    scores = opinion_scores(frames_of_calls(heard.arrivals), audio.prompt, CALLS_SCORED)
    judgement = judge(heard.arrivals, load.calls, load.measured_s)
    return Measurement(contestant, load, end.usage_since(begin, idle.private_bytes), heard, judgement, scores)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    at_s: float
    worker_id: int
    worker: CpuTime
    """Of the process with the sockets."""
    others: CpuTime
    core: CoreTime
    private_bytes: int

    @classmethod
    def of(cls, server: Server, core: int) -> _Snapshot:
        workers = server.media_workers()
        worker_id = workers[0].pid if workers else server.process.pid
        processes = server.process_ids()
        others = cpu_time_of_all(process for process in processes if process != worker_id)
        try:
            own, at_s, core_used = cpu_time(worker_id), monotonic(), core_time(core)
            memory = sum(map(private_bytes, processes))
        except OSError as error:
            raise ServerError(f"{server.name} ended by itself") from error
        return cls(at_s, worker_id, own, others, core_used, memory)

    def check_still_there(self, server: Server) -> None:
        """Raise ServerError if the process with the sockets has ended since."""
        if server.process.poll() is not None or self.worker_id not in server.process_ids():
            raise ServerError(f"{server.name} ended by itself")

    def usage_since(self, before: _Snapshot, idle_bytes: int) -> Usage:
        percent = 100.0 / (self.at_s - before.at_s)
        worker, others = self.worker - before.worker, self.others - before.others
        core = self.core - before.core
        return Usage(
            user_percent=worker.user_s * percent,
            system_percent=worker.system_s * percent,
            others_percent=others.total_s * percent,
            foreign_percent=max(0.0, core.busy_s - worker.total_s - others.total_s) * percent,
            stolen_percent=core.stolen_s * percent,
            idle_bytes=idle_bytes,
            loaded_bytes=self.private_bytes,
        )
