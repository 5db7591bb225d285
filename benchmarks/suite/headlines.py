"""The headline figures of each benchmark, and how far one may fall back before it is called a regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from benchmarks.suite.figures import Better, Figure, in_units_of, number
from benchmarks.suite.places import Place, at
from ingress.caller.listening_quality import PHONE_BUFFER_MS, percentile

IN_ONE_RUN = 1.15
"""Both sides in turns in one run: the machine's mood cancels."""
TAIL = 2.0
"""Of few values, or of a few milliseconds: one bad moment of the host doubles it."""
SHARE = 1.05
"""Of nearly all: what is served of the lines, what passes of the criteria."""
ERRORS = 1.1
"""Words of the same recordings: they do not vary, and a tenth more is the whole allowance over stock."""
RUNGS = 1.4
"""The ladder's rungs are up to a third apart: one rung less is chance, two are not."""
CALLS = 400
COMPARED_CALLS = 8
"""Where every contestant of the comparison begins, so that it is always measured."""
FIRST_CALLS = 4.0
"""The same of a capacity measurement."""
STEADY_LOAD, CROWDED_LOAD = 0.7, 0.95
LOWER, HIGHER = Better.LOWER, Better.HIGHER

MEBIBYTES = in_units_of(2**20)
P50, P95 = partial(percentile, percent=50), partial(percentile, percent=95)


def _last_answer_ms(turns: Sequence[Mapping[str, float]]) -> float:
    return turns[-1]["first_answer_ms"]


# One call, one question.
DEMO = (Figure("answer after the question", "ms", at("call", "turns"), LOWER, TAIL, _last_answer_ms),)


def _of_raymal(key: str) -> Place:
    return at("contestants", {"name": "raymal"}, key)


STT = (
    Figure("speed against stock", "times", at("speed_ratio"), HIGHER, IN_ONE_RUN, is_quick=True),
    Figure("utterances a second", "", _of_raymal("utterances_per_s"), HIGHER, is_quick=True),
    Figure("word error rate", "%", _of_raymal("word_error_rate"), LOWER, ERRORS, in_units_of(0.01)),
    Figure("memory", "MiB", _of_raymal("pss_bytes"), LOWER, take=MEBIBYTES),
)


def _paced(server: str, *more: str | Mapping[str, object]) -> Place:
    return at("results", {"server": server, "calls": CALLS}, *more)


_LATENESS = ("lateness_ms", "p99.9")
_UNDERRUNS = ("phones", {"buffer_ms": PHONE_BUFFER_MS}, "underruns")
_PLAIN, _LONGER, _LIMIT = (f"{server}, {CALLS} calls" for server in ("raymal", "raymal at 30 ms", "C loop"))
"""How the lines begin that say what was disturbed."""

PACING = (
    Figure("CPU per call, 400 calls", "% of a core", _paced("raymal", "cpu_percent_per_call"), LOWER,
           disturbed_by=(_PLAIN,), is_quick=True),
    Figure("CPU against a C loop, 400 calls", "times", _paced("raymal", "cpu_ratio_to_c_loop"), LOWER,
           IN_ONE_RUN, disturbed_by=(_PLAIN, _LIMIT), is_quick=True),
    Figure("lateness p99.9, 400 calls", "ms", _paced("raymal", *_LATENESS), LOWER, TAIL,
           disturbed_by=(_PLAIN,), is_quick=True),
    Figure("underruns of a 60 ms phone, 400 calls", "", _paced("raymal", *_UNDERRUNS), LOWER, TAIL,
           disturbed_by=(_PLAIN,)),
    # Whoever used the core, the calls took this memory.
    Figure("memory per call, 400 calls", "KB", _paced("raymal", "bytes_per_call"), LOWER,
           take=in_units_of(1_000), disturbed_by=(), is_quick=True),
)  # fmt: skip


def _saved_by_longer_frames(results: Sequence[Mapping[str, Any]]) -> float:
    cpu = {row["server"]: row["cpu_percent_per_call"] for row in results if row["calls"] == CALLS}
    return float(cpu["raymal at 30 ms"] / cpu["raymal"])


THROTTLE = (
    Figure("CPU per call at 30 ms, 400 calls", "% of a core",
           _paced("raymal at 30 ms", "cpu_percent_per_call"), LOWER,
           disturbed_by=(_LONGER,), is_quick=True),
    Figure("CPU at 30 ms against 20 ms, 400 calls", "times", at("results"), LOWER, IN_ONE_RUN,
           _saved_by_longer_frames, (_PLAIN, _LONGER), is_quick=True),
    Figure("lateness p99.9 at 30 ms, 400 calls", "ms", _paced("raymal at 30 ms", *_LATENESS), LOWER, TAIL,
           disturbed_by=(_LONGER,), is_quick=True),
    Figure("underruns of a 60 ms phone at 30 ms, 400 calls", "", _paced("raymal at 30 ms", *_UNDERRUNS),
           LOWER, TAIL, disturbed_by=(_LONGER,)),
)  # fmt: skip


def _per_second(throughput: Mapping[str, float]) -> float:
    return throughput["leases"] / throughput["seconds"]


