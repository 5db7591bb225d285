"""One server under one load: what it used, and what its callers heard. benchmarks/README.md has the servers.

A server is started for one measurement and stopped after it, so that none pays for another's memory.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import fmean

from benchmarks.harness.arrivals import Judgement, frames_of_calls, judge
from benchmarks.harness.caller_audio import CallerAudio
from benchmarks.harness.load_generator import Heard, Load, generate
from benchmarks.harness.native.compiler import program
from benchmarks.harness.processes import CpuUse, Snapshot, private_bytes
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


def _recorded() -> Sequence[str]:
    folder = tempfile.mkdtemp(prefix="bench-recordings-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = ("recording.audio=true", "recording.transcripts=true", f"recording.folder={folder}")
    return (*_RAYMAL, *(part for setting in settings for part in ("--set", setting)))


RAYMAL_RECORDED = Contestant("raymal recording", _recorded)
SLEEPS = Contestant("asyncio sleeps", _task_per_call("sleep"))
SLEEPS_THROTTLED = Contestant("asyncio throttled", _task_per_call("sleep", 30), interval_ms=30)
DEADLINES = Contestant("asyncio deadlines", _task_per_call("deadline"))
C_LOOP = Contestant("C loop", lambda: (str(program("epoll_server")),))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contestant at one number of calls."""

    contestant: Contestant
    load: Load
    use: CpuUse
    """Server: the process with the sockets; foreign: neither it nor the server's other processes."""
    bytes_per_call: float
    """Private memory of all the server's processes with all calls standing, less that after the rehearsal."""
    heard: Heard
    judgement: Judgement
    opinion_score: float
    """Mean PESQ of some calls; NaN where there is none."""

    @property
    def calls(self) -> int:
        """How many at a time."""
        return self.load.calls

    @property
    def cpu_percent_per_call(self) -> float:
        """Of a core, by the process with the sockets."""
        return self.use.server_percent / self.calls

    def invalid_because(self) -> list[str]:
        """Return why this says nothing of the server; empty if it is valid."""
        reasons = self.heard.report.invalid_because()
        if self.use.foreign_percent > MAXIMUM_FOREIGN_PERCENT:
            reasons.append(
                f"other processes used {self.use.foreign_percent:.0f} % of the server's core "
                f"(at most {MAXIMUM_FOREIGN_PERCENT:g} %)"
            )
        return reasons


def measure(
    contestant: Contestant,
    load: Load,
    server_core: int,
    audio: CallerAudio,
    beside: Callable[[Server], AbstractContextManager[object]] = nullcontext,
) -> Measurement:
    """Start the server, rehearse, measure, stop it. Raises ServerError, GeneratorError, CompilerError.

    `beside` is entered with the server for the time of the load.
    """
    with serving(contestant.name, contestant.command(), [server_core]) as server:
        generate(Load(*REHEARSAL, load.core), server.port, audio)
        workers = server.media_workers()
        worker = workers[0].pid if workers else server.process.pid
        memory_bytes, seen = [_private_bytes(server)], list[Snapshot]()

        def look() -> None:
            others = set(server.process_ids()) - {worker}
            seen.append(Snapshot.of([worker], server_core, others))
            memory_bytes.append(_private_bytes(server))

        with beside(server):
            heard = generate(load, server.port, audio, look, look)
        if server.process.poll() is not None or worker not in server.process_ids():
            raise ServerError(f"{contestant.name} ended by itself")
    if heard.first_call and not has_sound(heard.first_call):
        raise ServerError(f"{contestant.name} sent silence where a tone was due")
    scores = opinion_scores(frames_of_calls(heard.arrivals), audio.prompt, CALLS_SCORED)
    return Measurement(
        contestant,
        load,
        use=seen[-1] - seen[0],
        bytes_per_call=(memory_bytes[-1] - memory_bytes[0]) / load.calls,
        heard=heard,
        judgement=judge(heard.arrivals, load.calls, load.measured_s),
        opinion_score=fmean(scores) if scores else float("nan"),
    )


def _private_bytes(server: Server) -> int:
    try:
        return sum(map(private_bytes, server.process_ids()))
    except OSError as error:
        raise ServerError(f"{server.name} ended by itself") from error
