"""One server under one load: what it used, and what its callers heard."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from time import monotonic

from benchmarks.harness.server_process import ServerError
from benchmarks.pacing.callers import Callers
from benchmarks.pacing.generator import (
    MAXIMUM_CPU_PERCENT,
    MAXIMUM_TICK_P99_MS,
    GeneratorReport,
    Heard,
    Load,
    generate,
)
from benchmarks.pacing.judgement import Judgement, judge
from benchmarks.pacing.processes import CoreTime, CpuTime, core_time, cpu_time, private_bytes
from benchmarks.pacing.servers import Contestant, Server, running
from benchmarks.pacing.speech_quality import opinion_scores
from ingress.caller.listening_quality import has_sound

MAXIMUM_STRANGERS_PERCENT = 10.0
"""Of the server's core: more and it did not have the core to itself."""
REHEARSAL = (6, 0.3, 0.7)
"""Calls, warm-up and time of a first, small load: what a server loads only when it is called."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server used during the measured time, in percent of a core."""

    user_percent: float
    """Of the process with the sockets."""
    system_percent: float
    others_percent: float
    """Of its other processes."""
    strangers_percent: float
    """Of anybody else in this machine who ran on the server's core."""
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
    opinion_scores: tuple[float, ...]

    @property
    def generator(self) -> GeneratorReport:
        """What the generator says of itself."""
        return self.heard.report

    @property
    def disturbance(self) -> float:
        """The worst of what may make a measurement invalid, over its limit: up to 1 is allowed."""
        return max(
            self.generator.cpu_percent / MAXIMUM_CPU_PERCENT,
            self.generator.tick_p99_ms / MAXIMUM_TICK_P99_MS,
            self.usage.strangers_percent / MAXIMUM_STRANGERS_PERCENT,
        )

    def invalid_because(self) -> list[str]:
        """Return why this says nothing of the server; empty if it is valid."""
        reasons = self.generator.invalid_because()
        if self.usage.strangers_percent > MAXIMUM_STRANGERS_PERCENT:
            reasons.append(
                f"somebody else used {self.usage.strangers_percent:.0f} % of the server's core "
                f"(at most {MAXIMUM_STRANGERS_PERCENT:g} %)"
            )
        return reasons


def measure(contestant: Contestant, load: Load, server_core: int, callers: Callers) -> Measurement:
    """Start the server, rehearse, measure, stop it. Raises ServerError, GeneratorError, CompilerError."""
    with running(contestant, server_core) as server:
        calls, warm_up_s, measured_s = REHEARSAL
        generate(Load(calls, warm_up_s, measured_s, load.core), server.port, callers)
        idle_bytes = _memory(server)
        before: list[_Snapshot] = []
        after: list[_Snapshot] = []
        loaded_bytes: list[int] = []

        def look_at_the_end() -> None:
            after.append(_Snapshot.of(server, server_core))
            loaded_bytes.append(_memory(server))

        heard = generate(
            load,
            server.port,
            callers,
            lambda: before.append(_Snapshot.of(server, server_core)),
            look_at_the_end,
        )
        if not server.is_alive():
            raise ServerError(f"{contestant.name} died under {load.calls} calls")
    if heard.first_call and not has_sound(heard.first_call):
        raise ServerError(f"{contestant.name} sent silence where a tone was due")
    return Measurement(
        contestant,
        load,
        _usage(before[0], after[0], idle_bytes, loaded_bytes[0]),
        heard,
        tuple(opinion_scores(heard.arrivals, callers.prompt)),
    )


@dataclass(frozen=True, slots=True)
class Result:
    """One contestant at one number of calls: all its repetitions."""

    contestant: Contestant
    measurements: tuple[Measurement, ...]
    judgement: Judgement

    @classmethod
    def of(cls, measurements: tuple[Measurement, ...]) -> Result:
        """Judge all repetitions together."""
        load = measurements[0].load
        judgement = judge([each.heard.arrivals for each in measurements], load.calls, load.measured_s)
        return cls(measurements[0].contestant, measurements, judgement)

    @property
    def calls(self) -> int:
        """How many at a time."""
        return self.measurements[0].load.calls

    @property
    def cpu_percent_per_call(self) -> float:
        """Of a core, by the process with the sockets."""
        return fmean(each.usage.cpu_percent for each in self.measurements) / self.calls

    @property
    def user_percent_per_call(self) -> float:
        """Of that, outside the kernel."""
        return fmean(each.usage.user_percent for each in self.measurements) / self.calls

    @property
    def system_percent_per_call(self) -> float:
        """Of that, in the kernel."""
        return fmean(each.usage.system_percent for each in self.measurements) / self.calls

    @property
    def others_percent(self) -> float:
        """Of a core, by the server's other processes together."""
        return fmean(each.usage.others_percent for each in self.measurements)

    @property
    def strangers_percent(self) -> float:
        """Of the server's core, used by somebody else in this machine."""
        return fmean(each.usage.strangers_percent for each in self.measurements)

    @property
    def stolen_percent(self) -> float:
        """Of the server's core, taken by the host."""
        return fmean(each.usage.stolen_percent for each in self.measurements)

    @property
    def bytes_per_call(self) -> float:
        """Private memory at the end, less that of the idle server, for each call."""
        return (
            fmean(each.usage.loaded_bytes - each.usage.idle_bytes for each in self.measurements) / self.calls
        )

    @property
    def opinion_score(self) -> float:
        """Mean PESQ over the calls that were heard; NaN where there was none."""
        scores = [score for each in self.measurements for score in each.opinion_scores]
        return fmean(scores) if scores else float("nan")

    def invalid_because(self) -> list[str]:
        """Return why one of the repetitions says nothing of the server."""
        return [reason for each in self.measurements for reason in each.invalid_because()]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    at_s: float
    worker: CpuTime
    others: CpuTime
    core: CoreTime

    @classmethod
    def of(cls, server: Server, core: int) -> _Snapshot:
        try:
            others = sum((cpu_time(each) for each in server.others), CpuTime(0.0, 0.0))
            return cls(monotonic(), cpu_time(server.worker), others, core_time(core))
        except OSError as error:
            raise ServerError(f"{server.contestant.name} died") from error


def _usage(before: _Snapshot, after: _Snapshot, idle_bytes: int, loaded_bytes: int) -> Usage:
    worker, others, core = (
        after.worker - before.worker,
        after.others - before.others,
        after.core - before.core,
    )
    percent = 100.0 / (after.at_s - before.at_s)
    return Usage(
        user_percent=worker.user_s * percent,
        system_percent=worker.system_s * percent,
        others_percent=others.total_s * percent,
        strangers_percent=max(0.0, core.busy_s - worker.total_s - others.total_s) * percent,
        stolen_percent=core.stolen_s * percent,
        idle_bytes=idle_bytes,
        loaded_bytes=loaded_bytes,
    )


def _memory(server: Server) -> int:
    try:
        return sum(private_bytes(each) for each in (server.worker, *server.others))
    except OSError as error:
        raise ServerError(f"{server.contestant.name} died") from error