def _mean_wait_over_ideal(runs: Sequence[Mapping[str, Any]]) -> float:
    steady = [run for run in runs if run["load"] == STEADY_LOAD]
    waits = [ms for run in steady for ms in run["wait_ms"]]
    return fmean(waits) / fmean(ms for run in steady for ms in run["ideal_wait_ms"])


def _emergency_p95(runs: Sequence[Mapping[str, Any]]) -> float:
    return percentile(
        (
            ms
            for run in runs
            if run["load"] == CROWDED_LOAD
            for ms, priority in zip(run["wait_ms"], run["priority"], strict=True)
            if priority == "emergency"
        ),
        95,
    )


LEASES = (
    Figure("lease and dispatch p50", "ms", at("overheads_ms"), LOWER, take=P50, is_quick=True),
    Figure("mean wait against ideal", "times", at("runs"), LOWER, IN_ONE_RUN, _mean_wait_over_ideal),
    # Of some sixty requests: p95 stands on three of them.
    Figure("emergencies' wait p95", "ms", at("runs"), LOWER, TAIL, _emergency_p95),
    Figure("leases a second", "", at("throughput"), HIGHER, take=_per_second, is_quick=True),
    Figure("refusal p95", "ms", at("refusals_ms"), LOWER, TAIL, P95, is_quick=True),
    Figure("cached greeting p50", "ms", at("cached_ms"), LOWER, take=P50, is_quick=True),
)

_MOST = "10 times"


def _said_of(test: str, criterion: str) -> Place:
    return at("outcomes", {"test": test, "criterion": criterion}, "measured")


def _answers_over_before(times_ms: Mapping[str, Sequence[Sequence[float | None]]]) -> float:
    loaded, before = (
        P50(ms for call in times_ms[phase] for ms in call if ms is not None) for phase in (_MOST, "before")
    )
    return loaded / before


OVERLOAD = (
    Figure("served at 2 times", "%", _said_of("2 times", "capacity served"), HIGHER, SHARE, number,
           ("2 times: capacity",)),
    Figure("served at 10 times", "%", _said_of(_MOST, "capacity served"), HIGHER, SHARE, number,
           ("10 times: capacity",)),
    Figure("refusal p95 at 10 times", "ms", _said_of(_MOST, "refused: UUID to the phrase p50, p95, max"),
           LOWER, TAIL, partial(number, index=1), ("10 times: refused",)),
    Figure("answers p50 at 10 times against before", "times", at("answer_times_ms"), LOWER, IN_ONE_RUN,
           _answers_over_before, ("10 times: standing",)),
    Figure("lateness p99 at 10 times", "ms", _said_of(_MOST, "standing calls: lateness p99"), LOWER, TAIL,
           number, ("10 times: standing",)),
)  # fmt: skip


def _held_over_answered(limits: Mapping[str, Mapping[str, int]]) -> float:
    answered = max(limit["calls_answered"] for name, limit in limits.items() if name != "raymal")
    return limits["raymal"]["calls_held"] / max(1, answered)


def _compared(key: str) -> Place:
    return at("measurements", {"contestant": "raymal", "calls": COMPARED_CALLS}, key)


COMPARE = (
    Figure("calls held", "", at("limits", "raymal", "calls_held"), HIGHER, RUNGS),
    Figure("held against the seed's answered", "times", at("limits"), HIGHER, RUNGS, _held_over_answered),
    Figure("turn p95 at 8 calls", "ms", _compared("turn_p95_ms"), LOWER),
    Figure("CPU per call at 8 calls", "% of a core", _compared("cpu_percent_per_call"), LOWER),
)


def _served_of_most(overload: Sequence[Mapping[str, Any]]) -> float:
    """Return the calls there were at the greatest load over those at the least: both are full."""
    return float(overload[-1]["calls_mean"] / overload[0]["calls_mean"])


CAPACITY = (
    Figure("calls held", "", at("calls_held"), HIGHER),
    Figure("core-seconds for a call's minute", "s", at("core_s_per_call_minute"), LOWER),
    Figure("turn p95 at 4 calls", "ms", at("steps", {"calls": FIRST_CALLS}, "turn_p95_ms"), LOWER),
    # Admission is full at one and a half and at three times; nothing may be lost to refusing.
    Figure("served at 3 times against 1.5", "times", at("overload"), HIGHER, IN_ONE_RUN, _served_of_most),
)


def _passed(outcomes: Sequence[Mapping[str, str]]) -> float:
    asked = [row["verdict"] == "PASS" for row in outcomes if row["verdict"] != "SHOWN"]
    return 100.0 * sum(asked) / len(asked)


FAULTS = (Figure("criteria passed", "%", at("outcomes"), HIGHER, SHARE, _passed),)


def _last_mebibytes(bytes_of: Mapping[str, Sequence[int]]) -> float:
    return sum(samples[-1] for samples in bytes_of.values()) / 2**20


SOAK = (
    Figure("memory at the end", "MiB", at("memory", "bytes"), LOWER, take=_last_mebibytes),
    Figure(
        "lateness p99.9 at the end", "ms",
        at("outcomes", {"criterion": "p99.9 lateness at the end"}, "measured"), LOWER, TAIL, number,
    ),
    Figure("CPU of the server", "% of a core", at("outcomes", {"criterion": "CPU"}, "measured"), LOWER,
           take=number),
)  # fmt: skip
