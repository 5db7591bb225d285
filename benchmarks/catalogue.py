"""Every benchmark: what it answers, how it is run, about how long that takes, and its headline figures.

The minutes are those of two cores. Quick runs together take less than ten minutes and show whether
everything still works; their figures are of too few values to compare.

A figure is compared by its ratio to the kept one. The limit says how many times worse is a regression:

| limit | for |
|---|---|
| 1.25 | figures of whole machines, which move by a tenth from run to run, and by more on a shared host |
| 1.15 | what both sides of a comparison reach in turns in one run |
| 2 | tails, of few values or of a few milliseconds |
| 1.05 | shares of nearly all |
| 1.1 | word errors of the same recordings, which do not vary |
| 1.4 | calls on a ladder whose rungs are up to a third apart |
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from actors.percentiles import percentile
from ingress.caller.listening_quality import PHONE_BUFFER_MS

USUAL, IN_ONE_RUN, TAIL, SHARE, ERRORS, RUNGS = 1.25, 1.15, 2.0, 1.05, 1.1, 1.4
INTO = "{into}"
"""In arguments: the folder of the results."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One headline figure: less is better, unless it is said."""

    name: str
    unit: str
    """Empty for a count."""
    limit: float
    """Worse than the kept one by more than this factor is a regression."""
    find: Callable[[Any], Any]
    """Takes the figure out of a result."""
    more_is_better: bool = False

    def read(self, values: Any) -> float | None:
        """Return the figure of a result; None if it is not there."""
        try:
            value = float(self.find(values))
        except (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError):
            return None
        return value if isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One command and its result, NAME.json."""

    name: str
    answers: str
    module: str
    minutes: float
    figures: tuple[Figure, ...]
    arguments: tuple[str, ...] = ()
    """Of a whole run."""
    quick: tuple[str, ...] | None = None
    """Arguments of a quick run; None: there is none, and a whole one is made."""
    quick_minutes: float = 0.0
    outputs: tuple[str, ...] = ()
    """Arguments that let it write more than its result."""
    pictures: tuple[str, ...] = ()
    """Of these outputs, what is kept for the documents."""
    is_default: bool = True

    def lasts_minutes(self, is_quick: bool) -> float:
        """Return about how long it takes."""
        return self.quick_minutes if is_quick and self.quick is not None else self.minutes

    def command(self, into: Path, is_quick: bool) -> list[str]:
        """Return the command that writes the result into a folder."""
        arguments = self.quick if is_quick and self.quick is not None else self.arguments
        files = (*self.outputs, "--json", f"{INTO}/{self.name}.json")
        placed = (each.replace(INTO, str(into)) for each in (*arguments, *files))
        return [sys.executable, "-m", self.module, *placed]


def chosen(benchmarks: Sequence[Benchmark], names: str | None) -> list[Benchmark]:
    """Return those named, with commas between, in their own order; for None the default set.

    Raises ValueError for an unknown name.
    """
    if names is None:
        return [each for each in benchmarks if each.is_default]
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    known = [each.name for each in benchmarks]
    if not wanted or wanted - set(known):
        unknown = ", ".join(sorted(wanted - set(known))) or "none named"
        raise ValueError(f"no such benchmark: {unknown} (there are {', '.join(known)})")
    return [each for each in benchmarks if each.name in wanted]


def _entry(entries: Sequence[Any], **fields: object) -> Any:
    """Return the first entry that has all these fields."""
    return next(each for each in entries if all(each[name] == value for name, value in fields.items()))


def _stt(it: Any) -> Any:
    return _entry(it["contestants"], name="raymal")


def _share(it: Any, outcome: str, kind: str | None = None) -> float:
    """Return the share of utterances with an outcome: of all conditions, or of one kind on the clean line."""
    groups = it["conditions"] if kind is None else it["kinds"]
    sums = [each["ours"] for each in groups if kind is None or each["name"].startswith(kind)]
    return float(sum(each[outcome] for each in sums) / sum(each["utterances"] for each in sums))


def _invented_per_hour(it: Any) -> float:
    seconds = sum(each["seconds"] for each in it["noises"])
    return float(3_600.0 * sum(each["ours"]["words"] for each in it["noises"]) / seconds)


def _end_over_babble_ms(it: Any) -> Any:
    return _entry(it["conditions"], name="babble, 10 dB")["end_of_turn_ms"]["p95"]


def _paced(it: Any, server: str = "raymal") -> Any:
    return _entry(it["results"], server=server, calls=400)


def _underruns(paced: Any) -> Any:
    return _entry(paced["phones"], buffer_ms=PHONE_BUFFER_MS)["underruns"]


def _wait_over_ideal(it: Any) -> float:
    steady = [run for run in it["runs"] if run["load"] == 0.7]
    measured, ideal = ([ms for run in steady for ms in run[key]] for key in ("wait_ms", "ideal_wait_ms"))
    return fmean(measured) / fmean(ideal)


def _measured(it: Any, criterion: str, index: int = 0, **fields: str) -> float:
    """Return one of the numbers in the words of an outcome."""
    words = _entry(it["outcomes"], criterion=criterion, **fields)["measured"]
    return float(re.findall(r"[-+]?\d+(?:\.\d+)?", words)[index])


def _spoken(it: Any) -> Any:
    return _entry(it["voice"], dialog="reservation", calls=1)


def _lead_ms(it: Any) -> float:
    return percentile((each["lead_ms"] for each in it["model"]["answers"] if each["sentences"] > 1), 50)


def _visits(it: Any, outcome: str) -> float:
    return 100.0 * fmean(each[outcome] for each in it["visits"])


def _answers_over_before(it: Any) -> float:
    def p50_ms(phase: str) -> float:
        return percentile((ms for call in it["answer_times_ms"][phase] for ms in call if ms is not None), 50)

    return p50_ms("10 times") / p50_ms("before")


def _held_over_answered(it: Any) -> float:
    answered = [limit["calls_answered"] for name, limit in it["limits"].items() if name != "raymal"]
    return float(it["limits"]["raymal"]["calls_held"] / max(1, *answered))


def _passed(it: Any) -> float:
    asked = [row["verdict"] == "PASS" for row in it["outcomes"] if row["verdict"] != "SHOWN"]
    return 100.0 * asked.count(True) / len(asked)


OPERATION = (
    Figure("CPU of the calls, operated over alone", "times", SHARE, lambda it: it["cpu_ratio"]),
    Figure("scrape, p95", "ms", TAIL, lambda it: 1_000.0 * percentile(it["scrape_s"], 95.0)),
)
AT_10 = "10 times"
LONGER = "raymal at 30 ms"
DEMO = (
    Figure("answer after the question", "ms", TAIL, lambda it: it["call"]["turns"][-1]["first_answer_ms"]),
)
STT = (
    Figure("speed against stock", "times", IN_ONE_RUN, lambda it: it["speed_ratio"], True),
    Figure("utterances a second", "", USUAL, lambda it: _stt(it)["utterances_per_s"], True),
    Figure("word error rate", "%", ERRORS, lambda it: 100.0 * _stt(it)["word_error_rate"]),
)
HEARING = (
    Figure(
        "digit strings exactly right, -20 dBFS",
        "%",
        SHARE,
        lambda it: 100.0 * _share(it, "right", "digit strings"),
        True,
    ),
    Figure("exactly right, all conditions", "%", SHARE, lambda it: 100.0 * _share(it, "right"), True),
    Figure("wrong while sure, all conditions", "%", ERRORS, lambda it: 100.0 * _share(it, "wrong")),
    Figure("words invented of noise", "an hour", ERRORS, _invented_per_hour),
    Figure("end of turn p95, babble 10 dB", "ms", USUAL, _end_over_babble_ms),
    Figure("CPU time against stock", "times less", IN_ONE_RUN, lambda it: it["cpu_ratio"], True),
)
PACING = (
    Figure(
        "CPU against a C loop, 400 calls", "times", IN_ONE_RUN, lambda it: _paced(it)["cpu_ratio_to_c_loop"]
    ),
    Figure("lateness p99.9, 400 calls", "ms", TAIL, lambda it: _paced(it)["lateness_ms"]["p99.9"]),
    Figure("underruns of a 60 ms phone, 400 calls", "", TAIL, lambda it: _underruns(_paced(it))),
    Figure("memory per call, 400 calls", "KB", USUAL, lambda it: _paced(it)["bytes_per_call"] / 1e3),
)
THROTTLE = (
    Figure(
        "CPU at 30 ms against 20 ms, 400 calls", "times", IN_ONE_RUN,
        lambda it: _paced(it, LONGER)["cpu_percent_per_call"] / _paced(it)["cpu_percent_per_call"],
    ),
    Figure("underruns of a 60 ms phone, 400 calls", "", TAIL, lambda it: _underruns(_paced(it, LONGER))),
)  # fmt: skip
LEASES = (
    Figure("lease and dispatch p50", "ms", USUAL, lambda it: percentile(it["overheads_ms"], 50)),
    Figure("mean wait against ideal", "times", IN_ONE_RUN, _wait_over_ideal),
    Figure(
        "leases a second",
        "",
        USUAL,
        lambda it: it["throughput"]["leases"] / it["throughput"]["seconds"],
        True,
    ),
    Figure("cached greeting p50", "ms", USUAL, lambda it: percentile(it["cached_ms"], 50)),
)
OVERLOAD = (
    Figure("served at 10 times", "%", SHARE, lambda it: _measured(it, "capacity served", test=AT_10), True),
    Figure(
        "refusal p95 at 10 times", "ms", TAIL,
        lambda it: _measured(it, "refused: UUID to the phrase p50, p95, max", 1, test=AT_10),
    ),
    Figure("answers p50 at 10 times against before", "times", IN_ONE_RUN, _answers_over_before),
)  # fmt: skip
COMPARE = (
    Figure("calls held", "", RUNGS, lambda it: it["limits"]["raymal"]["calls_held"], True),
    Figure("held against the seed's answered", "times", RUNGS, _held_over_answered, True),
)
CAPACITY = (
    Figure("calls held", "", USUAL, lambda it: it["calls_held"], True),
    Figure("core-seconds for a call's minute", "s", USUAL, lambda it: it["core_s_per_call_minute"]),
    # Admission is full at one and a half and at three times; nothing may be lost to refusing.
    Figure(
        "served at 3 times against 1.5", "times", IN_ONE_RUN,
        lambda it: it["overload"][-1]["calls_mean"] / it["overload"][0]["calls_mean"], True,
    ),
)  # fmt: skip
CONVERSATION = (
    Figure("voice to voice p50, one call", "ms", USUAL, lambda it: _spoken(it)["p50_ms"]),
    Figure("voice to voice p95, one call", "ms", TAIL, lambda it: _spoken(it)["p95_ms"]),
    Figure("first sentence before the last token, p50", "ms", TAIL, _lead_ms, True),
    Figure("visits without a door opened unasked", "%", SHARE, lambda it: _visits(it, "is_safe"), True),
    Figure("visits that ended as scripted", "%", SHARE, lambda it: _visits(it, "is_as_scripted"), True),
)
FAULTS = (Figure("criteria passed", "%", SHARE, _passed, True),)
DOOR = (
    Figure("memory of Serve at rest", "MB", USUAL, lambda it: it["at_rest"]["together"]["resident_mb"]),
    Figure("CPU of Serve at rest", "% of a core", TAIL, lambda it: it["at_rest"]["together"]["cpu_percent"]),
)
SOAK = (
    Figure(
        "memory at the end", "MiB", USUAL,
        lambda it: sum(samples[-1] for samples in it["memory"]["bytes"].values()) / 2**20,
    ),
    Figure("lateness p99.9 at the end", "ms", TAIL, lambda it: _measured(it, "p99.9 lateness at the end")),
)  # fmt: skip

_FEW_CALLS = ("--calls", "400", "--seconds", "3")
_THROTTLED = ("--throttled", "--seed-throttle")
BENCHMARKS = (
    Benchmark(
        "demo", "how soon does a caller hear an answer to a question, and what is waited for?",
        "benchmarks.demo", 0.5, DEMO,
    ),
    Benchmark(
        "stt", "how fast and how right is the whisper engine, against stock faster-whisper?",
        "benchmarks.stt", 10, STT, ("--all",), ("--utterances", "24"), 1,
    ),
    Benchmark(
        "hearing",
        "what is heard of digits, words and sentences, on good lines and bad, beside stock faster-whisper?",
        "benchmarks.hearing", 25, HEARING, (), ("--quick",), 1.3,
    ),
    Benchmark(
        "pacing",
        "what does a call cost, and how late are its frames, against asyncio's usual designs and a C loop?",
        "benchmarks.pacing", 5, PACING, (), _FEW_CALLS, 1,
        ("--plot", f"{INTO}/pacing-lateness.svg"), ("pacing-lateness.svg",),
    ),
    Benchmark(
        "throttle", "what do longer frames save under load, against the throttle that starves the phone?",
        "benchmarks.pacing", 5, THROTTLE, _THROTTLED, (*_THROTTLED, *_FEW_CALLS), 1,
        ("--plot", f"{INTO}/pacing-throttle.svg"), ("pacing-throttle.svg",),
    ),
    Benchmark(
        "leases", "what does a lease on Ray cost, and is waiting for one as short as theory allows?",
        "benchmarks.leases", 5, LEASES, (), ("--quick",), 1,
    ),
    Benchmark(
        "overload",
        "with 2 and 10 times the callers that there is room for: who is served, who is refused, who notices?",
        "benchmarks.overload", 4, OVERLOAD, (), ("--quick",), 0.7,
    ),
    Benchmark(
        "compare", "how many calls does raymal hold beside the design that it replaces, on the same cores?",
        "benchmarks.compare", 8, COMPARE, (), ("--quick",), 1.5,
    ),
    Benchmark(
        "capacity", "how many calls does this machine hold, limited by what, and what does a call cost?",
        # Quick: the least time that it accepts; it is over sooner when only the first calls are tried.
        "benchmarks.capacity", 9.5, CAPACITY, (),
        ("--minutes", "5.5", "--most-calls", "4", "--no-overload"), 2,
        ("--report", f"{INTO}/capacity", "--write-limits", f"{INTO}/capacity-limits.toml"),
        ("capacity/turns.svg", "capacity/stages.svg", "capacity/goodput.svg"),
    ),
    Benchmark(
        "conversation",
        "how soon is a caller answered, does an interruption stop a language model, does a door stay closed?",
        "benchmarks.conversation", 30, CONVERSATION, (), ("--quick",), 5, is_default=False,
    ),
    Benchmark(
        "operation", "what do a live page, Prometheus and changing extensions cost running calls?",
        "benchmarks.operation", 5, OPERATION, (), ("--pairs", "1", "--seconds", "5"), 0.8, is_default=False,
    ),
    Benchmark(
        "door", "what does the cluster's door on Ray Serve take at rest?",
        "benchmarks.door", 2, DOOR, (), ("--seconds", "5"), 1, is_default=False,
    ),
    Benchmark(
        "faults", "what do callers notice of bad networks, bad peers and busy machines? (as root)",
        "benchmarks.faults", 12, FAULTS, is_default=False,
    ),
    Benchmark(
        "soak", "does anything grow, leak, drift or drop while calls come and go for long?",
        "benchmarks.soak", 11, SOAK, ("--minutes", "10"), ("--minutes", "1"), 2, is_default=False,
    ),
)  # fmt: skip
